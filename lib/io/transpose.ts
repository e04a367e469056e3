// From Fortran order to C order, for the arrays of single utterances.

import type { TensorType } from '../tensor.js';
import { elementBytes } from './source.js';

/** Writes to `to` (rows x columns, C order) what `from` holds in Fortran order. */
export function transpose(
  from: Uint8Array<ArrayBuffer>,
  to: Uint8Array<ArrayBuffer>,
  rows: number,
  columns: number,
  type: TensorType,
): void {
  const bytes = elementBytes(type);
  // Bits are moved, whatever they mean.
  const Elements = bytes === 8 ? BigUint64Array : bytes === 4 ? Uint32Array : Uint16Array;
  const source = new Elements(from.buffer, from.byteOffset, rows * columns);
  const target = new Elements(to.buffer, to.byteOffset, rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      target[row * columns + column] = source[column * rows + row]!;
    }
  }
}
