// Writing a run's files: results that grow at their end, and others that are there whole or not at all.

import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AtomicFile, writeError } from '../io/atomicFile.js';

/** A file that grows at its end. */
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

export async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    throw writeError(to, error);
  }
}

/** JSON for people and programs, ending in a newline. */
export function writeJson(path: string, value: unknown): void {
  writeText(path, `${JSON.stringify(value, null, 2)}\n`);
}

export function writeText(path: string, text: string): void {
  const file = new AtomicFile(path);
  file.write(text);
  file.finish();
}

/** Removes what a killed process left of files that it was about to put in their places. */
export async function sweep(paths: readonly string[]): Promise<void> {
  const names = new Map<string, string[]>();
  for (const path of paths) {
    names.set(dirname(path), [...(names.get(dirname(path)) ?? []), `.${basename(path)}.`]);
  }
  for (const [folder, beginnings] of names) {
    for (const name of await readdir(folder)) {
      const left = beginnings.find((each) => name.startsWith(each));
      if (left === undefined || !/^[0-9a-f]{12}\.tmp$/.test(name.slice(left.length))) continue;
      await rm(join(folder, name), { force: true });
    }
  }
}
