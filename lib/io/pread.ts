// Files that are read piece by piece at given places. Never mapped: a file that is truncated under
// a mapping kills the process, and under pread it is an error.

import { readSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { fileError, systemError } from './file.js';

// Smaller pieces are read at once: the way through the thread pool and back costs more (45 us) than
// the copy.
const inlineBytes = 2 ** 18;
// One read call moves less than 2 GiB on every system.
const maxReadBytes = 2 ** 30;

export class PreadFile {
  readonly path: string;
  /** In bytes, when it was opened. */
  readonly size: number;
  readonly #handle: FileHandle;

  private constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  /** Throws `ERR_CTC_FILE`, for anything but an ordinary file too. */
  static async open(path: string): Promise<PreadFile> {
    let handle: FileHandle | undefined;
    try {
      // Before opening: to open a named pipe would wait for its writer.
      const kind = await stat(path);
      if (kind.isDirectory()) throw fileError(path, 'is a folder', 'Name one file');
      if (!kind.isFile()) {
        throw fileError(path, 'is not an ordinary file', 'Write the array to a file first');
      }
      handle = await open(path);
      const { size } = await handle.stat();
      return new PreadFile(path, size, handle);
    } catch (error) {
      await handle?.close();
      throw systemError(path, error);
    }
  }

  /** Fills `view` from `position`. Throws `ERR_CTC_FILE` where the file ends before. */
  async fill(view: Uint8Array, position: number): Promise<void> {
    if (view.length <= inlineBytes) {
      this.fillNow(view, position);
      return;
    }
    let done = 0;
    while (done < view.length) {
      const length = Math.min(view.length - done, maxReadBytes);
      let bytesRead: number;
      try {
        ({ bytesRead } = await this.#handle.read(view, done, length, position + done));
      } catch (error) {
        throw systemError(this.path, error);
      }
      if (bytesRead === 0) throw this.#shorter();
      done += bytesRead;
    }
  }

  /** As `fill`, without a promise: for small pieces, of which there are many. */
  fillNow(view: Uint8Array, position: number): void {
    const read = this.readNow(view, position);
    if (read < view.length) throw this.#shorter();
  }

  /** Reads what there is from `position`, at most a `view` full; returns the number of bytes. */
  readNow(view: Uint8Array, position: number): number {
    let done = 0;
    try {
      while (done < view.length) {
        const length = view.length - done;
        const bytesRead = readSync(this.#handle.fd, view, done, length, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
    } catch (error) {
      throw systemError(this.path, error);
    }
    return done;
  }

  /** A copy of the bytes from `position` to its `bytes`-th follower, or to the end of the file. */
  piece(position: number, bytes: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(bytes, this.size - position)));
    return buffer.subarray(0, this.readNow(buffer, position));
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  #shorter(): Error {
    return fileError(this.path, 'became shorter while it was read', 'Read it when it is complete');
  }
}
