// Evaluates a batch that has been read: losses, greedy texts, error rates.

import { greedyPaths } from '../decode.js';
import type { FlatPaths } from '../decodeNative.js';
import { quote } from '../io/file.js';
import type { SourceBatch } from '../io/source.js';
import { ctcLoss } from '../loss.js';
import type { Status } from '../lossCall.js';
import { countErrors } from '../metrics.js';
import { lookAt } from './looks.js';
import { describeNonfinite } from './outputs.js';
import type { Turns } from './pipeline.js';
import type { ReadBatch, ReadRow } from './reader.js';
import { type EvalRecord, type EvalStatus, emptyRecord } from './record.js';
import type { Writing } from './reference.js';
import type { Looks } from './statistics.js';

export interface EngineOptions {
  input: 'logits' | 'logProbs';
  blank: number;
  writing: Writing;
  threads: number | undefined;
  signal: AbortSignal | undefined;
  /** Sees the outputs of each utterance that has a loss, before they are overwritten; in any order. */
  onLoss?: (record: EvalRecord, outputs: SourceBatch, slot: number, labels: number[]) => void;
}

export interface EvaluatedBatch {
  records: EvalRecord[];
  looks: Looks;
  bytes: number;
  engineSeconds: number;
}

interface Prepared {
  record: EvalRecord;
  slot: number | undefined;
  /** Frames to decode; 0 where there is nothing to. */
  frames: number;
  /** Class numbers; undefined where there is no loss to compute. */
  targets: number[] | undefined;
}

/** Milliseconds of JavaScript at a stretch: the next batch waits for the event loop to be started. */
const stretch = 1;

/**
 * Evaluates a batch. The engine computes one batch at a time, in `turns`, so that no more than `threads`
 * threads compute; what JavaScript does after it overlaps with the next batch.
 */
export async function evaluateBatch(
  batch: ReadBatch,
  options: EngineOptions,
  turns: Turns,
): Promise<EvaluatedBatch> {
  const { outputs } = batch;
  const prepared = batch.rows.map((row) => prepare(row, outputs, options.writing));
  if (outputs === undefined) {
    const records = prepared.map(({ record }) => record);
    const looks = { looked: 0, probabilities: 0, unnormalised: 0 };
    return { records, looks, bytes: 0, engineSeconds: 0 };
  }
  const utterances = outputs.shape[1];
  const decodeLengths = new Array<number>(utterances).fill(0);
  const lossLengths = new Array<number>(utterances).fill(0);
  const targets = new Array<number[]>(utterances).fill([]);
  for (const { slot, frames, targets: labels } of prepared) {
    if (slot === undefined) continue;
    decodeLengths[slot] = frames;
    if (labels === undefined) continue;
    lossLengths[slot] = frames;
    targets[slot] = labels;
  }
  const engine = await turns.take(() =>
    compute(outputs, targets, lossLengths, decodeLengths, options),
  );

  const records: EvalRecord[] = [];
  let since = performance.now();
  for (const { record, slot, frames, targets: labels } of prepared) {
    records.push(record);
    if (slot === undefined || record.status === 'frames-out-of-range') continue;
    if (labels !== undefined) {
      const status = engine.status[slot]!;
      if (status === 'nonfinite') {
        // The softmax needs every class of a frame; of log-probabilities only these are looked at.
        const used = options.input === 'logits' ? undefined : [options.blank, ...labels];
        fail(record, status, describeNonfinite(asOutputs(outputs), slot, frames, used));
      } else {
        addLoss(record, status, engine.losses[slot]!);
        if (status === 'ok') options.onLoss?.(record, outputs, slot, labels);
      }
    }
    addGreedy(record, engine.greedy, slot, options.writing);
    if (performance.now() - since > stretch) {
      await new Promise(setImmediate);
      since = performance.now();
    }
  }
  const looks = lookAt(outputs, decodeLengths, options.input);
  return { records, looks, bytes: batch.bytes, engineSeconds: engine.seconds };
}

function prepare(
  { row, index, slot, fault }: ReadRow,
  outputs: SourceBatch | undefined,
  writing: Writing,
): Prepared {
  // A row without a text is broken: openRows() asks for them.
  const text = row.text as string;
  const record = emptyRecord(index, row.id, text);
  const nothing: Prepared = { record, slot: undefined, frames: 0, targets: undefined };
  const found = row.fault ?? fault;
  if (found !== undefined) {
    fail(record, found.status, found.reason);
    return nothing;
  }
  const unreadable = outputs!.faults[slot!];
  if (unreadable !== undefined) {
    fail(record, 'unreadable', unreadable);
    return nothing;
  }
  const held = outputs!.frames[slot!]!;
  const frames = row.frames ?? held;
  record.frames = frames;
  if (frames > held) {
    fail(record, 'frames-out-of-range', `${frames} frames; the data has ${held}`);
    return nothing;
  }
  const { labels, unknown } = writing.labelsOf(text);
  if (unknown !== undefined) {
    const { symbol, position } = unknown;
    const code = symbol.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
    const reason = `no token for ${quote(symbol)} (U+${code}) at character ${position}`;
    fail(record, 'unknown-symbol', reason);
  } else {
    let repeats = 0;
    for (let i = 1; i < labels.length; i++) if (labels[i] === labels[i - 1]) repeats += 1;
    record.labels = labels.length;
    record.framesNeeded = labels.length + repeats;
  }
  return { record, slot, frames, targets: labels };
}

async function compute(
  { data, type, shape, strides }: SourceBatch,
  targets: number[][],
  lossLengths: number[],
  decodeLengths: number[],
  { input, blank, threads, signal }: EngineOptions,
): Promise<{
  losses: Float64Array;
  status: Status[];
  greedy: FlatPaths;
  seconds: number;
}> {
  const began = performance.now();
  const tensor = { data, type, shape, strides };
  // The buffer is the reader's own and is not written before the batch is given back.
  const common = { blank, input, threads, signal, buffers: 'borrow' } as const;
  const { losses, status } = await ctcLoss(tensor, targets, {
    ...common,
    inputLengths: lossLengths,
    reduction: 'none',
    gradient: false,
  });
  const greedy = await greedyPaths(tensor, { ...common, inputLengths: decodeLengths });
  return { losses, status, greedy, seconds: (performance.now() - began) / 1000 };
}

function addLoss(record: EvalRecord, status: 'ok' | 'infeasible', loss: number): void {
  if (status === 'infeasible') {
    fail(record, status, describeInfeasible(record));
    return;
  }
  record.loss = loss;
  record.lossPerFrame = loss / Math.max(record.frames!, 1);
  record.lossPerLabel = loss / Math.max(record.labels!, 1);
}

function addGreedy(record: EvalRecord, paths: FlatPaths, slot: number, writing: Writing): void {
  if (paths.status[slot] !== 0) return;
  const path = slot === 0 ? 0 : paths.pathEnds[slot - 1]!;
  const begin = path === 0 ? 0 : paths.labelEnds[path - 1]!;
  const end = paths.labelEnds[path]!;
  record.greedyText = writing.textOf(paths.labels.subarray(begin, end));
  if (record.frames! > 0) record.blankRatio = paths.blankFrames[slot]! / record.frames!;
  if (end > begin) {
    let sum = 0;
    for (let i = begin; i < end; i++) sum += paths.confidences[i]!;
    record.confidence = sum / (end - begin);
  }
  const chars = countErrors(record.text, record.greedyText, 'character');
  record.cer = chars.referenceLength > 0 ? chars.rate : null;
  record.chars = chars.referenceLength;
  record.charSubstitutions = chars.substitutions;
  record.charDeletions = chars.deletions;
  record.charInsertions = chars.insertions;
  const words = countErrors(record.text, record.greedyText, 'word');
  record.wer = words.referenceLength > 0 ? words.rate : null;
  record.words = words.referenceLength;
  record.wordSubstitutions = words.substitutions;
  record.wordDeletions = words.deletions;
  record.wordInsertions = words.insertions;
}

function fail(record: EvalRecord, status: EvalStatus, reason: string): void {
  record.status = status;
  record.reason = reason;
}

/** Why no path reads as the text. */
export function describeInfeasible(record: {
  frames?: number | null;
  labels?: number | null;
  framesNeeded?: number | null;
}): string {
  const [frames, labels, needed] = [record.frames!, record.labels!, record.framesNeeded!];
  if (frames >= needed) return '-Infinity in the array leaves no path for the text';
  const repeats = needed - labels;
  const parts = repeats > 0 ? ` (${count(labels, 'label')} + ${count(repeats, 'repeat')})` : '';
  return `needs ${count(needed, 'frame')}${parts} and has ${frames}`;
}

/** 1 row, 2 rows. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function asOutputs({ data, type, shape, strides }: SourceBatch) {
  return {
    data,
    type,
    frames: shape[0],
    utterances: shape[1],
    classes: shape[2],
    frameStride: strides[0],
    utteranceStride: strides[1],
    classStride: strides[2],
  };
}
