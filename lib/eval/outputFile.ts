// Writing results: whole, or not at all, and one clear line when a disk is full.

import { type FileHandle, open, rename } from 'node:fs/promises';
import { ctcError } from '../errors.js';

const problems: Record<string, [problem: string, remedy: string]> = {
  ENOSPC: ['no space left on the disk', 'Free some'],
  EDQUOT: ['the disk quota is used up', 'Free some space'],
  EFBIG: ['the file may not become larger', 'Raise the limit (ulimit -f)'],
  EROFS: ['the file system is read-only', 'Write elsewhere with --out'],
  EACCES: ['permission denied', 'Write elsewhere with --out'],
  EPERM: ['permission denied', 'Write elsewhere with --out'],
  ENOENT: ['the folder is gone', 'Make it again'],
  ENOTDIR: ['a part of the path is not a folder', 'Name a folder with --out'],
  EEXIST: ['is a file', 'Name a folder with --out'],
  EISDIR: ['is a folder', 'Move it away'],
  EMFILE: ['too many open files', 'Raise the limit (ulimit -n)'],
  EIO: ['the disk reported a write error', 'Check the disk or the network mount'],
};

/** Turns what a call of `node:fs` threw while writing into an `ERR_CTC_FILE` error with that cause. */
export function writeError(path: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (code.startsWith('ERR_CTC_')) return error as Error;
  const [problem, remedy] = problems[code] ?? [`cannot be written (${String(error)})`, ''];
  const message = `${path}: ${problem}${remedy === '' ? '' : `. ${remedy}`}`;
  return ctcError('ERR_CTC_FILE', message, { cause: error });
}

/** A file that grows at its end, in whole pieces as far as this process can tell. */
export class Appender {
  readonly path: string;
  readonly #handle: FileHandle;
  #bytes: number;

  private constructor(path: string, handle: FileHandle, bytes: number) {
    this.path = path;
    this.#handle = handle;
    this.#bytes = bytes;
  }

  /** Opens a file for writing after its first `bytes` bytes; what follows them is cut off. */
  static async open(path: string, bytes = 0): Promise<Appender> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, bytes === 0 ? 'w' : 'r+');
      if (bytes > 0) await handle.truncate(bytes);
      return new Appender(path, handle, bytes);
    } catch (error) {
      await handle?.close();
      throw writeError(path, error);
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  async append(data: Uint8Array): Promise<void> {
    let done = 0;
    try {
      while (done < data.length) {
        const length = data.length - done;
        const { bytesWritten } = await this.#handle.write(data, done, length, this.#bytes);
        done += bytesWritten;
        this.#bytes += bytesWritten;
      }
    } catch (error) {
      throw writeError(this.path, error);
    }
  }

  /** Resolves once the disk has everything. */
  async sync(): Promise<void> {
    try {
      await this.#handle.sync();
    } catch (error) {
      throw writeError(this.path, error);
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Writes a file beside `path` and puts it there only when it is complete and on the disk. */
export async function writeWhole(
  path: string,
  write: (file: Appender) => Promise<void>,
): Promise<void> {
  const partial = `${path}.tmp`;
  const file = await Appender.open(partial);
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
  await move(partial, path);
}

export async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    throw writeError(to, error);
  }
}

/** JSON for people and programs, ending in a newline. */
export function writeJson(path: string, value: unknown): Promise<void> {
  return writeWhole(path, (file) =>
    file.append(Buffer.from(`${JSON.stringify(value, null, 2)}\n`)),
  );
}
