// Results as a table in a file: the columns once, then a row for each utterance, and the file is there only
// when it is complete.

import { AtomicFile } from './atomicFile.js';
import { fileError } from './file.js';
import { CsvWriter } from './resultsCsv.js';
import { JsonlWriter } from './resultsJsonl.js';

/** A number is a double; an integer is below 2^53. Any may be missing in a row. */
export interface Column {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean';
}

export type Cell = string | number | boolean | null | undefined;

/** By the names of the columns; what is missing is null. */
export type Row = Readonly<Record<string, Cell>>;

/** A file of results being written. What a call throws is `ERR_CTC_FILE`, and the file has been aborted then. */
export interface ResultsWriter {
  write(row: Row): void;
  /** Puts the file in its place. */
  finish(): void;
  /** Leaves what was in the place before. May be called at any time. */
  abort(): void;
}

export type ResultsFormat = 'jsonl' | 'csv' | 'parquet';

/** The format that a file's extension says. Throws `ERR_CTC_FILE` for another one. */
export function resultsFormat(path: string): ResultsFormat {
  const found = /\.(jsonl|ndjson|csv|parquet)$/i.exec(path)?.[1]?.toLowerCase();
  if (found === 'ndjson') return 'jsonl';
  if (found !== undefined) return found as ResultsFormat;
  throw fileError(path, 'is no format of results', 'End the name with .jsonl, .csv or .parquet');
}

/** Begins a file. Equal columns and rows give equal bytes. Throws `ERR_CTC_FILE`. */
export async function openResults(
  path: string,
  columns: readonly Column[],
  format = resultsFormat(path),
): Promise<ResultsWriter> {
  if (format === 'parquet') {
    const { openParquetWriter } = await import('./resultsParquet.js');
    return openParquetWriter(path, columns);
  }
  const file = new AtomicFile(path);
  return format === 'csv' ? new CsvWriter(file, columns) : new JsonlWriter(file, columns);
}
