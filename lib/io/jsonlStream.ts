// Utterances with their model outputs in JSON Lines, from standard input or a file, so that any engine can
// pipe through. docs/formats.md has the schema.

import type { TensorType } from '../tensor.js';
import { fileError, quote } from './file.js';
import { parseJson } from './json.js';
import { readLines, readPieces } from './lines.js';
import { type ManifestRow, RowChecker } from './manifest.js';
import { type ParsedRow, readFields, show } from './manifestFormats.js';
import { faultOf, type Matrix, packMatrices } from './matrixSource.js';
import { columnNames, rowMatrix } from './rowMatrix.js';
import { elementBytes, type ReadBuffer, type SourceBatch, type UtteranceStream } from './source.js';

// A line of text with the numbers of an utterance; in base64, 50 million float32.
const maxLineBytes = 2 ** 28;
const types: readonly string[] = ['float32', 'float64', 'float16', 'bfloat16'];

/** One line: the row and its outputs, or what is wrong with them. */
interface Utterance {
  row: ManifestRow;
  matrix?: Matrix;
  fault?: string;
}

/** Opens `path`, or standard input for '-'. Throws nothing yet. */
export function openStream(path: string): UtteranceStream {
  return path === '-'
    ? new JsonlStream('standard input', process.stdin)
    : new JsonlStream(path, readPieces(path));
}

export class JsonlStream implements UtteranceStream {
  readonly path: string;
  readonly #utterances: AsyncGenerator<Utterance>;
  /** As the first utterance that can be read has them. */
  #model: { classes: number; type: TensorType } | undefined;
  /** Had no room in the last batch. */
  #waiting: Utterance | undefined;

  constructor(path: string, pieces: AsyncIterable<Buffer>) {
    this.path = path;
    this.#utterances = this.#read(pieces);
  }

  async next(buffer: ReadBuffer): Promise<{ batch: SourceBatch; rows: ManifestRow[] } | undefined> {
    const rows: ManifestRow[] = [];
    const matrices: (Matrix | undefined)[] = [];
    const faults: (string | undefined)[] = [];
    let longest = 0;
    while (true) {
      const utterance = this.#waiting ?? (await this.#utterances.next()).value;
      this.#waiting = undefined;
      if (utterance === undefined) break;
      const { row, matrix, fault } = utterance as Utterance;
      const height = Math.max(longest, matrix?.frames ?? 0);
      const { classes = 0, type = 'float32' } = this.#model ?? {};
      const bytes = height * classes * elementBytes(type) * (rows.length + 1);
      if (rows.length > 0 && bytes > buffer.limit) {
        this.#waiting = utterance;
        break;
      }
      rows.push(row);
      matrices.push(matrix);
      faults.push(fault);
      longest = height;
    }
    if (rows.length === 0) return undefined;
    const { classes = 0, type = 'float32' } = this.#model ?? {};
    return { batch: await packMatrices(matrices, faults, classes, type, buffer), rows };
  }

  async close(): Promise<void> {
    await this.#utterances.return(undefined);
  }

  async *#read(pieces: AsyncIterable<Buffer>): AsyncGenerator<Utterance> {
    const checker = new RowChecker(false);
    for await (const { line, text, valid } of readLines(this.path, pieces, maxLineBytes)) {
      if (text.trim() === '') continue;
      const parsed: ParsedRow = { line };
      const fields = valid ? parseObject(text, parsed) : undefined;
      if (!valid) parsed.reason = 'not UTF-8 text';
      if (fields !== undefined) readFields(fields, parsed);
      const row = checker.check(parsed);
      if (fields === undefined) {
        yield { row, fault: `${this.path}: line ${line}: ${parsed.reason}` };
        continue;
      }
      try {
        yield { row, matrix: this.#matrix(fields, `${this.path}: line ${line} (${row.id})`) };
      } catch (error) {
        yield { row, fault: faultOf(error) };
      }
    }
  }

  #matrix(fields: Record<string, unknown>, name: string): Matrix {
    const matrix = readMatrix(fields, name);
    // Nothing has no width.
    if (matrix.frames === 0) return matrix;
    if (matrix.classes === 0) throw fileError(name, 'has no classes');
    this.#model ??= { classes: matrix.classes, type: matrix.type };
    const { classes, type } = this.#model;
    if (matrix.classes === classes && matrix.type === type) return matrix;
    throw fileError(
      name,
      `has ${matrix.classes} classes of ${matrix.type}; the first utterance has ${classes} of ${type}`,
    );
  }
}

function parseObject(text: string, row: ParsedRow): Record<string, unknown> | undefined {
  try {
    const fields = parseJson(text);
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) {
      return fields as Record<string, unknown>;
    }
    row.reason = `not a JSON object: ${quote(text)}`;
  } catch (error) {
    row.reason = error instanceof RangeError ? error.message : `not JSON: ${quote(text)}`;
  }
  return undefined;
}

function readMatrix(fields: Record<string, unknown>, name: string): Matrix {
  const key = columnNames.logits.find((each) => Object.hasOwn(fields, each));
  if (key === undefined) throw fileError(name, 'has no "logits"');
  const { dtype = 'float32', shape } = fields;
  if (typeof dtype !== 'string' || !types.includes(dtype)) {
    throw fileError(name, `has the dtype ${show(dtype)}`, `Known are ${types.join(', ')}`);
  }
  const type = dtype as TensorType;
  const value = fields[key];
  if (typeof value === 'string') return decodeBase64(name, value, shape, type);
  if (elementBytes(type) === 2) {
    throw fileError(name, `has ${type} as numbers`, 'Write their bits in base64');
  }
  return rowMatrix(name, value, shape, type);
}

function decodeBase64(name: string, text: string, shape: unknown, type: TensorType): Matrix {
  const axes = Array.isArray(shape) ? shape : [];
  if (axes.length !== 2 || !axes.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw fileError(name, 'has base64 and no "shape" of two counts', 'Add "shape": [T, C]');
  }
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw fileError(name, 'has broken base64');
  const [frames, classes] = axes as [number, number];
  const bytes = Buffer.from(text, 'base64');
  const needed = frames * classes * elementBytes(type);
  if (bytes.length !== needed) {
    throw fileError(
      name,
      `has ${bytes.length} bytes; (${frames}, ${classes}) of ${type} needs ${needed}`,
    );
  }
  return { type, frames, classes, fill: (view) => view.set(bytes) };
}
