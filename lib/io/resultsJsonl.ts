import type { AtomicFile } from './atomicFile.js';
import type { Column, ResultsWriter, Row } from './results.js';

/** One JSON object a line, with every column; null for what is missing, NaN or infinite. */
export class JsonlWriter implements ResultsWriter {
  readonly #file: AtomicFile;
  readonly #columns: readonly Column[];

  constructor(file: AtomicFile, columns: readonly Column[]) {
    this.#file = file;
    this.#columns = columns;
  }

  write(row: Row): void {
    this.#file.write(`${jsonLine(this.#columns, row)}\n`);
  }

  finish(): void {
    this.#file.finish();
  }

  abort(): void {
    this.#file.abort();
  }
}

export function jsonLine(columns: readonly Column[], row: Row): string {
  const cells = columns.map(
    ({ name }) => `${JSON.stringify(name)}:${JSON.stringify(row[name] ?? null)}`,
  );
  return `{${cells.join(',')}}`;
}
