// Evaluates a manifest against an array of model outputs, a bounded part of the array at a time.
// Nothing is printed here: records come out in the order of the manifest.

import { describeInfeasible } from '../eval/evaluate.js';
import { checkTokens, chooseBlank } from '../eval/model.js';
import { describeNonfinite, describeRows, type Outputs } from '../eval/outputs.js';
import { ctcLoss } from '../index.js';
import { fileError, quote } from '../io/file.js';
import type { Manifest, ManifestRow, RowFault } from '../io/manifest.js';
import type { NpyFile } from '../io/npy.js';
import { makeTokenizer, type Tokens } from '../io/tokens.js';
import { count } from './terminal.js';

export type UtteranceStatus =
  | 'ok'
  | 'infeasible'
  | 'nonfinite'
  | 'unknown-symbol'
  | 'empty-text'
  | 'frames-out-of-range'
  | RowFault;

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

/** A manifest, an array and tokens that fit one another. */
export interface Evaluation {
  file: NpyFile;
  manifest: Manifest;
  options: EvaluationOptions;
  frames: number;
  utterances: number;
  classes: number;
  blank: number;
  /** `symbols[c]` is the symbol of class c. */
  symbols: string[];
  tokenize: ReturnType<typeof makeTokenizer>;
}

/**
 * Compares the three inputs; without a manifest the rows are called by their numbers. Throws
 * `ERR_CTC_FILE` where they disagree, UsageError for --blank.
 */
export function prepare(
  file: NpyFile,
  given: Manifest | undefined,
  tokens: Tokens,
  options: EvaluationOptions,
): Evaluation {
  const { shape } = file;
  if (shape.length !== 2 && shape.length !== 3) {
    throw fileError(
      file.path,
      `has the shape (${shape.join(', ')})`,
      'Model outputs have three, T x N x C or N x T x C, or for one utterance T x C',
    );
  }
  const classes = shape.at(-1)!;
  const [frames, utterances] =
    shape.length === 2
      ? [shape[0]!, 1]
      : options.layout === 'TNC'
        ? [shape[0]!, shape[1]!]
        : [shape[1]!, shape[0]!];

  checkTokens(tokens, classes, file.path);
  const manifest = given ?? numberedRows(utterances);
  if (manifest.rows.length !== utterances) {
    const swapped = shape.length === 3 && manifest.rows.length === frames;
    const other = options.layout === 'TNC' ? 'NTC' : 'TNC';
    throw fileError(
      manifest.path,
      `has ${count(manifest.rows.length, 'row')} and ${file.path} holds ${count(utterances, 'utterance')} (${shape.join(' x ')}, read as ${shape.length === 2 ? 'T x C' : options.layout})`,
      swapped
        ? `With --layout ${other} they agree`
        : 'Give one row for each utterance, in the order of the array',
    );
  }
  const blank = chooseBlank(tokens, classes, options.blank);
  const { symbols } = tokens;
  const tokenize = makeTokenizer(symbols, blank);
  return { file, manifest, options, frames, utterances, classes, blank, symbols, tokenize };
}

function numberedRows(count: number): Manifest {
  const rows = Array.from({ length: count }, (_, n) => {
    return { line: n + 1, id: String(n), text: undefined, frames: undefined };
  });
  return { path: '', rows };
}

/** The records of all rows, in order. */
export async function* evaluate(evaluation: Evaluation): AsyncGenerator<UtteranceRecord> {
  for await (const { start, rows, outputs } of readParts(evaluation)) {
    const records = rows.map((row, i) => checkRow(evaluation, row, start + i));
    if (start === 0) {
      warnOfRows(
        evaluation,
        outputs,
        records.map((record) => record.length),
      );
    }
    yield* await evaluateChunk(evaluation, outputs, records);
  }
}

/** Some utterances' model outputs and rows; `outputs` is overwritten by the next part. */
export interface Part {
  start: number;
  rows: ManifestRow[];
  outputs: Outputs;
}

/** The array from its first utterance to the last one, `chunkBytes` of it at a time. */
export async function* readParts(evaluation: Evaluation): AsyncGenerator<Part> {
  const { file, manifest, options, utterances } = evaluation;
  // An array of one utterance is read whole, as the range of all its frames.
  const single = file.shape.length === 2;
  const axis = !single && options.layout === 'TNC' ? 1 : 0;
  const each = file.bytesFor(axis, single ? file.shape[0]! : 1);
  const { chunkBytes = 2 ** 28 } = options;
  const chunk = Math.max(1, Math.min(utterances, Math.floor(chunkBytes / Math.max(1, each))));
  const buffer = file.bufferFor(axis, single ? file.shape[0]! : Math.min(chunk, utterances));

  for (let start = 0; start < utterances; start += chunk) {
    const size = Math.min(chunk, utterances - start);
    options.signal?.throwIfAborted();
    const array = await file.read(axis, start, single ? file.shape[0]! : size, buffer);
    const rows = manifest.rows.slice(start, start + size);
    yield { start, rows, outputs: asOutputs(evaluation, array, size) };
  }
}

/** One utterance's model outputs. */
export async function readUtterance(evaluation: Evaluation, n: number): Promise<Outputs> {
  const { file, options } = evaluation;
  const single = file.shape.length === 2;
  const axis = !single && options.layout === 'TNC' ? 1 : 0;
  const array = await file.read(axis, single ? 0 : n, single ? file.shape[0]! : 1);
  return asOutputs(evaluation, array, 1);
}

/** Warns when the first outputs, within their lengths, do not look like what --input says. */
export function warnOfRows({ options }: Evaluation, outputs: Outputs, lengths: number[]): void {
  const suspicion = describeRows(outputs, lengths, options.input);
  if (suspicion !== undefined) options.warn(suspicion);
}

/** A row whose text has become labels, or that says why not. */
export interface CheckedRow extends UtteranceRecord {
  /** To evaluate; 0 where the row is not evaluated. */
  length: number;
  /** Class numbers; empty where the row is not evaluated. */
  targets: number[];
}

function asOutputs(
  { classes, frames, options }: Evaluation,
  { data, type, shape, strides }: Awaited<ReturnType<NpyFile['read']>>,
  utterances: number,
): Outputs {
  const [first, second, third] = strides as [number, number, number];
  const [frameStride, utteranceStride, classStride] =
    shape.length === 2
      ? [first, 0, second]
      : options.layout === 'TNC'
        ? [first, second, third]
        : [second, first, third];
  return { data, type, frames, utterances, classes, frameStride, utteranceStride, classStride };
}

export function checkRow(evaluation: Evaluation, row: ManifestRow, index: number): CheckedRow {
  const { id, line, text = '', fault } = row;
  const record: CheckedRow = { index, id, line, status: 'ok', text, length: 0, targets: [] };
  const fail = (status: UtteranceStatus, reason: string): CheckedRow =>
    Object.assign(record, { status, reason });

  record.frames = row.frames;
  if (fault) return fail(fault.status, fault.reason);
  const frames = row.frames ?? evaluation.frames;
  record.frames = frames;
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
  if (frames > evaluation.frames) {
    return fail('frames-out-of-range', `${frames} frames; the array has ${evaluation.frames}`);
  }
  const repeats = labels.filter((label, i) => label === labels[i - 1]).length;
  record.length = frames;
  record.targets = labels;
  record.labels = labels.length;
  record.framesNeeded = labels.length + repeats;
  return record;
}

async function evaluateChunk(
  { blank, options }: Evaluation,
  outputs: Outputs,
  records: CheckedRow[],
): Promise<UtteranceRecord[]> {
  const { data, type, frames, utterances, classes } = outputs;
  const { losses, status } = await ctcLoss(
    {
      data,
      type,
      shape: [frames, utterances, classes],
      strides: [outputs.frameStride, outputs.utteranceStride, outputs.classStride],
    },
    records.map((record) => record.targets),
    {
      // An utterance that is not evaluated takes part with no frames and no labels.
      inputLengths: records.map((record) => record.length),
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
  return records.map(({ targets, length, ...record }, i) => {
    if (record.status !== 'ok') return record;
    if (status[i] === 'ok') return { ...record, loss: losses[i]! };
    if (status[i] === 'infeasible') {
      return { ...record, status: 'infeasible', reason: describeInfeasible(record) };
    }
    // The softmax needs every class of a frame; of log-probabilities only these are looked at.
    const used = options.input === 'logits' ? undefined : [blank, ...targets];
    const reason = describeNonfinite(outputs, i, length, used);
    return { ...record, status: 'nonfinite', reason };
  });
}
