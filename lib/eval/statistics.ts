// Sufficient statistics of evaluated utterances: what a summary is made of. Those of parts add up to
// exactly those of the whole, however it was split and in whatever order the parts come.

import { ExactSum } from './exact.js';
import { type Bin, Histogram, isCount, relativeScale, unitScale } from './histogram.js';
import { Ranking } from './ranking.js';
import type { EvalRecord, EvalStatus } from './record.js';

/** Errors of a corpus, characters or words. */
export interface CorpusErrors {
  /** Errors over `reference`; null where that is 0. */
  rate: number | null;
  errors: number;
  substitutions: number;
  deletions: number;
  insertions: number;
  /** Characters or words of the texts. */
  reference: number;
}

/** One of the worst utterances. */
export type Ranked = Pick<
  EvalRecord,
  'index' | 'id' | 'frames' | 'loss' | 'lossPerLabel' | 'text' | 'greedyText' | 'cer'
>;

/** What the order of the worst looks at. */
export type LossOfOne = Pick<EvalRecord, 'index' | 'lossPerLabel'>;

/** What `summary.json` holds of the numbers; docs/eval.md tells what each means. */
export interface Summary {
  utterances: number;
  statuses: Partial<Record<EvalStatus, number>>;
  frames: number;
  labels: number;
  loss: {
    sum: number;
    mean: number | null;
    perUtterance: number | null;
    perLabel: number | null;
    perFrame: number | null;
  };
  cer: CorpusErrors;
  wer: CorpusErrors;
  blankRatio: number | null;
  confidence: number | null;
  worst: Ranked[];
  outliers: { above: number; count: number } | null;
  quartiles: { lower: number; median: number; upper: number } | null;
  histograms: Record<HistogramName, Bin[]>;
}

/** Of the texts and their errors. */
const errorCounts = [
  'chars',
  'charSubstitutions',
  'charDeletions',
  'charInsertions',
  'words',
  'wordSubstitutions',
  'wordDeletions',
  'wordInsertions',
] as const;

const sums = ['loss', 'lossPerLabel', 'blankRatio', 'confidence'] as const;
const counts = [
  'utterances',
  'ok',
  // Frames and labels of utterances with a loss.
  'frames',
  'labels',
  'decoded',
  'confident',
  ...errorCounts,
  // Utterances with a row that was looked at, and what those rows look like.
  'looked',
  'probabilities',
  'unnormalised',
] as const;
const scales = {
  lossPerLabel: relativeScale,
  lossPerFrame: relativeScale,
  cer: relativeScale,
  wer: relativeScale,
  blankRatio: unitScale,
  confidence: unitScale,
  // Of utterances with a loss.
  frames: relativeScale,
  labels: relativeScale,
} as const;

type SumName = (typeof sums)[number];
type CountName = (typeof counts)[number];
export type HistogramName = keyof typeof scales;
const histogramNames = Object.keys(scales) as HistogramName[];

/** What an utterance's rows look like, whatever they are said to be. */
export interface Looks {
  looked: number;
  probabilities: number;
  unnormalised: number;
}

export class Statistics {
  readonly #sums = fill(sums, () => new ExactSum());
  readonly #counts = fill(counts, () => 0);
  readonly #histograms = fill(histogramNames, (name) => new Histogram(scales[name]));
  readonly #statuses = new Map<EvalStatus, number>();
  /** The highest losses per label first; equal ones in the order of the manifest. */
  readonly #worst: Ranking<Ranked>;

  /** @param keep - How many of the worst utterances to keep. */
  constructor(keep: number) {
    this.#worst = new Ranking<Ranked>(keep, isWorse);
  }

  count(name: CountName): number {
    return this.#counts[name];
  }

  add(record: EvalRecord): void {
    const { status, loss, lossPerLabel, blankRatio, confidence } = record;
    this.#counts.utterances += 1;
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    if (loss !== null) {
      this.#counts.ok += 1;
      this.#counts.frames += record.frames!;
      this.#counts.labels += record.labels!;
      this.#sums.loss.add(loss);
      this.#sums.lossPerLabel.add(lossPerLabel!);
      // A loss can be a rounding below 0.
      this.#histograms.lossPerLabel.add(Math.max(0, lossPerLabel!));
      this.#histograms.lossPerFrame.add(Math.max(0, record.lossPerFrame!));
      this.#histograms.frames.add(record.frames!);
      this.#histograms.labels.add(record.labels!);
      if (this.#worst.admits(record as Ranked)) this.#rank([record]);
    }
    if (blankRatio !== null) {
      this.#counts.decoded += 1;
      this.#sums.blankRatio.add(blankRatio);
      this.#histograms.blankRatio.add(blankRatio);
    }
    if (confidence !== null) {
      this.#counts.confident += 1;
      this.#sums.confidence.add(confidence);
      this.#histograms.confidence.add(confidence);
    }
    if (record.chars === null) return;
    // By name, not in a loop over the names: that takes four times as long.
    const counts = this.#counts;
    counts.chars += record.chars;
    counts.charSubstitutions += record.charSubstitutions!;
    counts.charDeletions += record.charDeletions!;
    counts.charInsertions += record.charInsertions!;
    counts.words += record.words!;
    counts.wordSubstitutions += record.wordSubstitutions!;
    counts.wordDeletions += record.wordDeletions!;
    counts.wordInsertions += record.wordInsertions!;
    if (record.cer !== null) this.#histograms.cer.add(record.cer);
    if (record.wer !== null) this.#histograms.wer.add(record.wer);
  }

  addLooks(looks: Looks): void {
    this.#counts.looked += looks.looked;
    this.#counts.probabilities += looks.probabilities;
    this.#counts.unnormalised += looks.unnormalised;
  }

  merge(other: Statistics): void {
    for (const name of sums) this.#sums[name].merge(other.#sums[name]);
    for (const name of counts) this.#counts[name] += other.#counts[name];
    for (const name of histogramNames) this.#histograms[name].merge(other.#histograms[name]);
    for (const [status, count] of other.#statuses) {
      this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + count);
    }
    this.#rank(other.#worst.items);
  }

  summary(): Summary {
    const total = this.#counts;
    const { loss, lossPerLabel, blankRatio, confidence } = this.#sums;
    return {
      utterances: total.utterances,
      statuses: this.#sortedStatuses(),
      frames: total.frames,
      labels: total.labels,
      loss: {
        sum: loss.value,
        mean: ratio(lossPerLabel.value, total.ok),
        perUtterance: ratio(loss.value, total.ok),
        perLabel: ratio(loss.value, total.labels),
        perFrame: ratio(loss.value, total.frames),
      },
      cer: this.#errors('char'),
      wer: this.#errors('word'),
      blankRatio: ratio(blankRatio.value, total.decoded),
      confidence: ratio(confidence.value, total.confident),
      worst: [...this.#worst.items],
      ...this.#outliers(),
      histograms: fill(histogramNames, (name) => this.#histograms[name].bins()),
    };
  }

  /** For `fromJSON`, in any later process. The same statistics give the same text. */
  toJSON(): unknown {
    return {
      sums: this.#sums,
      counts: this.#counts,
      histograms: this.#histograms,
      statuses: this.#sortedStatuses(),
      worst: this.#worst.items,
    };
  }

  /** Throws RangeError for what `toJSON` cannot have made. */
  static fromJSON(value: unknown, keep: number): Statistics {
    const statistics = new Statistics(keep);
    const given = value as Record<'sums' | 'counts' | 'histograms' | 'statuses', object> & {
      worst: Ranked[];
    };
    for (const part of ['sums', 'counts', 'histograms', 'statuses', 'worst'] as const) {
      if (typeof given?.[part] !== 'object' || given[part] === null) {
        throw new RangeError(`no ${part}`);
      }
    }
    for (const name of sums) {
      statistics.#sums[name] = ExactSum.fromJSON((given.sums as Record<SumName, unknown>)[name]);
    }
    for (const name of counts) {
      const count = (given.counts as Record<CountName, unknown>)[name];
      if (!isCount(count)) throw new RangeError(`no count of ${name}`);
      statistics.#counts[name] = count;
    }
    for (const name of histogramNames) {
      const pairs = (given.histograms as Record<HistogramName, unknown>)[name];
      statistics.#histograms[name] = Histogram.fromJSON(scales[name], pairs);
    }
    for (const [status, count] of Object.entries(given.statuses)) {
      if (!isCount(count)) throw new RangeError(`no count of ${status}`);
      statistics.#statuses.set(status as EvalStatus, count);
    }
    statistics.#rank(given.worst);
    return statistics;
  }

  #rank(entries: readonly Ranked[]): void {
    for (const entry of entries) {
      if (!this.#worst.admits(entry)) continue;
      const { index, id, frames, loss, lossPerLabel, text, greedyText, cer } = entry;
      this.#worst.add({ index, id, frames, loss, lossPerLabel, text, greedyText, cer });
    }
  }

  #errors(unit: 'char' | 'word'): CorpusErrors {
    const substitutions = this.#counts[`${unit}Substitutions`];
    const deletions = this.#counts[`${unit}Deletions`];
    const insertions = this.#counts[`${unit}Insertions`];
    const reference = this.#counts[`${unit}s`];
    const errors = substitutions + deletions + insertions;
    const rate = ratio(errors, reference);
    return { rate, errors, substitutions, deletions, insertions, reference };
  }

  // Tukey's outer fence over the bins' edges: the count then follows from the histogram alone.
  #outliers(): Pick<Summary, 'quartiles' | 'outliers'> {
    const histogram = this.#histograms.lossPerLabel;
    const [lower, median, upper] = [0.25, 0.5, 0.75].map((q) => histogram.quantile(q));
    if (!lower || !median || !upper) return { quartiles: null, outliers: null };
    const quartiles = { lower: lower.from, median: median.from, upper: upper.to };
    const above = histogram.edgeFrom(quartiles.upper + 3 * (quartiles.upper - quartiles.lower));
    const beyond = histogram.bins().filter(({ from }) => from >= above);
    const count = beyond.reduce((sum, bin) => sum + bin.count, 0);
    return { quartiles, outliers: { above, count } };
  }

  /** 'ok' first, then by name: never by the order in which they came. */
  #sortedStatuses(): Partial<Record<EvalStatus, number>> {
    const others = [...this.#statuses].filter(([status]) => status !== 'ok');
    others.sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries([['ok', this.#statuses.get('ok') ?? 0], ...others]);
  }
}

/** The order of the worst: the higher loss per label first, equal ones as in the manifest. */
export function isWorse(a: LossOfOne, b: LossOfOne): boolean {
  if (a.lossPerLabel !== b.lossPerLabel) return a.lossPerLabel! > b.lossPerLabel!;
  return a.index < b.index;
}

function ratio(numerator: number, denominator: number): number | null {
  return denominator === 0 ? null : numerator / denominator;
}

function fill<Name extends string, Value>(
  names: readonly Name[],
  make: (name: Name) => Value,
): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Value>;
}
