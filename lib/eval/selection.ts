// Which utterances a page shows one by one: all of a few, and of many the worst, the faulty and a sample.
// What is kept does not depend on how many there are, nor on the order in which they come.

import { Ranking } from './ranking.js';
import type { EvalRecord, EvalStatus } from './record.js';
import { isWorse } from './statistics.js';

/** Up to so many utterances are all shown. */
export const mostWhole = 1000;
/** Of more, so many of each kind. */
export const kept = { loss: 300, errors: 200, faulty: 50, sample: 200 } as const;
/** Longer texts are cut at their end, longer ids at their beginning; UTF-16 units. */
const longestText = 300;
const longestId = 120;

/** Why an utterance of many is shown. */
export type Reason = keyof typeof kept;

export interface SelectedRow {
  /** With its long texts cut. */
  record: EvalRecord;
  /** Empty where all are shown. */
  reasons: Reason[];
}

export class Selection {
  #total = 0;
  #all: EvalRecord[] | undefined = [];
  readonly #loss = new Ranking<EvalRecord>(kept.loss, isWorse);
  readonly #errors = new Ranking<EvalRecord>(kept.errors, hasMoreErrors);
  readonly #faulty = new Map<EvalStatus, Ranking<EvalRecord>>();
  readonly #sample = new Ranking<EvalRecord>(kept.sample, isDrawnBefore);

  /** How many were added. */
  get total(): number {
    return this.#total;
  }

  add(given: EvalRecord): void {
    this.#total += 1;
    if (this.#total > mostWhole) this.#all = undefined;
    const rankings = [this.#sample];
    if (given.lossPerLabel !== null) rankings.push(this.#loss);
    if ((given.cer ?? 0) > 0) rankings.push(this.#errors);
    if (given.status !== 'ok') rankings.push(this.#faultyOf(given.status));
    const admitting = rankings.filter((ranking) => ranking.admits(given));
    if (this.#all === undefined && admitting.length === 0) return;
    const record = shorten(given);
    this.#all?.push(record);
    for (const ranking of admitting) ranking.add(record);
  }

  /** Those that are shown: the highest losses per label first, then those without a loss. */
  rows(): SelectedRow[] {
    const rows = new Map<number, SelectedRow>();
    const take = (records: readonly EvalRecord[], reason?: Reason) => {
      for (const record of records) {
        const row = rows.get(record.index) ?? { record, reasons: [] };
        if (reason !== undefined) row.reasons.push(reason);
        rows.set(record.index, row);
      }
    };
    if (this.#all !== undefined) {
      take(this.#all);
    } else {
      take(this.#loss.items, 'loss');
      take(this.#errors.items, 'errors');
      for (const ranking of this.#faulty.values()) take(ranking.items, 'faulty');
      take(this.#sample.items, 'sample');
    }
    return [...rows.values()].sort((a, b) => compare(a.record, b.record));
  }

  #faultyOf(status: EvalStatus): Ranking<EvalRecord> {
    const found = this.#faulty.get(status);
    if (found !== undefined) return found;
    const ranking = new Ranking<EvalRecord>(kept.faulty, (a, b) => a.index < b.index);
    this.#faulty.set(status, ranking);
    return ranking;
  }
}

function compare(a: EvalRecord, b: EvalRecord): number {
  if (a.lossPerLabel === null || b.lossPerLabel === null) {
    if (a.lossPerLabel !== b.lossPerLabel) return a.lossPerLabel === null ? 1 : -1;
    return a.index - b.index;
  }
  return isWorse(a, b) ? -1 : 1;
}

function hasMoreErrors(a: EvalRecord, b: EvalRecord): boolean {
  return a.cer !== b.cer ? a.cer! > b.cer! : a.index < b.index;
}

/** The lots drawn are a hash of the place in the manifest: the same in every run, and like chance. */
function isDrawnBefore(a: EvalRecord, b: EvalRecord): boolean {
  const [lotA, lotB] = [lotOf(a.index), lotOf(b.index)];
  return lotA !== lotB ? lotA < lotB : a.index < b.index;
}

// The finalizer of MurmurHash3: https://github.com/aappleby/smhasher/wiki/MurmurHash3 (public domain).
function lotOf(index: number): number {
  let hash = (index ^ (index / 2 ** 32)) + 1;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function shorten(record: EvalRecord): EvalRecord {
  const { id, text, greedyText, reason } = record;
  return {
    ...record,
    id: cutStart(id),
    text: cut(text),
    greedyText: greedyText && cut(greedyText),
    reason: reason && cut(reason),
  };
}

/** A text that is long without its end. */
export function cut(text: string): string {
  if (text.length <= longestText) return text;
  // Not through the middle of a surrogate pair.
  return `${text.slice(0, longestText).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** An id that is long without its beginning: those that are paths differ at their ends. */
export function cutStart(id: string): string {
  if (id.length <= longestId) return id;
  return `…${id.slice(-longestId).replace(/^[\udc00-\udfff]/, '')}`;
}
