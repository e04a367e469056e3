// Results as files of other formats than the JSON Lines that a run writes.

import { createReadStream } from 'node:fs';
import { systemError } from '../io/file.js';
import { type Appender, writeWhole } from './outputFile.js';
import { columns, type EvalRecord, fromLine } from './record.js';

export const formats = ['jsonl', 'csv'] as const;
export type Format = (typeof formats)[number];

/** Writes the records of `parts`, files of JSON Lines, one after another into `path`. */
export async function writeResults(
  path: string,
  parts: readonly string[],
  format: Format,
): Promise<void> {
  if (format === 'csv') await writeWhole(path, (file) => writeCsv(file, parts));
  else await writeWhole(path, (file) => copy(file, parts));
}

async function copy(file: Appender, parts: readonly string[]): Promise<void> {
  for (const part of parts) {
    for await (const chunk of readChunks(part)) await file.append(chunk);
  }
}

async function writeCsv(file: Appender, parts: readonly string[]): Promise<void> {
  await file.append(Buffer.from(`${columns.map(({ name }) => name).join(',')}\n`));
  for (const part of parts) {
    for await (const records of readRecords(part)) {
      await file.append(Buffer.from(records.map(toCsv).join('')));
    }
  }
}

/** RFC 4180 with newlines as line ends; an empty field is null. */
function toCsv(record: EvalRecord): string {
  const cells = columns.map(({ name }) => {
    const value = record[name];
    if (typeof value !== 'string') return value === null ? '' : String(value);
    return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  });
  return `${cells.join(',')}\n`;
}

/** The records of a file of JSON Lines, some at a time. */
export async function* readRecords(path: string): AsyncGenerator<EvalRecord[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of readChunks(path)) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const end = bytes.lastIndexOf(0x0a) + 1;
    rest = bytes.subarray(end);
    if (end > 0)
      yield bytes
        .toString('utf8', 0, end - 1)
        .split('\n')
        .map(fromLine);
  }
}

async function* readChunks(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: 2 ** 20 });
  } catch (error) {
    throw systemError(path, error);
  }
}
