// Evaluates a batch that has been read: losses, greedy texts, error rates.

import { quote } from '../io/file.js';
import type { SourceBatch } from '../io/source.js';
import { countErrors } from '../metrics.js';
import { type Engine, type EngineCall, EngineStatus } from './engine.js';
import { lookAt } from './looks.js';
import { describeInfeasible, describeNonfinite } from './outputs.js';
import type { ReadBatch, ReadRow } from './reader.js';
import { type EvalRecord, type EvalStatus, emptyRecord } from './record.js';
import type { Writing } from './reference.js';
import type { Looks } from './statistics.js';

export interface EngineOptions extends EngineCall {
  writing: Writing;
  /** Sees the outputs of each utterance that has a loss, before they are overwritten; in any order. */
  onLoss?: (record: EvalRecord, outputs: SourceBatch, slot: number, labels: number[]) => void;
}

export interface EvaluatedBatch {
  records: EvalRecord[];
  looks: Looks;
  bytes: number;
  engineSeconds: number;
}

/**
 * Evaluates a batch. What JavaScript does after the engine overlaps with the next batch, which waits for its turn.
 *
 * @param engine - Its arrays are this batch's until the promise settles.
 */
export async function evaluateBatch(
  batch: ReadBatch,
  options: EngineOptions,
  engine: Engine,
): Promise<EvaluatedBatch> {
  const { rows, outputs } = batch;
  const [frames, utterances] = outputs?.shape ?? [0, 0];
  engine.begin(frames, utterances);
  const records = rows.map((row) => prepare(row, outputs, options.writing, engine));
  if (outputs === undefined) {
    const looks = { looked: 0, probabilities: 0, unnormalised: 0 };
    return { records, looks, bytes: 0, engineSeconds: 0 };
  }
  const engineSeconds = await engine.run(outputs, options);
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    const { slot } = rows[i]!;
    if (slot === undefined || record.frames === null || record.status === 'frames-out-of-range') {
      continue;
    }
    if (record.labels !== null) addLoss(record, engine, slot, outputs, options);
    addGreedy(record, engine, slot, options.writing);
  }
  const looks = lookAt(outputs, engine.decodeLengths, options.input);
  return { records, looks, bytes: batch.bytes, engineSeconds };
}

/** Begins the record of a row, and hands the engine what it needs of it, if the row has outputs. */
function prepare(
  { row, index, slot, fault }: ReadRow,
  outputs: SourceBatch | undefined,
  writing: Writing,
  engine: Engine,
): EvalRecord {
  // A row without a text is broken: openRows() asks for them.
  const text = row.text as string;
  const record = emptyRecord(index, row.id, text);
  const frames = prepareFrames(record, row.fault ?? fault, row.frames, outputs, slot);
  if (frames === undefined) {
    if (slot !== undefined) engine.add(0, 0);
    return record;
  }
  const { labels } = engine;
  const start = labels.length;
  const unknown = writing.appendLabels(text, labels);
  if (unknown !== undefined) {
    labels.length = start;
    engine.add(0, frames);
    const { symbol, position } = unknown;
    const code = symbol.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
    const reason = `no token for ${quote(symbol)} (U+${code}) at character ${position}`;
    fail(record, 'unknown-symbol', reason);
    return record;
  }
  engine.add(frames, frames);
  record.labels = labels.length - start;
  record.framesNeeded = record.labels + labels.repeatsFrom(start);
  return record;
}

/** The frames to evaluate; undefined where the record has failed. */
function prepareFrames(
  record: EvalRecord,
  fault: { status: EvalStatus; reason: string } | undefined,
  given: number | undefined,
  outputs: SourceBatch | undefined,
  slot: number | undefined,
): number | undefined {
  if (fault !== undefined) {
    fail(record, fault.status, fault.reason);
    return undefined;
  }
  const held = outputs!.frames[slot!]!;
  const frames = given ?? held;
  record.frames = frames;
  if (frames <= held) return frames;
  fail(record, 'frames-out-of-range', `${frames} frames; the data has ${held}`);
  return undefined;
}

function addLoss(
  record: EvalRecord,
  engine: Engine,
  slot: number,
  outputs: SourceBatch,
  { input, blank, onLoss }: EngineOptions,
): void {
  const status = engine.status[slot];
  if (status === EngineStatus.nonfinite) {
    // The softmax needs every class of a frame; of log-probabilities only these are looked at.
    const used = input === 'logits' ? undefined : [blank, ...engine.labelsOf(slot)];
    const reason = describeNonfinite(outputs, slot, record.frames!, used);
    fail(record, 'nonfinite', reason);
  } else if (status === EngineStatus.infeasible) {
    fail(record, 'infeasible', describeInfeasible(record));
  } else {
    const loss = engine.losses[slot]!;
    record.loss = loss;
    record.lossPerFrame = loss / Math.max(record.frames!, 1);
    record.lossPerLabel = loss / Math.max(record.labels!, 1);
    onLoss?.(record, outputs, slot, [...engine.labelsOf(slot)]);
  }
}

function addGreedy(record: EvalRecord, engine: Engine, slot: number, writing: Writing): void {
  if (engine.pathStatus[slot] !== EngineStatus.ok) return;
  const path = engine.pathOf(slot);
  record.greedyText = writing.textOf(path);
  if (record.frames! > 0) record.blankRatio = engine.blankFrames[slot]! / record.frames!;
  if (path.length > 0) record.confidence = engine.confidences[slot]!;
  const { characters, words } = countErrors(record.text, record.greedyText);
  record.cer = characters.referenceLength > 0 ? characters.rate : null;
  record.chars = characters.referenceLength;
  record.charSubstitutions = characters.substitutions;
  record.charDeletions = characters.deletions;
  record.charInsertions = characters.insertions;
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
