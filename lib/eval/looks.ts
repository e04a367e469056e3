// Whether rows look like something else than they are said to be. One row of each utterance is
// looked at, so that the counts do not depend on batches.

import { bfloat16ToNumber, float16ToNumber } from '../io/half.js';
import type { SourceBatch } from '../io/source.js';
import type { Looks } from './statistics.js';

// float16 log-probabilities of a thousand classes still sum to 1 within this.
const sumTolerance = 0.01;

/** Looks at the frame in the middle of each utterance; `lengths` are 0 where there is none to look at. */
export function lookAt(
  outputs: SourceBatch,
  lengths: readonly number[],
  input: 'logits' | 'logProbs',
): Looks {
  const { data, type, shape, strides } = outputs;
  const [, , classes] = shape;
  const [frameStride, utteranceStride, classStride] = strides;
  const decode =
    type === 'float16' ? float16ToNumber : type === 'bfloat16' ? bfloat16ToNumber : undefined;
  const looks: Looks = { looked: 0, probabilities: 0, unnormalised: 0 };
  lengths.forEach((frames, n) => {
    if (frames === 0) return;
    const start = (frames >> 1) * frameStride + n * utteranceStride;
    const read = (c: number) => {
      const element = data[start + c * classStride]!;
      return decode === undefined ? element : decode(element);
    };
    looks.looked += 1;
    if (areProbabilities(read, classes)) looks.probabilities += 1;
    if (input === 'logProbs' && !areLogProbabilities(read, classes)) looks.unnormalised += 1;
  });
  return looks;
}

/** The warning that these counts call for, or undefined. */
export function suspicion(
  { looked, probabilities, unnormalised }: Looks,
  input: 'logits' | 'logProbs',
): string | undefined {
  const most = (count: number) => looked > 0 && count > 0.9 * looked;
  if (most(probabilities)) {
    return 'the rows look like probabilities (0 to 1, summing to 1): save their logarithm and use --input logProbs, or save the logits';
  }
  if (input === 'logProbs' && most(unnormalised)) {
    return 'the rows do not look like log-probabilities (their exponentials do not sum to 1): use --input logits if they are raw scores';
  }
  return undefined;
}

function areProbabilities(read: (c: number) => number, classes: number): boolean {
  let sum = 0;
  for (let c = 0; c < classes; c++) {
    const value = read(c);
    if (!(value >= 0 && value <= 1 + sumTolerance)) return false;
    sum += value;
  }
  return Math.abs(sum - 1) < sumTolerance;
}

function areLogProbabilities(read: (c: number) => number, classes: number): boolean {
  let mass = 0;
  for (let c = 0; c < classes; c++) mass += Math.exp(read(c));
  // A row that is not finite has its own status.
  return !Number.isFinite(mass) || Math.abs(mass - 1) <= 0.1;
}
