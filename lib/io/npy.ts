// Reads .npy arrays by pread into one aligned buffer, whole or a range of one axis at a time, so
// that a file larger than memory can be worked through.

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

/** An open .npy file whose header has been checked against the size of the file. */
export class NpyFile {
  readonly path: string;
  readonly type: NpyType;
  readonly shape: readonly number[];
  /** Bytes of the file beyond the array, which numpy.load ignores too. */
  readonly trailingBytes: number;
  readonly array: LocatedArray;
  readonly #file: PreadFile;

  private constructor(file: PreadFile, array: LocatedArray, header: NpyHeader) {
    this.path = file.path;
    this.type = header.type;
    this.shape = header.shape;
    this.trailingBytes = file.size - header.dataOffset - header.dataBytes;
    this.array = array;
    this.#file = file;
  }

  /** Opens a file and reads its header alone. Throws `ERR_CTC_FILE`. */
  static async open(path: string, options: NpyOptions = {}): Promise<NpyFile> {
    const file = PreadFile.open(path);
    try {
      const { array, header } = locateNpy(file, 0, file.size, options);
      return new NpyFile(file, array, header);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Bytes that `read(axis, start, count)` needs. */
  bytesFor(axis: number, count: number): number {
    return this.array.bytesFor(axis, count);
  }

  /** Memory for `read(axis, start, count, buffer)`. Throws `ERR_CTC_OUT_OF_MEMORY`. */
  bufferFor(axis: number, count: number): ArrayBuffer {
    return allocate(this.path, this.bytesFor(axis, count));
  }

  /**
   * Reads the range `start` to `start + count` of `axis`, with all of the other axes, into the
   * beginning of `buffer` (or a new one). One pread for each contiguous run of the file.
   */
  async read(axis: number, start: number, count: number, buffer?: ArrayBuffer): Promise<NpyArray> {
    const bytes = this.bytesFor(axis, count);
    const target = buffer ?? this.bufferFor(axis, count);
    await this.array.fill(new Uint8Array(target, 0, bytes), axis, start, count);
    return {
      data: viewElements(target, this.type, bytes),
      type: this.type,
      shape: this.shape.map((n, i) => (i === axis ? count : n)),
      strides: this.array.strides(axis, count),
    };
  }

  async close(): Promise<void> {
    this.#file.close();
  }
}

/** Reads a whole .npy file. Throws `ERR_CTC_FILE`. */
export async function readNpy(path: string, options: NpyOptions = {}): Promise<NpyArray> {
  const file = await NpyFile.open(path, options);
  try {
    if (file.shape.length > 0) return await file.read(0, 0, file.shape[0]!);
    throw fileError(path, 'holds one number, not an array', 'Save the whole array');
  } finally {
    await file.close();
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
