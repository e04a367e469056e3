// The manifest as the rows of a run, with a hash that tells it from a later one.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { systemError } from '../io/file.js';
import { readManifest } from '../io/manifest.js';
import type { Rows } from './reader.js';

/** Throws `ERR_CTC_FILE`. */
export async function openRows(path: string): Promise<Rows> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk);
  } catch (error) {
    throw systemError(path, error);
  }
  const { rows } = await readManifest(path);
  return {
    path,
    count: rows.length,
    sha256: hash.digest('hex'),
    slice: (start, end) => rows.slice(start, end),
  };
}
