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
  lengths: ArrayLike<number>,
  input: 'logits' | 'logProbs',
): Looks {
  const [, utterances, classes] = outputs.shape;
  const row = new Float64Array(classes);
  const looks: Looks = { looked: 0, probabilities: 0, unnormalised: 0 };
  for (let n = 0; n < utterances; n++) {
    const frames = lengths[n]!;
    if (frames === 0) continue;
    readRow(outputs, n, frames >> 1, row);
    looks.looked += 1;
    if (areProbabilities(row)) looks.probabilities += 1;
    if (input === 'logProbs' && !areLogProbabilities(row)) looks.unnormalised += 1;
  }
  return looks;
}

function readRow(
  { data, type, strides }: SourceBatch,
  n: number,
  frame: number,
  row: Float64Array,
): void {
  const [frameStride, utteranceStride, classStride] = strides;
  const start = frame * frameStride + n * utteranceStride;
  for (let c = 0; c < row.length; c++) {
    const element = data[start + c * classStride]!;
    row[c] =
      type === 'float16'
        ? float16ToNumber(element)
        : type === 'bfloat16'
          ? bfloat16ToNumber(element)
          : element;
  }
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

function areProbabilities(row: Float64Array): boolean {
  let sum = 0;
  for (const value of row) {
    if (!(value >= 0 && value <= 1 + sumTolerance)) return false;
    sum += value;
  }
  return Math.abs(sum - 1) < sumTolerance;
}

function areLogProbabilities(row: Float64Array): boolean {
  let mass = 0;
  for (const value of row) mass += Math.exp(value);
  // A row that is not finite has its own status.
  return !Number.isFinite(mass) || Math.abs(mass - 1) <= 0.1;
}
