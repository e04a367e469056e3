// A batch with repeats and different lengths, made anew from its seed: for tests that take its memory
// away.

import { ctcLossSync } from '../../lib/index.js';
import { normal, seeded } from './close.js';
import { type DTypeName, encode } from './half.js';

export interface Shape {
  T: number;
  N: number;
  C: number;
  L: number;
}

/** Fresh arrays; the same numbers for the same shape. */
export function makeBatch({ T, N, C, L }: Shape, dtype: DTypeName = 'float32') {
  const random = seeded(T + N + C + L);
  const values = Float64Array.from({ length: T * N * C }, () => 3 * normal(random));
  const targets = Array.from({ length: N }, () =>
    Array.from({ length: L }, () => 1 + Math.floor(random() * (C - 1))),
  );
  return {
    data: encode(values, dtype) as Float32Array,
    shape: [T, N, C],
    targets,
    inputLengths: Array.from({ length: N }, (_, n) => T - (n % 3)),
  };
}

/** What a call on that batch must come to. */
export function expectedOf(shape: Shape) {
  const { data, shape: dims, targets, inputLengths } = makeBatch(shape);
  return ctcLossSync({ data, shape: dims }, targets, { inputLengths, reduction: 'sum' });
}

/** The same numbers in another kind of memory. */
export function placed<B extends ArrayBufferLike>(data: Float32Array, buffer: B): Float32Array {
  const view = new Float32Array(buffer, 0, data.length);
  view.set(data);
  return view;
}

/** Detaches every view of the array's buffer, as `.transfer()` and postMessage do. */
export function detach(data: ArrayBufferView): void {
  const buffer = data.buffer as ArrayBuffer;
  structuredClone(buffer, { transfer: [buffer] });
}

export const collectGarbage = (globalThis as { gc?: () => void }).gc;
