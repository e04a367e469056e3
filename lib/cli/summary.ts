// Sums over the utterances that could be evaluated, and the worst of them.

import type { UtteranceRecord, UtteranceStatus } from './evaluate.js';

export interface Ranked {
  record: UtteranceRecord;
  lossPerLabel: number;
}

export class Summary {
  utterances = 0;
  ok = 0;
  labels = 0;
  sum = 0;
  readonly statuses = new Map<UtteranceStatus, number>();
  /** The highest losses per label first; equal ones in the order of the manifest. */
  readonly worst: Ranked[] = [];
  #sumOfRatios = 0;
  readonly #keep: number;

  constructor(keep: number) {
    this.#keep = keep;
  }

  add(record: UtteranceRecord): void {
    this.utterances += 1;
    this.statuses.set(record.status, (this.statuses.get(record.status) ?? 0) + 1);
    if (record.loss === undefined) return;
    const lossPerLabel = perLabel(record)!;
    this.ok += 1;
    this.labels += record.labels!;
    this.sum += record.loss;
    this.#sumOfRatios += lossPerLabel;
    this.#rank({ record, lossPerLabel });
  }

  /** As PyTorch's `mean`: each loss over its number of labels, then the mean over utterances. */
  get mean(): number {
    return this.#sumOfRatios / this.ok;
  }

  /** The sum of the losses over the sum of the labels. */
  get perLabel(): number {
    return this.sum / this.labels;
  }

  #rank(entry: Ranked): void {
    let place = this.worst.length;
    while (place > 0 && this.worst[place - 1]!.lossPerLabel < entry.lossPerLabel) place -= 1;
    if (place >= this.#keep) return;
    this.worst.splice(place, 0, entry);
    if (this.worst.length > this.#keep) this.worst.pop();
  }
}

/** undefined where there is no loss. */
export function perLabel({ loss, labels }: UtteranceRecord): number | undefined {
  return loss === undefined ? undefined : loss / Math.max(labels!, 1);
}
