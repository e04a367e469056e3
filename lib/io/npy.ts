// Reads .npy arrays by pread into one aligned buffer, whole or a range of one axis at a time, so
// that a file larger than memory can be worked through. Fortran order is left as it lies and
// described by strides.

import { type FileHandle, open, stat } from 'node:fs/promises';
import { ctcError } from '../errors.js';
import { fileError, systemError } from './file.js';
import {
  type NpyHeader,
  type NpyOptions,
  type NpyType,
  npyPrefixBytes,
  parseNpyHeader,
  parseNpyPrefix,
} from './npyHeader.js';

export type { NpyOptions, NpyType } from './npyHeader.js';

export type NpyData =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>;

/** Elements of a .npy file in memory; 16-bit floats are their bits in a Uint16Array. */
export interface NpyArray {
  data: NpyData;
  type: NpyType;
  shape: number[];
  /** Elements between neighbours along each axis of `shape`. */
  strides: number[];
}

// One read call moves less than 2 GiB on every system.
const maxReadBytes = 2 ** 30;

/** An open .npy file whose header has been checked against the size of the file. */
export class NpyFile {
  readonly path: string;
  readonly type: NpyType;
  readonly shape: readonly number[];
  /** Bytes of the file beyond the array, which numpy.load ignores too. */
  readonly trailingBytes: number;
  readonly #handle: FileHandle;
  readonly #header: NpyHeader;

  private constructor(path: string, handle: FileHandle, header: NpyHeader, fileBytes: number) {
    this.path = path;
    this.type = header.type;
    this.shape = header.shape;
    this.trailingBytes = fileBytes - header.dataOffset - header.dataBytes;
    this.#handle = handle;
    this.#header = header;
  }

  /** Opens a file and reads its header alone. Throws `ERR_CTC_FILE`. */
  static async open(path: string, options: NpyOptions = {}): Promise<NpyFile> {
    let handle: FileHandle | undefined;
    try {
      // Before opening: to open a named pipe would wait for its writer.
      const kind = await stat(path);
      if (kind.isDirectory()) throw fileError(path, 'is a folder', 'Name one .npy file');
      if (!kind.isFile()) {
        throw fileError(path, 'is not an ordinary file', 'Write the array to a file first');
      }
      handle = await open(path);
      const { size } = await handle.stat();
      const prefix = await readUpTo(handle, npyPrefixBytes, 0);
      const { headerOffset, headerBytes, encoding } = parseNpyPrefix(path, prefix);
      const text = await readUpTo(handle, headerBytes, headerOffset);
      if (text.length < headerBytes) {
        throw fileError(path, 'ends inside its header', 'Write or download it again');
      }
      const header = parseNpyHeader(path, text, headerOffset, encoding, size, options);
      return new NpyFile(path, handle, header, size);
    } catch (error) {
      await handle?.close();
      throw systemError(path, error);
    }
  }

  /** Bytes that `read(axis, start, count)` needs. */
  bytesFor(axis: number, count: number): number {
    const others = this.shape.reduce((product, n, i) => (i === axis ? product : product * n), 1);
    return others * count * elementBytes(this.type);
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
    const { shape, fortranOrder, dataOffset } = this.#header;
    const bytes = this.bytesFor(axis, count);
    const target = buffer ?? this.bufferFor(axis, count);
    // Axes in the order of the file, slowest first.
    const order = shape.map((_, i) => (fortranOrder ? shape.length - 1 - i : i));
    const place = order.indexOf(axis);
    const size = (axes: number[]) => axes.reduce((product, i) => product * shape[i]!, 1);
    const runs = size(order.slice(0, place));
    const step = size(order.slice(place + 1)) * elementBytes(this.type);
    const runBytes = count * step;
    const whole = runs === 1 || (start === 0 && count === shape[axis]);
    const view = new Uint8Array(target, 0, bytes);

    if (whole) {
      await this.#fill(view, dataOffset + start * step);
    } else if (runBytes > 0) {
      for (let run = 0; run < runs; run++) {
        const from = dataOffset + (run * shape[axis]! + start) * step;
        await this.#fill(view.subarray(run * runBytes, (run + 1) * runBytes), from);
      }
    }

    const readShape = shape.map((n, i) => (i === axis ? count : n));
    const strides = new Array<number>(shape.length);
    let stride = 1;
    for (const i of order.toReversed()) {
      strides[i] = stride;
      stride *= readShape[i]!;
    }
    const data = viewElements(target, this.type, bytes);
    return { data, type: this.type, shape: readShape, strides };
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #fill(view: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < view.length) {
      const length = Math.min(view.length - done, maxReadBytes);
      let bytesRead: number;
      try {
        ({ bytesRead } = await this.#handle.read(view, done, length, position + done));
      } catch (error) {
        throw systemError(this.path, error);
      }
      if (bytesRead === 0) {
        throw fileError(
          this.path,
          'became shorter while it was read',
          'Read it when it is complete',
        );
      }
      done += bytesRead;
    }
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

async function readUpTo(handle: FileHandle, bytes: number, position: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let done = 0;
  while (done < bytes) {
    const { bytesRead } = await handle.read(buffer, done, bytes - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

function allocate(path: string, bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    const message = `${path}: no memory for ${bytes} bytes of it`;
    throw ctcError('ERR_CTC_OUT_OF_MEMORY', message, { cause: error });
  }
}

function elementBytes(type: NpyType): number {
  return type === 'float64' ? 8 : type === 'float32' ? 4 : 2;
}

function viewElements(buffer: ArrayBuffer, type: NpyType, bytes: number): NpyData {
  if (type === 'float64') return new Float64Array(buffer, 0, bytes / 8);
  if (type === 'float32') return new Float32Array(buffer, 0, bytes / 4);
  return new Uint16Array(buffer, 0, bytes / 2);
}
