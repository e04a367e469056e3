// What is known about one utterance after it was evaluated, and how it is written down.

import type { RowFault } from '../io/manifest.js';

export type EvalStatus =
  /** It was evaluated. */
  | 'ok'
  /** No path reads as the text: too few frames, or -Infinity on what is needed. */
  | 'infeasible'
  /** NaN, +Infinity or a frame of nothing but -Infinity. */
  | 'nonfinite'
  /** A character of the text begins no token. */
  | 'unknown-symbol'
  /** The manifest says more frames than the model wrote. */
  | 'frames-out-of-range'
  /** The data has no utterance of this id. */
  | 'no-output'
  /** Its part of the data cannot be read. */
  | 'unreadable'
  | RowFault;

/**
 * One utterance. A field is null where it does not apply: the loss of an infeasible utterance, the greedy
 * text of one that cannot be read. The order of the fields is the order of columns in every format.
 */
export interface EvalRecord {
  /** Place in the manifest's order, from 0. */
  index: number;
  id: string;
  status: EvalStatus;
  /** Why `status` is not 'ok'. */
  reason: string | null;
  /** T. */
  frames: number | null;
  /** L. */
  labels: number | null;
  /** Frames that the shortest path needs: labels and one blank between equal neighbours. */
  framesNeeded: number | null;
  /** In nats. */
  loss: number | null;
  lossPerFrame: number | null;
  /** The loss over max(L, 1). */
  lossPerLabel: number | null;
  text: string;
  greedyText: string | null;
  /** Character errors over characters; null where the text is empty. */
  cer: number | null;
  chars: number | null;
  charSubstitutions: number | null;
  charDeletions: number | null;
  charInsertions: number | null;
  /** Word errors over words; null where the text is empty. */
  wer: number | null;
  words: number | null;
  wordSubstitutions: number | null;
  wordDeletions: number | null;
  wordInsertions: number | null;
  /** Share of the frames whose most probable class is the blank. */
  blankRatio: number | null;
  /** Mean probability of the labels of the greedy text; null where it is empty. */
  confidence: number | null;
}

export type ColumnType = 'string' | 'integer' | 'number';

/** The columns of every format, in order. */
export const columns: readonly { name: keyof EvalRecord; type: ColumnType }[] = [
  { name: 'index', type: 'integer' },
  { name: 'id', type: 'string' },
  { name: 'status', type: 'string' },
  { name: 'reason', type: 'string' },
  { name: 'frames', type: 'integer' },
  { name: 'labels', type: 'integer' },
  { name: 'framesNeeded', type: 'integer' },
  { name: 'loss', type: 'number' },
  { name: 'lossPerFrame', type: 'number' },
  { name: 'lossPerLabel', type: 'number' },
  { name: 'text', type: 'string' },
  { name: 'greedyText', type: 'string' },
  { name: 'cer', type: 'number' },
  { name: 'chars', type: 'integer' },
  { name: 'charSubstitutions', type: 'integer' },
  { name: 'charDeletions', type: 'integer' },
  { name: 'charInsertions', type: 'integer' },
  { name: 'wer', type: 'number' },
  { name: 'words', type: 'integer' },
  { name: 'wordSubstitutions', type: 'integer' },
  { name: 'wordDeletions', type: 'integer' },
  { name: 'wordInsertions', type: 'integer' },
  { name: 'blankRatio', type: 'number' },
  { name: 'confidence', type: 'number' },
];

/** A record of which only the manifest is known. */
export function emptyRecord(index: number, id: string, text: string): EvalRecord {
  return {
    index,
    id,
    status: 'ok',
    reason: null,
    frames: null,
    labels: null,
    framesNeeded: null,
    loss: null,
    lossPerFrame: null,
    lossPerLabel: null,
    text,
    greedyText: null,
    cer: null,
    chars: null,
    charSubstitutions: null,
    charDeletions: null,
    charInsertions: null,
    wer: null,
    words: null,
    wordSubstitutions: null,
    wordDeletions: null,
    wordInsertions: null,
    blankRatio: null,
    confidence: null,
  };
}

/** A line of JSON Lines, the newline included. Numbers have all of their digits. */
export function toLine(record: EvalRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** The record of a line that `toLine` wrote. Throws SyntaxError for anything else. */
export function fromLine(line: string): EvalRecord {
  const record = JSON.parse(line) as EvalRecord;
  if (typeof record !== 'object' || record === null || typeof record.status !== 'string') {
    throw new SyntaxError('not a record');
  }
  return record;
}

/** Lines of records as bytes, in memory that grows and is used again. */
export class LineBuffer {
  #memory = Buffer.allocUnsafeSlow(2 ** 16);

  /** A view of the lines of `records`, until the next call. */
  of(records: readonly EvalRecord[]): Buffer {
    let length = 0;
    for (const record of records) {
      // Without its newline, with which it would have to be copied once more.
      const line = JSON.stringify(record);
      // A code unit takes three bytes at most.
      const most = length + 3 * line.length + 1;
      if (most > this.#memory.length) {
        const memory = Buffer.allocUnsafeSlow(2 * most);
        memory.set(this.#memory.subarray(0, length));
        this.#memory = memory;
      }
      length += this.#memory.write(line, length);
      this.#memory[length++] = 0x0a;
    }
    return this.#memory.subarray(0, length);
  }
}
