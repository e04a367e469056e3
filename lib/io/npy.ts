// Finds the array of a .npy file, of which ranges can be read by pread; and reads whole ones.

import { ctcError } from '../errors.js';
import { fileError } from './file.js';
import { LocatedArray } from './located.js';
import {
  type NpyHeader,
  type NpyOptions,
  type NpyType,
  npyPrefixBytes,
  parseNpyHeader,
  parseNpyPrefix,
} from './npyHeader.js';
import { PreadFile } from './pread.js';
import { type SourceData, viewElements } from './source.js';

export type { NpyOptions, NpyType } from './npyHeader.js';

export type NpyData = SourceData;

/** Elements of a .npy file in memory; 16-bit floats are their bits in a Uint16Array. */
export interface NpyArray {
  data: NpyData;
  type: NpyType;
  shape: number[];
  /** Elements between neighbours along each axis of `shape`. */
  strides: number[];
}

/** The array of a .npy file that begins at `start` of a file and has `bytes` bytes. Throws `ERR_CTC_FILE`. */
export function locateNpy(
  file: PreadFile,
  start: number,
  bytes: number,
  options: NpyOptions,
  path = file.path,
): { array: LocatedArray; header: NpyHeader } {
  const prefix = file.piece(start, Math.min(bytes, npyPrefixBytes));
  const { headerOffset, headerBytes, encoding } = parseNpyPrefix(path, prefix);
  const text = file.piece(start + headerOffset, Math.min(headerBytes, bytes - headerOffset));
  if (text.length < headerBytes) {
    throw fileError(path, 'ends inside its header', 'Write or download it again');
  }
  const header = parseNpyHeader(path, text, headerOffset, encoding, bytes, options);
  const { type, shape, fortranOrder, dataOffset } = header;
  return {
    array: new LocatedArray(file, start + dataOffset, type, shape, fortranOrder),
    header,
  };
}

/** Reads a whole .npy file. Throws `ERR_CTC_FILE`, `ERR_CTC_OUT_OF_MEMORY`. */
export async function readNpy(path: string, options: NpyOptions = {}): Promise<NpyArray> {
  const file = PreadFile.open(path);
  try {
    const { array, header } = locateNpy(file, 0, file.size, options);
    const { type, shape, dataBytes } = header;
    if (shape.length === 0) {
      throw fileError(path, 'holds one number, not an array', 'Save the whole array');
    }
    const memory = allocate(path, dataBytes);
    await array.fill(new Uint8Array(memory), 0, 0, shape[0]!);
    const data = viewElements(memory, type, dataBytes);
    return { data, type, shape, strides: array.strides(0, shape[0]!) };
  } finally {
    file.close();
  }
}

function allocate(path: string, bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    const message = `${path}: no memory for ${bytes} bytes of it`;
    throw ctcError('ERR_CTC_OUT_OF_MEMORY', message, { cause: error });
  }
}
