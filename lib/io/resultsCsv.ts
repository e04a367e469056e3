import type { AtomicFile } from './atomicFile.js';
import { joinRecord } from './delimited.js';
import type { Column, ResultsWriter, Row } from './results.js';

/** A header and a line for each row, as RFC 4180 has it but with LF; nothing between the commas for what is missing. */
export class CsvWriter implements ResultsWriter {
  readonly #file: AtomicFile;
  readonly #columns: readonly Column[];

  constructor(file: AtomicFile, columns: readonly Column[]) {
    this.#file = file;
    this.#columns = columns;
    file.write(`${joinRecord(columns.map(({ name }) => name))}\n`);
  }

  write(row: Row): void {
    const cells = this.#columns.map(({ name }) => String(row[name] ?? ''));
    this.#file.write(`${joinRecord(cells)}\n`);
  }

  finish(): void {
    this.#file.finish();
  }

  abort(): void {
    this.#file.abort();
  }
}
