// Arrow (Feather 2) files through apache-arrow: a row for each utterance. One record batch is in memory at
// a time; the ids are collected in one pass when the file is opened.

import type { FileHandle } from 'node:fs/promises';
import type {
  AsyncRecordBatchFileReader,
  DataType,
  Float,
  RecordBatch,
  Vector,
} from 'apache-arrow';
import { fileError, isCtcError, quote } from './file.js';
import { KeyIndex } from './keyIndex.js';
import { type Matrix, MatrixSource } from './matrixSource.js';
import { loadPackage } from './optional.js';
import type { PreadFile } from './pread.js';
import { columnNames, rowMatrix } from './rowMatrix.js';
import type { ArraySource, SourceOptions } from './source.js';

const rewrite = 'Write or download it again';

/** Throws `ERR_CTC_FILE`. */
export async function openArrow(file: PreadFile, options: SourceOptions): Promise<ArraySource> {
  const { path } = file;
  const arrow = await loadPackage(path, 'apache-arrow', 'Arrow', () => import('apache-arrow'));
  return guard(path, () => openTable(file, arrow, options));
}

// What the library needs of a file handle. Its own loop would go round for ever at the end of a file.
function asHandle(file: PreadFile): FileHandle {
  const handle = {
    fd: 0,
    stat: async () => ({ size: file.size }),
    async read(target: Uint8Array, offset: number, length: number, position: number) {
      const view = target.subarray(offset, offset + length);
      await file.fill(view, position);
      return { bytesRead: view.length, buffer: target };
    },
    close: async () => file.close(),
  };
  return handle as unknown as FileHandle;
}

async function openTable(
  file: PreadFile,
  arrow: typeof import('apache-arrow'),
  options: SourceOptions,
): Promise<ArraySource> {
  const { path } = file;
  const reader = (await arrow.RecordBatchReader.from(asHandle(file))) as AsyncRecordBatchFileReader;
  await reader.open({ autoDestroy: false });
  const fields = new Map(reader.schema.fields.map(({ name, type }) => [name, type]));
  const pick = (asked: string | undefined, known: readonly string[]): string | undefined => {
    if (asked === undefined) return known.find((name) => fields.has(name));
    if (fields.has(asked)) return asked;
    throw fileError(path, `has no column ${quote(asked)}`, `It has ${list(fields)}`);
  };
  const logits = pick(options.array, columnNames.logits);
  if (logits === undefined) {
    const remedy = `Name it (--array); it has ${list(fields)}`;
    throw fileError(path, 'has no column of model outputs', remedy);
  }
  const { type, depth } = leafOf(path, logits, fields.get(logits)!, arrow);
  const id = pick(options.idColumn, columnNames.id);
  const shape = depth === 1 ? pick(undefined, columnNames.shape) : undefined;
  if (depth === 1 && shape === undefined) {
    const problem = `the column ${quote(logits)} is one flat list and there is no column "shape"`;
    throw fileError(path, problem, 'Add "shape", a list of frames and classes');
  }

  const load = (index: number): Promise<RecordBatch> =>
    guard(path, async () => {
      const batch = await reader.readRecordBatch(index);
      if (batch === null) throw fileError(path, `has no record batch ${index}`, rewrite);
      return batch;
    });
  const ids = new KeyIndex();
  const warnings: string[] = [];
  const starts = [0];
  for (let index = 0; index < reader.numRecordBatches; index++) {
    const batch = await load(index);
    const names = id === undefined ? undefined : batch.getChild(id);
    for (let row = 0; row < batch.numRows; row++) {
      const name = names ? String(names.get(row)) : `row-${ids.count}`;
      if (ids.add(name) !== undefined && warnings.length < 10) {
        warnings.push(`${path}: ${quote(name)} is there twice; the first is used`);
      }
    }
    starts.push(ids.count);
  }

  let held: { index: number; batch: RecordBatch } | undefined;
  const matrix = async (position: number): Promise<Matrix> => {
    const index = starts.findIndex((start) => start > position) - 1;
    if (held?.index !== index) {
      held = undefined;
      held = { index, batch: await load(index) };
    }
    const { batch } = held;
    const row = position - starts[index]!;
    const name = `${path}: ${ids.at(position)}`;
    return guard(name, async () => {
      const budget = { elements: file.size };
      const value = unpack(name, batch.getChild(logits)?.get(row), budget);
      const axes = shape && unpack(name, batch.getChild(shape)?.get(row), budget);
      return rowMatrix(name, value, axes || undefined, type);
    });
  };
  return MatrixSource.open({
    format: 'arrow',
    paths: [path],
    ids,
    keyed: id !== undefined,
    warnings,
    matrix,
    close: () => file.close(),
  });
}

/** The numbers at the bottom of a column of lists, and how many lists are above them. */
function leafOf(
  path: string,
  name: string,
  column: DataType,
  { DataType: kinds, Precision }: typeof import('apache-arrow'),
): { type: 'float16' | 'float32' | 'float64'; depth: number } {
  let at = column;
  let depth = 0;
  while (at.children?.length === 1) {
    at = at.children[0]!.type as DataType;
    depth += 1;
  }
  if (!kinds.isFloat(at) || depth < 1 || depth > 2) {
    throw fileError(
      path,
      `the column ${quote(name)} is no list of lists of floats (${String(column)})`,
      'Write T lists of C numbers, or one list of T x C with a column "shape"',
    );
  }
  const { precision } = at as Float;
  const { HALF, SINGLE } = Precision;
  const type = precision === HALF ? 'float16' : precision === SINGLE ? 'float32' : 'float64';
  return { type, depth };
}

/** Lists of lists as arrays of typed arrays; no more elements than the file has bytes. */
function unpack(
  name: string,
  value: Vector | null | undefined,
  budget: { elements: number },
): unknown {
  if (value === null || value === undefined) return undefined;
  budget.elements -= value.length;
  if (budget.elements < 0)
    throw fileError(name, 'claims more numbers than the file holds', rewrite);
  if (value.nullCount > 0) throw fileError(name, 'has a missing value', 'Leave out no value');
  if ((value.type.children?.length ?? 0) === 0) return value.toArray();
  return Array.from({ length: value.length }, (_, i) => unpack(name, value.get(i), budget));
}

function list(fields: Map<string, unknown>): string {
  return [...fields.keys()].slice(0, 20).map(quote).join(', ');
}

async function guard<R>(path: string, task: () => Promise<R>): Promise<R> {
  try {
    return await task();
  } catch (error) {
    if (isCtcError(error)) throw error;
    const reason = String((error as Error | null)?.message ?? error).split('\n', 1)[0]!;
    if (reason.includes('codec not found')) {
      const remedy = "Write it with compression='uncompressed', or as Parquet";
      throw fileError(path, 'is compressed, which its library does not read', remedy, error);
    }
    throw fileError(path, `cannot be read as Arrow (${reason})`, rewrite, error);
  }
}
