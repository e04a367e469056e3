// The manifest as the rows of a run, with a hash that tells it from a later one. It is read twice and
// never held: once to count and check it, and row by row as the run needs it.

import { createHash } from 'node:crypto';
import { readPieces } from '../io/lines.js';
import { type EarlierLines, type ManifestRow, manifestRowGroups } from '../io/manifest.js';
import { RepeatedIds } from '../io/repeatedIds.js';
import type { Rows } from './reader.js';

export interface ManifestRows extends Rows {
  /** SHA-256 of the file. */
  readonly sha256: string;
}

/** Throws `ERR_CTC_FILE` and the signal's reason. */
export async function openRows(path: string, signal?: AbortSignal): Promise<ManifestRows> {
  const hash = createHash('sha256');
  async function* pieces() {
    for await (const piece of readPieces(path)) {
      signal?.throwIfAborted();
      hash.update(piece);
      yield piece;
    }
  }
  let count = 0;
  const repeated = new RepeatedIds();
  const earlier: EarlierLines = {
    add(id) {
      repeated.note(id);
      return undefined;
    },
  };
  for await (const rows of manifestRowGroups(path, { pieces: pieces(), earlier })) {
    for (const _ of rows) count += 1;
  }
  repeated.seal();
  return {
    path,
    count,
    sha256: hash.digest('hex'),
    slice: (start, end) => rowsOf(path, start, end, repeated.lines()),
  };
}

async function* rowsOf(
  path: string,
  start: number,
  end: number,
  earlier: EarlierLines,
): AsyncGenerator<Iterable<ManifestRow>> {
  const range = { index: 0, start, end };
  for await (const rows of manifestRowGroups(path, { earlier })) {
    yield within(rows, range);
    if (range.index >= end) return;
  }
}

/** The rows in the range; `index` is that of the next row. */
function* within(
  rows: Iterable<ManifestRow>,
  range: { index: number; readonly start: number; readonly end: number },
): Generator<ManifestRow> {
  for (const row of rows) {
    if (range.index >= range.end) return;
    if (range.index++ >= range.start) yield row;
  }
}
