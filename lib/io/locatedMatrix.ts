import { fileError } from './file.js';
import type { LocatedArray } from './located.js';
import type { Matrix } from './matrixSource.js';
import { transpose } from './transpose.js';

/** An uncompressed array of T x C as one utterance. Throws `ERR_CTC_FILE` for other shapes. */
export function locatedMatrix(array: LocatedArray, name: string): Matrix {
  const { shape, type, fortranOrder } = array;
  if (shape.length !== 2) {
    throw fileError(name, `has the shape (${shape.join(', ')}), not T x C`);
  }
  const [frames, classes] = shape as [number, number];
  const fill = async (view: Uint8Array<ArrayBuffer>): Promise<void> => {
    if (!fortranOrder) return array.fill(view, 0, 0, frames);
    const columns = new Uint8Array(view.length);
    await array.fill(columns, 0, 0, frames);
    transpose(columns, view, frames, classes, type);
  };
  return { type, frames, classes, fill };
}
