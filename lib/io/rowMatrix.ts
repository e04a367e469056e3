// A row of a table (Parquet, Arrow) as an utterance: nested lists of frames and classes, or one flat list
// with the shape beside it.

import type { TensorType } from '../tensor.js';
import { fileError } from './file.js';
import type { Matrix } from './matrixSource.js';

type Numbers = ArrayLike<unknown>;

/** The first column of each purpose that a table has is taken. */
export const columnNames = {
  logits: ['logits', 'log_probs', 'logprobs', 'logProbs', 'outputs'],
  id: ['id', 'utt_id', 'key', 'audio_filepath'],
  shape: ['shape'],
} as const;

/** Throws `ERR_CTC_FILE` for what is no T x C numbers. */
export function rowMatrix(name: string, value: unknown, shape: unknown, type: TensorType): Matrix {
  if (!isList(value)) throw fileError(name, 'has no list of numbers in its row');
  const nested = shape === undefined || shape === null;
  const [frames, classes] = nested ? nestedShape(value) : flatShape(name, value, shape);
  // Before any memory: one long frame and many short ones would ask for far more than is there.
  for (let t = 0; nested && t < frames; t++) {
    const row = value[t];
    if (isList(row) && row.length === classes) continue;
    const found = isList(row) ? `${row.length} classes` : 'no list';
    throw fileError(name, `has ${found} in frame ${t} and ${classes} classes in the first`);
  }
  const Elements =
    type === 'float64' ? Float64Array : type === 'float32' ? Float32Array : Uint16Array;
  const elements = new Elements(frames * classes);
  for (let t = 0; t < frames; t++) {
    const from = nested ? (value[t] as Numbers) : value;
    const start = nested ? 0 : t * classes;
    for (let c = 0; c < classes; c++) {
      const number = toNumber(from[start + c]);
      if (number === undefined) {
        throw fileError(name, `has no number at frame ${t}, class ${c}`, 'Leave out no value');
      }
      elements[t * classes + c] = number;
    }
  }
  const bytes = new Uint8Array(elements.buffer);
  return { type, frames, classes, fill: (view) => view.set(bytes) };
}

// JSON has no other way to write these three.
const words = new Map<unknown, number>([
  ['-Infinity', -Infinity],
  ['Infinity', Infinity],
  ['NaN', Number.NaN],
]);

function toNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : words.get(value);
}

function nestedShape(value: Numbers): [frames: number, classes: number] {
  const first = value[0];
  return [value.length, isList(first) ? first.length : 0];
}

function flatShape(name: string, value: Numbers, shape: unknown): [number, number] {
  // Tables have bigint, and nobody asks what a list of lists is as a number: it may be deeper than the stack.
  const axes =
    isList(shape) && shape.length === 2
      ? Array.from(shape, (n) => (typeof n === 'object' ? Number.NaN : Number(n)))
      : [];
  const [frames, classes] = axes as [number, number];
  const fits =
    axes.length === 2 &&
    axes.every((n) => Number.isSafeInteger(n) && n >= 0) &&
    frames * classes === value.length;
  if (fits) return [frames, classes];
  throw fileError(name, `has ${value.length} numbers and the shape (${axes.join(', ')})`);
}

function isList(value: unknown): value is Numbers {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}
