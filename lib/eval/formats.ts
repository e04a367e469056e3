// Results as files of the formats that people ask for, from the JSON Lines that a run writes.

import { AtomicFile } from '../io/atomicFile.js';
import { readPieces } from '../io/lines.js';
import { columns, type EvalRecord, fromLine } from './record.js';

export const formats = ['jsonl', 'csv', 'parquet'] as const;
export type Format = (typeof formats)[number];

/** Writes the records of `parts`, files of JSON Lines, one after another into `path`. */
export async function writeResults(
  path: string,
  parts: readonly string[],
  format: Format,
): Promise<void> {
  if (format === 'jsonl') return concatenate(path, parts);
  const { openResults } = await import('../io/results.js');
  const writer = await openResults(path, columns, format);
  try {
    for (const part of parts) {
      for await (const records of readRecords(part)) {
        for (const record of records) writer.write({ ...record });
      }
    }
    writer.finish();
  } finally {
    writer.abort();
  }
}

async function concatenate(path: string, parts: readonly string[]): Promise<void> {
  const file = new AtomicFile(path);
  try {
    for (const part of parts) {
      for await (const piece of readPieces(part)) file.write(piece);
    }
    file.finish();
  } finally {
    file.abort();
  }
}

/** The records of a file of JSON Lines, some at a time. */
export async function* readRecords(path: string): AsyncGenerator<EvalRecord[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of readPieces(path)) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    const end = bytes.lastIndexOf(0x0a) + 1;
    // A copy: the next piece is in the same memory.
    rest = Buffer.from(bytes.subarray(end));
    if (end > 0)
      yield bytes
        .toString('utf8', 0, end - 1)
        .split('\n')
        .map(fromLine);
  }
}
