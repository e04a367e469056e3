// Sums over the utterances that could be decoded; rates are formed from sums.

import type { ErrorCounts } from '../metrics.js';
import type { DecodeRecord, DecodeStatus } from './decodeRun.js';

/** Sums of counts. */
export class ErrorSums {
  utterances = 0;
  errors = 0;
  substitutions = 0;
  deletions = 0;
  insertions = 0;
  referenceLength = 0;

  add(counts: ErrorCounts | undefined): void {
    if (counts === undefined) return;
    this.utterances += 1;
    this.errors += counts.errors;
    this.substitutions += counts.substitutions;
    this.deletions += counts.deletions;
    this.insertions += counts.insertions;
    this.referenceLength += counts.referenceLength;
  }

  /** NaN without references; Infinity for errors against nothing. */
  get rate(): number {
    if (this.utterances === 0) return Number.NaN;
    return this.errors === 0 ? 0 : this.errors / this.referenceLength;
  }
}

export class DecodeSummary {
  utterances = 0;
  ok = 0;
  readonly statuses = new Map<DecodeStatus, number>();
  readonly characters = new ErrorSums();
  readonly words = new ErrorSums();

  add(record: DecodeRecord): void {
    this.utterances += 1;
    this.statuses.set(record.status, (this.statuses.get(record.status) ?? 0) + 1);
    if (record.status === 'ok') this.ok += 1;
    this.characters.add(record.characters);
    this.words.add(record.words);
  }
}
