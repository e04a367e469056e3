// The definition itself: every one of the C^T paths is written out, collapsed, and counted when it
// spells the labels. For small T and C only.

import {
  type Answer,
  isNonfinite,
  logProbabilities,
  logSumExp,
  type Utterance,
} from './problem.js';

/** B of Graves et al. 2006: repeats are merged, then blanks are dropped. */
export function collapse(path: readonly number[], blank: number): number[] {
  return path.filter((symbol, t) => symbol !== blank && symbol !== path[t - 1]);
}

function* allPaths(frames: number, classes: number): Generator<number[]> {
  const path = new Array<number>(frames).fill(0);
  for (;;) {
    yield path;
    let t = frames - 1;
    while (t >= 0 && path[t] === classes - 1) path[t--] = 0;
    if (t < 0) return;
    path[t]! += 1;
  }
}

/** The paths that spell `labels`. */
export function pathsOf(
  labels: readonly number[],
  { frames, classes, blank }: { frames: number; classes: number; blank: number },
): number[][] {
  const paths: number[][] = [];
  const spelled = labels.join();
  for (const path of allPaths(frames, classes)) {
    if (collapse(path, blank).join() === spelled) paths.push([...path]);
  }
  return paths;
}

export function bruteForce(problem: Utterance): Answer {
  const { frames, classes, labels, blank } = problem;
  const posterior = new Float64Array(frames * classes);
  if (isNonfinite(problem)) return { loss: Number.NaN, status: 'nonfinite', posterior };
  const logProbs = logProbabilities(problem);
  const paths = pathsOf(labels, { frames, classes, blank });
  const weights = paths.map((path) =>
    path.reduce((sum, symbol, t) => sum + logProbs[t * classes + symbol]!, 0),
  );
  const total = logSumExp(weights);
  if (total === -Infinity) return { loss: Infinity, status: 'infeasible', posterior };
  paths.forEach((path, i) => {
    const share = Math.exp(weights[i]! - total);
    path.forEach((symbol, t) => {
      posterior[t * classes + symbol]! += share;
    });
  });
  return { loss: -total, status: 'ok', posterior };
}
