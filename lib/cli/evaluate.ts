// Evaluates a manifest against model outputs, a bounded part of them at a time.
// Nothing is printed here: records come out in the order of the manifest.

import { ctcError } from '../errors.js';
import { checkCount } from '../eval/data.js';
import { checkTokens, chooseBlank } from '../eval/model.js';
import { describeInfeasible, describeNonfinite, describeRows } from '../eval/outputs.js';
import {
  Buffers,
  positionOf,
  type ReadBatch,
  type ReadRow,
  type Rows,
  readBatches,
} from '../eval/reader.js';
import { fileError, quote } from '../io/file.js';
import { type Manifest, RowChecker, type RowFault } from '../io/manifest.js';
import { type ArraySource, ReadBuffer, type SourceBatch, tensorOf } from '../io/source.js';
import { makeTokenizer, type Tokens } from '../io/tokens.js';
import { ctcLoss } from '../loss.js';

export type UtteranceStatus =
  | 'ok'
  | 'infeasible'
  | 'nonfinite'
  | 'unknown-symbol'
  | 'empty-text'
  | ReadStatus;

/** Why a row's outputs cannot be used. */
export type ReadStatus = RowFault | 'no-output' | 'unreadable' | 'frames-out-of-range';

/** One row of the manifest and what it came to. */
export interface UtteranceRecord {
  index: number;
  id: string;
  line: number;
  status: UtteranceStatus;
  /** Why it could not be evaluated; undefined when `status` is 'ok'. */
  reason?: string;
  text: string;
  /** undefined where a broken row does not tell. */
  frames?: number;
  /** Number of labels; undefined where the text has none. */
  labels?: number;
  /** Frames that the shortest path needs: labels and one blank between equal neighbours. */
  framesNeeded?: number;
  /** Natural log; undefined unless `status` is 'ok'. */
  loss?: number;
}

export interface EvaluationOptions {
  layout: 'TNC' | 'NTC';
  input: 'logits' | 'logProbs';
  /** As given with --blank; undefined: the tokens file says. */
  blank?: number;
  threads?: number;
  /** Bytes of model output in memory at a time, if one utterance needs no more. Default: 256 MiB. */
  chunkBytes?: number;
  signal?: AbortSignal;
  /** Called for what is suspicious but no error. */
  warn: (message: string) => void;
}

/** Model outputs, a manifest and tokens that fit one another. */
export interface Evaluation {
  source: ArraySource;
  /** The outputs as the user named them. */
  path: string;
  manifest: Manifest;
  rows: Rows;
  options: EvaluationOptions;
  classes: number;
  blank: number;
  /** `symbols[c]` is the symbol of class c. */
  symbols: string[];
  tokenize: ReturnType<typeof makeTokenizer>;
}

export interface Inputs {
  source: ArraySource;
  path: string;
  /** undefined: a row for each utterance, under its id or else its number. */
  manifest: Manifest | undefined;
  tokens: Tokens;
}

/** Compares the three inputs. Throws `ERR_CTC_FILE` where they disagree, UsageError for --blank. */
export function prepare(
  { source, path, manifest: given, tokens }: Inputs,
  options: EvaluationOptions,
): Evaluation {
  const { classes } = source;
  checkTokens(tokens, classes, source.paths[0]!);
  const manifest = given ?? rowsOf(source);
  const rows: Rows = {
    path: manifest.path,
    count: manifest.rows.length,
    inOrder: given === undefined,
    async *slice(start, end) {
      yield manifest.rows.slice(start, end);
    },
  };
  if (given !== undefined) {
    checkCount(source, rows, options.layout);
    checkIds(source, given);
  }
  const blank = chooseBlank(tokens, classes, options.blank);
  const { symbols } = tokens;
  const tokenize = makeTokenizer(symbols, blank);
  return { source, path, manifest, rows, options, classes, blank, symbols, tokenize };
}

function rowsOf(source: ArraySource): Manifest {
  const checker = new RowChecker(false);
  const rows = Array.from({ length: source.count }, (_, n) =>
    checker.check({ line: n + 1, id: source.id(n) ?? String(n) }),
  );
  return { path: '', rows };
}

/** Throws `ERR_CTC_FILE` where not one row is about the data: names of arrays are then no ids, or it is another's manifest. */
function checkIds(source: ArraySource, { path, rows }: Manifest): void {
  if (!source.keyed || rows.length === 0 || source.count === 0) return;
  if (rows.some(({ id }) => source.find(id) !== undefined)) return;
  const [id, other] = [quote(rows[0]!.id), quote(source.id(0)!)];
  const named = ['npz', 'safetensors', 'hdf5'].includes(source.format);
  throw fileError(
    path,
    `has no id that is in ${source.paths[0]}: its first is ${id}, and there it is ${other}`,
    named
      ? 'Give the ids of the data, or name the array that holds all utterances (--array)'
      : 'Give the ids of the data',
  );
}

/** The records of all rows, in order. */
export async function* evaluate(evaluation: Evaluation): AsyncGenerator<UtteranceRecord> {
  for await (const { rows, outputs } of readParts(evaluation)) {
    const records = rows.map((row) => checkRow(evaluation, row, outputs));
    yield* await evaluatePart(evaluation, outputs, records);
  }
}

/** All rows with their outputs, `chunkBytes` of these at a time; they are overwritten by the next part. */
export async function* readParts(evaluation: Evaluation): AsyncGenerator<ReadBatch> {
  const { source, rows, options } = evaluation;
  options.signal?.throwIfAborted();
  const buffers = new Buffers([new ReadBuffer(options.chunkBytes ?? 2 ** 28)]);
  let warned = false;
  for await (const part of readBatches(source, rows, 0, rows.count, buffers)) {
    options.signal?.throwIfAborted();
    if (!warned && part.outputs !== undefined) {
      const read = part.rows.filter(({ slot }) => slot !== undefined);
      const lengths = read.map((row) => {
        const { frames, fault } = lookUp(row, part.outputs);
        return fault === undefined ? frames! : 0;
      });
      warnOfRows(evaluation, part.outputs, lengths);
      warned = true;
    }
    yield part;
    buffers.give(part.buffer);
  }
}

/** One utterance's model outputs. Throws `ERR_CTC_FILE` where it has none, or they cannot be read. */
export async function readUtterance(
  { source, path, manifest, rows }: Evaluation,
  n: number,
): Promise<SourceBatch> {
  const { id } = manifest.rows[n]!;
  const position = positionOf(source, rows, id, n);
  if (position === undefined) throw fileError(path, `has no utterance ${quote(id)}`);
  const outputs = await source.read([position], new ReadBuffer());
  const [fault] = outputs.faults;
  if (fault !== undefined) throw ctcError('ERR_CTC_FILE', fault);
  return outputs;
}

/** A row's frames, and why it has none that can be used. */
export function lookUp(
  { row, slot, fault }: ReadRow,
  outputs: SourceBatch | undefined,
): { frames: number | undefined; fault: { status: ReadStatus; reason: string } | undefined } {
  const known = row.fault ?? fault;
  if (known !== undefined) return { frames: row.frames, fault: known };
  const reason = outputs!.faults[slot!];
  if (reason !== undefined) return { frames: row.frames, fault: { status: 'unreadable', reason } };
  const held = outputs!.frames[slot!]!;
  const { frames = held } = row;
  if (frames <= held) return { frames, fault: undefined };
  const beyond = `${frames} frames; the data has ${held}`;
  return { frames, fault: { status: 'frames-out-of-range', reason: beyond } };
}

/** Warns when the first outputs, within their lengths, do not look like what --input says. */
export function warnOfRows({ options }: Evaluation, outputs: SourceBatch, lengths: number[]): void {
  const suspicion = describeRows(outputs, lengths, options.input);
  if (suspicion !== undefined) options.warn(suspicion);
}

/** A row whose text has become labels, or that says why not. */
export interface CheckedRow extends UtteranceRecord {
  /** Place in the outputs; undefined where the row has none. */
  slot: number | undefined;
  /** To evaluate; 0 where the row is not evaluated. */
  length: number;
  /** Class numbers; empty where the row is not evaluated. */
  targets: number[];
}

export function checkRow(
  evaluation: Evaluation,
  read: ReadRow,
  outputs: SourceBatch | undefined,
): CheckedRow {
  const { row, index, slot } = read;
  const { id, line, text = '' } = row;
  const { frames, fault } = lookUp(read, outputs);
  const record: CheckedRow = {
    index,
    id,
    line,
    status: 'ok',
    text,
    frames,
    slot,
    length: 0,
    targets: [],
  };
  const fail = (status: UtteranceStatus, reason: string): CheckedRow =>
    Object.assign(record, { status, reason });

  if (fault !== undefined) return fail(fault.status, fault.reason);
  if (text === '') return fail('empty-text', 'the text is empty');
  const { labels, unknown } = evaluation.tokenize(text);
  if (unknown !== undefined) {
    const { symbol, position } = unknown;
    const code = symbol.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
    return fail(
      'unknown-symbol',
      `no token for ${quote(symbol)} (U+${code}) at character ${position}`,
    );
  }
  const repeats = labels.filter((label, i) => label === labels[i - 1]).length;
  record.length = frames!;
  record.targets = labels;
  record.labels = labels.length;
  record.framesNeeded = labels.length + repeats;
  return record;
}

/** Without what only its evaluation needs. */
export function recordOf({
  targets: _,
  length: __,
  slot: ___,
  ...record
}: CheckedRow): UtteranceRecord {
  return record;
}

async function evaluatePart(
  { blank, options }: Evaluation,
  outputs: SourceBatch | undefined,
  records: CheckedRow[],
): Promise<UtteranceRecord[]> {
  if (outputs === undefined) return records.map(recordOf);
  const read = records.filter(({ slot }) => slot !== undefined);
  const { losses, status } = await ctcLoss(
    tensorOf(outputs),
    read.map((record) => record.targets),
    {
      // An utterance that is not evaluated takes part with no frames and no labels.
      inputLengths: read.map((record) => record.length),
      blank,
      input: options.input,
      reduction: 'none',
      gradient: false,
      threads: options.threads,
      // The buffer is this module's own and is not written before the promise settles.
      buffers: 'borrow',
      signal: options.signal,
    },
  );
  return records.map((checked) => {
    const record = recordOf(checked);
    if (record.status !== 'ok') return record;
    const { targets, length } = checked;
    const n = checked.slot!;
    if (status[n] === 'ok') return { ...record, loss: losses[n]! };
    if (status[n] === 'infeasible') {
      return { ...record, status: 'infeasible', reason: describeInfeasible(record) };
    }
    // The softmax needs every class of a frame; of log-probabilities only these are looked at.
    const used = options.input === 'logits' ? undefined : [blank, ...targets];
    const reason = describeNonfinite(outputs, n, length, used);
    return { ...record, status: 'nonfinite', reason };
  });
}
