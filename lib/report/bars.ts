// Fixed bins of a histogram as bars of one width that can be looked at, without splitting a bin.

import { type Bin, quantileOf } from '../eval/histogram.js';

export interface Bars {
  /** Side by side from 0 to `limit`, the empty ones too. */
  bars: Bin[];
  limit: number;
  /** How many are at `limit` or above. */
  beyond: number;
}

/**
 * Bars of bins of which sixteen share a power of two (`relativeScale`): 16 to 32 of them up to the 99th
 * percentile. Their width is a power of two, the width of that percentile's bin, so that every smaller bin lies in one
 * of them.
 *
 * @param least - Least width, a power of two: 1 for counts.
 */
export function relativeBars(bins: readonly Bin[], least = 2 ** -20): Bars {
  const top = quantileOf(bins, 0.99);
  const width = Math.max(least, 2 ** (Math.floor(Math.log2(top?.from ?? 0)) - 4));
  const limit = Math.max(16, Math.ceil((top?.to ?? 0) / width)) * width;
  return fill(bins, width, limit);
}

/** Bars of bins of a fiftieth (`unitScale`), up to 1; the last one has those of exactly 1, too. */
export function shareBars(bins: readonly Bin[]): Bars {
  const { bars, limit, beyond } = fill(bins, 1 / 50, 1);
  const last = bars.at(-1)!;
  return { bars: bars.with(-1, { ...last, count: last.count + beyond }), limit, beyond: 0 };
}

function fill(bins: readonly Bin[], width: number, limit: number): Bars {
  const bars = Array.from({ length: Math.round(limit / width) }, (_, i) => {
    return { from: i * width, to: (i + 1) * width, count: 0 };
  });
  let beyond = 0;
  for (const { from, to, count } of bins) {
    // By its middle: edges of fiftieths are rounded.
    const bar = bars[Math.floor((from + to) / 2 / width)];
    if (bar === undefined) beyond += count;
    else bar.count += count;
  }
  return { bars, limit, beyond };
}
