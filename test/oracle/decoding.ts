// What decoders must find, by the definition: every path is written out, and summed by what it
// reads as. For small T and C only. Nothing here is shared with the package.

import { collapse } from './bruteforce.js';
import { isNonfinite, logProbabilities, logSumExp, type Utterance } from './problem.js';

/** One label sequence: the sum over its paths, and the best of them. Natural logs. */
export interface Reading {
  labels: number[];
  logProb: number;
  bestPath: number;
}

/** Every label sequence that some path with mass reads as; undefined for a nonfinite utterance. */
export function readings(problem: Omit<Utterance, 'labels'>): Reading[] | undefined {
  const { frames, classes, blank } = problem;
  const all = { ...problem, labels: Array.from({ length: classes }, (_, c) => c) };
  if (isNonfinite(all)) return undefined;
  const logProbs = logProbabilities(all);
  const found = new Map<string, { labels: number[]; weights: number[] }>();
  const path = new Array<number>(frames).fill(0);
  for (let more = true; more; ) {
    const weight = path.reduce((sum, c, t) => sum + logProbs[t * classes + c]!, 0);
    if (weight > -Infinity) {
      const labels = collapse(path, blank);
      const key = labels.join();
      const reading = found.get(key);
      if (reading) reading.weights.push(weight);
      else found.set(key, { labels, weights: [weight] });
    }
    let t = 0;
    while (t < frames && ++path[t]! === classes) path[t++] = 0;
    more = t < frames;
  }
  return [...found.values()].map(({ labels, weights }) => ({
    labels,
    logProb: logSumExp(weights),
    bestPath: Math.max(...weights),
  }));
}

/** The order of decoded hypotheses: falling scores, of equal ones the labels in order. */
export function inOrder<R extends { labels: ArrayLike<number> }>(
  readings: R[],
  score: (reading: R) => number,
): R[] {
  return [...readings].sort((a, b) => score(b) - score(a) || compareLabels(a.labels, b.labels));
}

function compareLabels(a: ArrayLike<number>, b: ArrayLike<number>): number {
  for (let i = 0; i < a.length && i < b.length; i += 1) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

/** The path that spans say, blanks elsewhere, and its log-probability. */
export function pathOfSpans(
  problem: Omit<Utterance, 'labels'>,
  tokens: readonly { label: number; start: number; end: number }[],
): { path: number[]; logProb: number } {
  const { frames, classes, blank } = problem;
  const logProbs = logProbabilities({ ...problem, labels: [] });
  const path = new Array<number>(frames).fill(blank);
  for (const { label, start, end } of tokens) path.fill(label, start, end);
  return { path, logProb: path.reduce((sum, c, t) => sum + logProbs[t * classes + c]!, 0) };
}
