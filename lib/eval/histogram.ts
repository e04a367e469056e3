// Counts in bins that are the same for every run, so that histograms of parts add up.

/** A bin that is not empty: values from `from` (included) to `to` (excluded). */
export interface Bin {
  from: number;
  to: number;
  count: number;
}

/** How a value finds its bin, and a bin its edges. */
export interface Scale {
  indexOf(value: number): number;
  /** Lower edge of bin `index`; the next bin's lower edge is its upper one. */
  edge(index: number): number;
}

const bits = new DataView(new ArrayBuffer(8));

/**
 * For values from 0: sixteen bins of equal width for each power of two, so that no bin is wider than 1/16
 * of its lower edge. A bin is the upper 16 bits of a double: no logarithm that could round, and exact edges.
 */
export const relativeScale: Scale = {
  indexOf(value) {
    bits.setFloat64(0, value);
    return bits.getUint16(0);
  },
  edge(index) {
    bits.setFloat64(0, 0);
    bits.setUint16(0, index);
    return bits.getFloat64(0);
  },
};

/** For values from 0: bins of 1/50. */
export const unitScale: Scale = {
  indexOf: (value) => Math.floor(value * 50),
  edge: (index) => index / 50,
};

/** The bin that holds the value of rank ceil(q * total), counted from 1; undefined when there is none. */
export function quantileOf(bins: readonly Bin[], q: number): Bin | undefined {
  const total = bins.reduce((sum, { count }) => sum + count, 0);
  const rank = Math.max(1, Math.ceil(q * total));
  let seen = 0;
  return bins.find(({ count }) => {
    seen += count;
    return seen >= rank;
  });
}

/** Counts of the values seen. Memory: the bins that are not empty. */
export class Histogram {
  readonly #scale: Scale;
  readonly #counts = new Map<number, number>();
  #total = 0;

  constructor(scale: Scale) {
    this.#scale = scale;
  }

  get total(): number {
    return this.#total;
  }

  /** Counts a finite value, from 0. */
  add(value: number): void {
    // -0 would find another bin than 0.
    this.#count(this.#scale.indexOf(value + 0), 1);
  }

  merge(other: Histogram): void {
    for (const [index, count] of other.#counts) this.#count(index, count);
  }

  /** The bins that are not empty, in order. */
  bins(): Bin[] {
    return this.#sorted().map(([index, count]) => ({
      from: this.#scale.edge(index),
      to: this.#scale.edge(index + 1),
      count,
    }));
  }

  /** See `quantileOf`. */
  quantile(q: number): Bin | undefined {
    return quantileOf(this.bins(), q);
  }

  /** Lower edge of the first bin that begins at `value` or above. */
  edgeFrom(value: number): number {
    const index = this.#scale.indexOf(value);
    const edge = this.#scale.edge(index);
    return edge >= value ? edge : this.#scale.edge(index + 1);
  }

  toJSON(): [index: number, count: number][] {
    return this.#sorted();
  }

  static fromJSON(scale: Scale, pairs: unknown): Histogram {
    const histogram = new Histogram(scale);
    if (!Array.isArray(pairs)) throw new RangeError('not a histogram');
    for (const pair of pairs) {
      const [index, count] = Array.isArray(pair) ? pair : [];
      if (!isCount(index) || !isCount(count)) throw new RangeError('not a histogram');
      histogram.#count(index, count);
    }
    return histogram;
  }

  #count(index: number, count: number): void {
    this.#counts.set(index, (this.#counts.get(index) ?? 0) + count);
    this.#total += count;
  }

  #sorted(): [index: number, count: number][] {
    return [...this.#counts].sort(([a], [b]) => a - b);
  }
}

/** Whether `value` can be a number of things, as JSON has it. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
