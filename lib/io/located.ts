// Arrays that lie uncompressed in a file, whatever the format around them: read whole or a range of
// one axis at a time. Fortran order is left as it lies and described by strides.

import type { TensorType } from '../tensor.js';
import type { PreadFile } from './pread.js';
import { elementBytes } from './source.js';

/** Elements of a file, checked by whoever found them: `offset` plus the array is within the file. */
export class LocatedArray {
  readonly #order: readonly number[];

  constructor(
    readonly file: PreadFile,
    readonly offset: number,
    readonly type: TensorType,
    readonly shape: readonly number[],
    readonly fortranOrder: boolean,
  ) {
    // Axes in the order of the file, slowest first.
    this.#order = shape.map((_, i) => (fortranOrder ? shape.length - 1 - i : i));
  }

  /** Bytes that `fill(view, axis, start, count)` writes. */
  bytesFor(axis: number, count: number): number {
    const others = this.shape.reduce((product, n, i) => (i === axis ? product : product * n), 1);
    return others * count * elementBytes(this.type);
  }

  /** Elements between neighbours along each axis once `count` of `axis` have been read. */
  strides(axis: number, count: number): number[] {
    const strides = new Array<number>(this.shape.length);
    let stride = 1;
    for (const i of this.#order.toReversed()) {
      strides[i] = stride;
      stride *= i === axis ? count : this.shape[i]!;
    }
    return strides;
  }

  /**
   * Reads the range `start` to `start + count` of `axis`, with all of the other axes, into `view` of
   * `bytesFor(axis, count)` bytes. One pread for each contiguous run of the file.
   */
  async fill(view: Uint8Array, axis: number, start: number, count: number): Promise<void> {
    const { shape, file, offset } = this;
    const place = this.#order.indexOf(axis);
    const size = (axes: readonly number[]) => axes.reduce((product, i) => product * shape[i]!, 1);
    const runs = size(this.#order.slice(0, place));
    const step = size(this.#order.slice(place + 1)) * elementBytes(this.type);
    const runBytes = count * step;
    if (runs === 1 || (start === 0 && count === shape[axis])) {
      await file.fill(view, offset + start * step);
      return;
    }
    if (runBytes === 0) return;
    for (let run = 0; run < runs; run++) {
      const from = offset + (run * shape[axis]! + start) * step;
      await file.fill(view.subarray(run * runBytes, (run + 1) * runBytes), from);
    }
  }
}
