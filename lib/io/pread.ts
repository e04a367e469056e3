// Files that are read piece by piece at given places. Never mapped: a file that is truncated under
// a mapping kills the process, and under pread it is an error.

import { closeSync, constants, fstatSync, openSync, read, readSync } from 'node:fs';
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
  /** -1 once closed: by then the number may be another file's. */
  #fd: number;

  private constructor(path: string, size: number, fd: number) {
    this.path = path;
    this.size = size;
    this.#fd = fd;
  }

  /** Throws `ERR_CTC_FILE`, for anything but an ordinary file too. */
  static open(path: string): PreadFile {
    let fd: number | undefined;
    try {
      // Without waiting for the writer of a named pipe.
      fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const info = fstatSync(fd);
      if (info.isDirectory()) throw fileError(path, 'is a folder', 'Name one file');
      if (!info.isFile()) {
        throw fileError(path, 'is not an ordinary file', 'Write the array to a file first');
      }
      return new PreadFile(path, info.size, fd);
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
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
      const bytesRead = await this.#read(view, done, length, position + done);
      if (bytesRead === 0) throw this.#shorter();
      done += bytesRead;
    }
  }

  /** As `fill`, without a promise: for small pieces, of which there are many. */
  fillNow(view: Uint8Array, position: number): void {
    if (this.readNow(view, position) < view.length) throw this.#shorter();
  }

  /** Reads what there is from `position`, at most a `view` full; returns the number of bytes. */
  readNow(view: Uint8Array, position: number): number {
    let done = 0;
    try {
      while (done < view.length) {
        const length = Math.min(view.length - done, maxReadBytes);
        const bytesRead = readSync(this.#fd, view, done, length, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
    } catch (error) {
      throw systemError(this.path, error);
    }
    return done;
  }

  /** A copy of at most `bytes` bytes from `position`; fewer where the file ends before. */
  piece(position: number, bytes: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(bytes, this.size - position)));
    return buffer.subarray(0, this.readNow(buffer, position));
  }

  /** May be called again. */
  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  #read(view: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#fd, view, offset, length, position, (error, bytesRead) => {
        if (error) reject(systemError(this.path, error));
        else resolve(bytesRead);
      });
    });
  }

  #shorter(): Error {
    return fileError(this.path, 'became shorter while it was read', 'Read it when it is complete');
  }
}

/** Files opened by path as they are needed; the ones used longest ago are closed again. */
export class FilePool {
  readonly #open = new Map<string, { file: PreadFile; users: number }>();
  readonly #most: number;

  constructor(most = 256) {
    this.#most = most;
  }

  /** Runs `task` on the open file. Throws what opening or the task throws. */
  async use<R>(path: string, task: (file: PreadFile) => R | Promise<R>): Promise<R> {
    const entry = this.#open.get(path) ?? { file: PreadFile.open(path), users: 0 };
    // To the end: a Map keeps the order of insertion.
    this.#open.delete(path);
    this.#open.set(path, entry);
    entry.users += 1;
    try {
      return await task(entry.file);
    } finally {
      entry.users -= 1;
      this.#closeOldest();
    }
  }

  close(): void {
    for (const { file } of this.#open.values()) file.close();
    this.#open.clear();
  }

  #closeOldest(): void {
    for (const [path, { file, users }] of this.#open) {
      if (this.#open.size <= this.#most) return;
      if (users > 0) continue;
      file.close();
      this.#open.delete(path);
    }
  }
}
