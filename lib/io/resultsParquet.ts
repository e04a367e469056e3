// Results as Parquet through hyparquet-writer. One row group of rows is in memory at a time.

import type { BasicType, ParquetWriter } from 'hyparquet-writer';
import { importPackage } from '../here.cjs';
import { AtomicFile } from './atomicFile.js';
import { loadPackage } from './optional.js';
import type { Cell, Column, ResultsWriter, Row } from './results.js';

const groupRows = 50_000;

const types: Record<Column['type'], BasicType> = {
  string: 'STRING',
  integer: 'INT64',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
};

/** Throws `ERR_CTC_FILE`. */
export async function openParquetWriter(
  path: string,
  columns: readonly Column[],
): Promise<ResultsWriter> {
  const library = await loadPackage(path, 'hyparquet-writer', 'Parquet', () => {
    return importPackage<typeof import('hyparquet-writer')>('hyparquet-writer');
  });
  const { ByteWriter, ParquetWriter: Writer, schemaFromColumnData } = library;
  const file = new AtomicFile(path);
  const bytes = new ByteWriter();
  const drain = () => {
    file.write(new Uint8Array(bytes.buffer, 0, bytes.index));
    bytes.index = 0;
  };
  const empty = columns.map(({ name, type }) => ({ name, type: types[type], data: [] }));
  const schema = schemaFromColumnData({ columnData: empty });
  const writer = new Writer({ writer: bytes, schema, createdBy: 'node-ctc' });
  return new ParquetResults(file, columns, writer, drain);
}

class ParquetResults implements ResultsWriter {
  readonly #file: AtomicFile;
  readonly #columns: readonly Column[];
  readonly #writer: ParquetWriter;
  /** Moves what the library wrote to the file. */
  readonly #drain: () => void;
  /** The cells of the row group so far, by column. */
  #cells: (string | number | bigint | boolean | null)[][];

  constructor(
    file: AtomicFile,
    columns: readonly Column[],
    writer: ParquetWriter,
    drain: () => void,
  ) {
    this.#file = file;
    this.#columns = columns;
    this.#writer = writer;
    this.#drain = drain;
    this.#cells = columns.map(() => []);
  }

  write(row: Row): void {
    for (const [i, { name, type }] of this.#columns.entries()) {
      this.#cells[i]!.push(toCell(row[name], type));
    }
    if (this.#cells[0]!.length >= groupRows) this.#writeGroup();
  }

  finish(): void {
    if ((this.#cells[0]?.length ?? 0) > 0) this.#writeGroup();
    this.#writer.finish();
    this.#drain();
    this.#file.finish();
  }

  abort(): void {
    this.#file.abort();
  }

  #writeGroup(): void {
    const columnData = this.#columns.map(({ name }, i) => ({ name, data: this.#cells[i]! }));
    this.#writer.write({ columnData, rowGroupSize: groupRows });
    this.#drain();
    this.#cells = this.#columns.map(() => []);
  }
}

function toCell(value: Cell, type: Column['type']): string | number | bigint | boolean | null {
  if (value === undefined || value === null) return null;
  return type === 'integer' ? BigInt(value) : value;
}
