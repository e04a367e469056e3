// A file that is there whole or not at all: written under another name beside its place, flushed to the disk,
// then renamed.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileError } from './file.js';

const bufferBytes = 2 ** 18;

export class AtomicFile {
  readonly path: string;
  readonly #temporary: string;
  readonly #buffer = Buffer.allocUnsafe(bufferBytes);
  #used = 0;
  /** -1 once finished or aborted. */
  #fd: number;

  /** Creates the temporary file in the folder of `path`. Throws `ERR_CTC_FILE`. */
  constructor(path: string) {
    this.path = path;
    const tag = randomBytes(6).toString('hex');
    this.#temporary = join(dirname(path), `.${basename(path)}.${tag}.tmp`);
    this.#fd = attempt(path, () => openSync(this.#temporary, 'wx', 0o666));
  }

  /** Appends text (as UTF-8) or bytes. Throws `ERR_CTC_FILE`, of a full disk for example; the file is aborted then. */
  write(content: string | Uint8Array): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    if (this.#used + bytes.length > bufferBytes) this.#flush();
    if (bytes.length > bufferBytes) {
      this.#put(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Puts the file in its place, over one that may be there. Throws `ERR_CTC_FILE`. */
  finish(): void {
    this.#flush();
    this.#guard(() => {
      fsyncSync(this.#fd);
      closeSync(this.#fd);
      this.#fd = -1;
      renameSync(this.#temporary, this.path);
    });
    flushFolder(dirname(this.path));
  }

  /** Leaves nothing behind, and what was in the place before. May be called at any time, again too. */
  abort(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    try {
      unlinkSync(this.#temporary);
    } catch {
      // It was renamed or never there.
    }
  }

  #flush(): void {
    this.#put(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  #put(bytes: Uint8Array): void {
    this.#guard(() => {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done);
      }
    });
  }

  #guard(task: () => void): void {
    try {
      attempt(this.path, task);
    } catch (error) {
      this.abort();
      throw error;
    }
  }
}

/**
 * Makes a folder, and those above it that are missing. Throws `ERR_CTC_FILE`.
 *
 * One at a time: `recursive` of `node:fs` tries for ever where the system answers ENOENT under a folder that is there,
 * as in /proc.
 */
export function makeFolder(path: string): void {
  const missing = [path];
  for (let at = dirname(path); !existsSync(at) && at !== dirname(at); at = dirname(at)) {
    missing.push(at);
  }
  attempt(path, () => {
    for (const folder of missing.reverse()) makeOneFolder(folder);
  });
}

function makeOneFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    // It was there, or another process was faster.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

// So that the rename outlives a power failure. Not every system lets a folder be opened.
function flushFolder(folder: string): void {
  let fd: number | undefined;
  try {
    fd = openSync(folder, 'r');
    fsyncSync(fd);
  } catch {
    // The file itself is on the disk.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const problems: Record<string, [problem: string, remedy: string]> = {
  ENOSPC: ['cannot be written: the disk is full', 'Make room, or write to another disk'],
  EDQUOT: ['cannot be written: the quota is used up', 'Make room, or write to another disk'],
  EACCES: ['cannot be written: permission denied', 'Choose a folder that this user may write to'],
  EPERM: ['cannot be written: permission denied', 'Choose a folder that this user may write to'],
  EROFS: ['cannot be written: the disk is read-only', 'Write to another disk'],
  ENOENT: ['cannot be written: there is no such folder', 'Make the folder first'],
  ENOTDIR: ['cannot be written: a part of the path is not a folder', 'Check the path'],
  EISDIR: ['cannot be written: it is a folder', 'Name a file'],
  EIO: ['cannot be written: the disk reported an error', 'Check the disk or the network mount'],
  EFBIG: ['cannot be written: the file may not become larger', 'Raise the limit (ulimit -f)'],
  EEXIST: ['cannot be a folder: it is a file', 'Name another'],
  EMFILE: ['cannot be written: too many open files', 'Raise the limit (ulimit -n)'],
};

/** Turns what a `node:fs` call threw while writing into an `ERR_CTC_FILE` error with that cause. */
export function writeError(path: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (code.startsWith('ERR_CTC_')) return error as Error;
  const [problem, remedy] = problems[code] ?? [`cannot be written (${String(error)})`, ''];
  return fileError(path, problem, remedy, error);
}

function attempt<R>(path: string, task: () => R): R {
  try {
    return task();
  } catch (error) {
    throw writeError(path, error);
  }
}
