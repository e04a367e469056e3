// Looks at single model outputs in JavaScript: to warn when they are not what --input says, and to
// say why one has no loss.

import { bfloat16ToNumber, float16ToNumber } from '../io/half.js';
import type { SourceBatch } from '../io/source.js';

const sampledUtterances = 16;
const sampledFrames = 4;
// float16 log-probabilities of a thousand classes still sum to 1 within this.
const sumTolerance = 0.01;

/**
 * What the outputs look like instead of `input`, as a warning, or undefined. Looks at a few frames
 * of a few utterances, within their lengths.
 */
export function describeRows(
  outputs: SourceBatch,
  lengths: number[],
  input: 'logits' | 'logProbs',
): string | undefined {
  let rows = 0;
  let probabilities = 0;
  let unnormalised = 0;
  for (const [n, t] of samplePlaces(outputs, lengths)) {
    const row = readRow(outputs, n, t);
    if (row.some((value) => Number.isNaN(value) || value === Infinity)) continue;
    rows += 1;
    const sum = row.reduce((total, value) => total + value, 0);
    const isProbability = row.every((value) => value >= 0 && value <= 1 + sumTolerance);
    if (isProbability && Math.abs(sum - 1) < sumTolerance) probabilities += 1;
    const mass = row.reduce((total, value) => total + Math.exp(value), 0);
    if (Math.abs(mass - 1) > 0.1) unnormalised += 1;
  }
  if (rows === 0) return undefined;
  if (probabilities === rows) {
    return 'the rows look like probabilities (0 to 1, summing to 1): save their logarithm and use --input logProbs, or save the logits';
  }
  if (input === 'logProbs' && unnormalised === rows) {
    return 'the rows do not look like log-probabilities (their exponentials do not sum to 1): use --input logits if they are raw scores';
  }
  return undefined;
}

/**
 * Where the first number is that makes utterance `n` nonfinite. Looks at the classes `used`, or at
 * all of them.
 */
export function describeNonfinite(
  outputs: SourceBatch,
  n: number,
  frames: number,
  used?: number[],
): string {
  for (let t = 0; t < frames; t++) {
    const row = readRow(outputs, n, t);
    const spoils = (c: number) => Number.isNaN(row[c]) || row[c] === Infinity;
    const c = used === undefined ? row.findIndex((_, each) => spoils(each)) : used.find(spoils);
    if (c !== undefined && c >= 0) return `${row[c]} at frame ${t}, class ${c}`;
    if (row.every((value) => value === -Infinity)) return `frame ${t} is all -Infinity`;
  }
  return 'a number in its frames is not finite';
}

/** Why no path reads as the text. */
export function describeInfeasible(record: {
  frames?: number | null;
  labels?: number | null;
  framesNeeded?: number | null;
}): string {
  const [frames, labels, needed] = [record.frames!, record.labels!, record.framesNeeded!];
  if (frames >= needed) return '-Infinity in the array leaves no path for the text';
  const repeats = needed - labels;
  const parts = repeats > 0 ? ` (${count(labels, 'label')} + ${count(repeats, 'repeat')})` : '';
  return `needs ${count(needed, 'frame')}${parts} and has ${frames}`;
}

/** 1 row, 2 rows. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function* samplePlaces(outputs: SourceBatch, lengths: number[]): Generator<[n: number, t: number]> {
  const [longest, utterances] = outputs.shape;
  const step = Math.max(1, Math.floor(utterances / sampledUtterances));
  for (let n = 0; n < utterances; n += step) {
    const frames = Math.min(lengths[n]!, longest);
    const stride = Math.max(1, Math.floor(frames / sampledFrames));
    for (let t = 0; t < frames; t += stride) yield [n, t];
  }
}

function readRow({ data, type, shape, strides }: SourceBatch, n: number, t: number): number[] {
  const [frameStride, utteranceStride, classStride] = strides;
  const decode =
    type === 'float16' ? float16ToNumber : type === 'bfloat16' ? bfloat16ToNumber : Number;
  const start = t * frameStride + n * utteranceStride;
  return Array.from({ length: shape[2] }, (_, c) => decode(data[start + c * classStride]!));
}
