// Writes .npy files as numpy does, and as it does not. For the tests of readers and command line.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository, seen from build/test. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

export interface NpyParts {
  descr?: string;
  fortranOrder?: boolean;
  shape?: readonly number[];
  version?: 1 | 2 | 3;
  /** Replaces the whole dict. */
  header?: string;
  data?: ArrayBufferView;
}

export function npyBytes(parts: NpyParts): Buffer {
  const { descr = '<f4', fortranOrder = false, shape = [], version = 1, data } = parts;
  const axes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dict =
    parts.header ??
    `{'descr': '${descr}', 'fortran_order': ${fortranOrder ? 'True' : 'False'}, 'shape': (${axes}), }`;
  const prefix = version === 1 ? 10 : 12;
  const text = Buffer.from(dict, version === 3 ? 'utf8' : 'latin1');
  const padding = 64 - ((prefix + text.length + 1) % 64);
  const header = Buffer.concat([text, Buffer.from(`${' '.repeat(padding)}\n`)]);
  const start = Buffer.alloc(prefix);
  start.write('\u0093NUMPY', 'latin1');
  start[6] = version;
  if (version === 1) start.writeUInt16LE(header.length, 8);
  else start.writeUInt32LE(header.length, 8);
  const elements = data
    ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    : Buffer.alloc(0);
  return Buffer.concat([start, header, elements]);
}

/** A folder for the files of one test suite. */
export class Scratch {
  readonly folder = mkdtempSync(join(tmpdir(), 'node-ctc-test-'));
  #files = 0;

  write(content: string | Uint8Array, name = `file-${this.#files++}`): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
