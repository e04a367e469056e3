// Parquet tables through hyparquet: a row for each utterance. One row group is in memory at a time, so
// they should be small: Parquet cannot be read in smaller pieces.

import type { DecodedArray, FileMetaData, SchemaElement } from 'hyparquet';
import { importPackage } from '../here.cjs';
import { fileError, isCtcError, quote } from './file.js';
import { KeyIndex } from './keyIndex.js';
import { type Matrix, MatrixSource } from './matrixSource.js';
import { loadPackage } from './optional.js';
import type { PreadFile } from './pread.js';
import { columnNames, rowMatrix } from './rowMatrix.js';
import type { ArraySource, SourceOptions } from './source.js';

// A number of a decoded list takes 8 bytes or more.
const maxGroupBytes = 2 ** 30;

/** Throws `ERR_CTC_FILE`. */
export async function openParquet(file: PreadFile, options: SourceOptions): Promise<ArraySource> {
  const { path } = file;
  const hyparquet = await loadPackage(path, 'hyparquet', 'Parquet', () =>
    importPackage<typeof import('hyparquet')>('hyparquet'),
  );
  return guard(path, () => openTable(file, hyparquet, options));
}

async function openTable(
  file: PreadFile,
  hyparquet: typeof import('hyparquet'),
  options: SourceOptions,
): Promise<ArraySource> {
  const { path } = file;
  const buffer = {
    byteLength: file.size,
    slice(start: number, end = file.size): ArrayBuffer {
      const length = Math.max(0, Math.min(end, file.size) - Math.max(0, start));
      const piece = new Uint8Array(length);
      file.fillNow(piece, Math.max(0, start));
      return piece.buffer;
    },
  };
  const metadata = await hyparquet.parquetMetadataAsync(buffer);
  const columns = chooseColumns(path, metadata, options);
  const groups = rowGroups(path, metadata, columns, file.size);
  const packed = metadata.row_groups.some(({ columns: chunks }) =>
    chunks.some(({ meta_data: data }) => !['UNCOMPRESSED', 'SNAPPY'].includes(data?.codec ?? '')),
  );
  const compressors = packed
    ? (
        await loadPackage(path, 'hyparquet-compressors', 'its compression', () => {
          return importPackage<typeof import('hyparquet-compressors')>('hyparquet-compressors');
        })
      ).compressors
    : undefined;

  const readColumn = async (name: string, group: RowGroup): Promise<unknown[]> => {
    const values: unknown[] = [];
    await guard(path, () =>
      hyparquet.parquetRead({
        file: buffer,
        metadata,
        compressors,
        columns: [name],
        rowStart: group.start,
        rowEnd: group.start + group.rows,
        onComplete: (rows: DecodedArray[]) => {
          for (const row of rows) values.push(row[0]);
        },
      }),
    );
    if (values.length === group.rows) return values;
    throw fileError(path, `has ${values.length} of the ${group.rows} rows of a group`, rewrite);
  };

  const ids = new KeyIndex();
  const warnings: string[] = [];
  for (const group of groups) {
    const names = columns.id && (await readColumn(columns.id, group));
    for (let i = 0; i < group.rows; i++) {
      const id = names === undefined ? `row-${group.start + i}` : String(names[i]);
      if (ids.add(id) !== undefined && warnings.length < 10) {
        warnings.push(`${path}: ${quote(id)} is there twice; the first is used`);
      }
    }
  }

  let held: { group: RowGroup; values: unknown[]; shapes: unknown[] | undefined } | undefined;
  const matrix = async (position: number): Promise<Matrix> => {
    const group = groups.find(({ start, rows }) => position >= start && position < start + rows)!;
    if (held?.group !== group) {
      held = undefined;
      const values = await readColumn(columns.logits, group);
      const shapes = columns.shape && (await readColumn(columns.shape, group));
      held = { group, values, shapes: shapes || undefined };
    }
    const row = position - group.start;
    const name = `${path}: ${ids.at(position)}`;
    return rowMatrix(name, held.values[row], held.shapes?.[row], columns.type);
  };
  return MatrixSource.open({
    format: 'parquet',
    paths: [path],
    ids,
    keyed: columns.id !== undefined,
    warnings,
    matrix,
    close: () => file.close(),
  });
}

const rewrite = 'Write or download it again';

interface Columns {
  logits: string;
  id: string | undefined;
  /** Only where the logits are one flat list. */
  shape: string | undefined;
  type: 'float32' | 'float64';
}

function chooseColumns(
  path: string,
  { schema }: FileMetaData,
  { array, idColumn }: SourceOptions,
): Columns {
  const top = children(schema, 0);
  const names = top.map((i) => schema[i]!.name);
  const pick = (asked: string | undefined, known: readonly string[]): string | undefined => {
    if (asked === undefined) return known.find((name) => names.includes(name));
    if (names.includes(asked)) return asked;
    const list = names.slice(0, 20).map(quote).join(', ');
    throw fileError(path, `has no column ${quote(asked)}`, `It has ${list}`);
  };
  const logits = pick(array, columnNames.logits);
  if (logits === undefined) {
    const list = names.slice(0, 20).map(quote).join(', ');
    throw fileError(path, 'has no column of model outputs', `Name it (--array); it has ${list}`);
  }
  // Each level of a list has one child, down to the numbers.
  let at = top[names.indexOf(logits)]!;
  let depth = 0;
  while ((schema[at]!.num_children ?? 0) > 0) {
    const below = children(schema, at);
    if (below.length !== 1) throw fileError(path, `${quote(logits)} is no list of numbers`);
    depth += schema[below[0]!]!.repetition_type === 'REPEATED' ? 1 : 0;
    at = below[0]!;
  }
  const leaf = schema[at]!;
  const type = leaf.type === 'FLOAT' ? 'float32' : leaf.type === 'DOUBLE' ? 'float64' : undefined;
  if (type === undefined || depth < 1 || depth > 2) {
    throw fileError(
      path,
      `the column ${quote(logits)} is no list of lists of float or double`,
      'Write T lists of C numbers, or one list of T x C with a column "shape"',
    );
  }
  const shape = depth === 1 ? pick(undefined, columnNames.shape) : undefined;
  if (depth === 1 && shape === undefined) {
    const problem = `the column ${quote(logits)} is one flat list and there is no column "shape"`;
    throw fileError(path, problem, 'Add "shape", a list of frames and classes');
  }
  return { logits, id: pick(idColumn, columnNames.id), shape, type };
}

/** The places of a schema element's children; the schema is flattened depth first. */
function children(schema: SchemaElement[], parent: number): number[] {
  const places: number[] = [];
  let at = parent + 1;
  for (let i = 0; i < (schema[parent]?.num_children ?? 0) && at < schema.length; i++) {
    places.push(at);
    let open = 1;
    while (open > 0 && at < schema.length) open += (schema[at++]!.num_children ?? 0) - 1;
  }
  return places;
}

interface RowGroup {
  start: number;
  rows: number;
}

function rowGroups(
  path: string,
  metadata: FileMetaData,
  { logits }: Columns,
  fileBytes: number,
): RowGroup[] {
  let start = 0;
  return metadata.row_groups.map((group, i) => {
    const rows = Number(group.num_rows);
    let packed = 0;
    for (const { meta_data: data } of group.columns) {
      packed += Number(data?.total_compressed_size ?? 0);
      if (data?.path_in_schema[0] !== logits) continue;
      const bytes = Number(data.total_uncompressed_size);
      if (bytes > maxGroupBytes) {
        throw fileError(
          path,
          `its row group ${i} has ${bytes} bytes of ${quote(logits)}, which are decoded at once; at most ${maxGroupBytes} are`,
          'Write smaller row groups (pyarrow: row_group_size), of about 64 MiB',
        );
      }
      if (Number(data.num_values) < rows)
        throw fileError(path, 'has fewer values than rows', rewrite);
    }
    // A row of numbers takes a byte or more.
    if (!Number.isSafeInteger(rows) || rows < 0 || start + rows > fileBytes || packed > fileBytes) {
      throw fileError(path, `its row group ${i} does not fit into it`, rewrite);
    }
    start += rows;
    return { start: start - rows, rows };
  });
}

async function guard<R>(path: string, task: () => Promise<R>): Promise<R> {
  try {
    return await task();
  } catch (error) {
    if (isCtcError(error)) throw error;
    const reason = String((error as Error | null)?.message ?? error).split('\n', 1)[0];
    throw fileError(path, `cannot be read as Parquet (${reason})`, rewrite, error);
  }
}
