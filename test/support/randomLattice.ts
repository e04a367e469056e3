// The random calls of randomCase, for functions that take a batch and targets but give no loss.

import type { BatchOptions } from '../../lib/index.js';
import { logProbabilities, type Utterance } from '../oracle/problem.js';
import type { Call, RandomCase } from './randomCase.js';

/** The options that all functions have. */
export function batchOptions(options: Call['options']): BatchOptions {
  const { blank, input, layout, inputLengths, targetLengths, threads } = options;
  return { blank, input, layout, inputLengths, targetLengths, threads } as BatchOptions;
}

/** Each utterance in the oracles' words. */
export function utterancesOf(
  random: RandomCase,
  values: Float64Array,
): (Utterance & { logProbs: () => Float64Array })[] {
  const { T, N, C, targets, input } = random;
  const blank = random.blank === -1 ? C - 1 : random.blank;
  return targets.map((labels, n) => {
    const frames = random.inputLengths?.[n] ?? T;
    const rows = new Float64Array(frames * C);
    for (let t = 0; t < frames; t += 1) {
      const from = (t * N + n) * C;
      rows.set(values.subarray(from, from + C), t * C);
    }
    const problem = { values: rows, frames, classes: C, labels, blank, input };
    return { ...problem, logProbs: () => logProbabilities(problem) };
  });
}
