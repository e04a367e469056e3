// Random problems over all that this package's loss and PyTorch's have in common.

import type { LossOptions, TensorLike } from '../../lib/index.js';
import { framesNeeded } from '../oracle/problem.js';
import { normal, seeded } from '../support/close.js';

/** Where PyTorch is known to be wrong or undefined, and the oracle is asked instead. */
export const EXCEPTIONS = {
  infeasibleGradient:
    'gradient of an infeasible utterance without zero_infinity: NaN in PyTorch, 0 here',
  zeroFrames: 'an input length of 0: PyTorch reads a frame that is not there',
  masks: 'gradient where a class is -Infinity: NaN in PyTorch',
} as const;
export type Exception = keyof typeof EXCEPTIONS;

export interface Problem {
  readonly seed: number;
  readonly T: number;
  readonly N: number;
  readonly C: number;
  readonly dtype: 'float32' | 'float64';
  readonly logProbs: boolean;
  readonly blank: number;
  readonly reduction: 'none' | 'sum' | 'mean';
  readonly zeroInfinity: boolean;
  readonly batchMajor: boolean;
  /** (T, C) and one target, for N = 1. */
  readonly unbatched: boolean;
  readonly padded: boolean;
  readonly int32: boolean;
  readonly inputLengths: number[];
  readonly targets: number[][];
  /** T x N x C, or N x T x C when batch-major; each one exact in dtype. */
  readonly values: Float64Array;
  /** One number, or N for reduction 'none'. */
  readonly gradOutput: number[];
  /** Logits with -Infinity among them. */
  readonly masks: boolean;
}

/** The problem of a seed. */
export function makeProblem(seed: number): Problem {
  const random = seeded(seed);
  const below = (n: number) => Math.floor(random() * n);
  const chance = (p: number) => random() < p;
  const T = 1 + below(chance(0.1) ? 200 : 40);
  const C = 2 + below(chance(0.1) ? 200 : 30);
  const unbatched = chance(0.1);
  const N = unbatched ? 1 : 1 + below(6);
  const dtype = chance(0.6) ? 'float32' : 'float64';
  const logProbs = chance(0.3);
  const blank = below(C);
  const zeroFrames = chance(0.03);
  const inputLengths = Array.from({ length: N }, () =>
    zeroFrames && chance(0.5) ? 0 : chance(0.4) ? T : 1 + below(T),
  );
  // Some longer than their frames, some empty, repeats common with few classes.
  const classes = chance(0.3) ? Math.min(C, 3) : C;
  const targets = inputLengths.map((frames) => {
    const length = chance(0.1) ? 0 : below((chance(0.15) ? 1.4 : 0.6) * frames + 1);
    return Array.from({ length }, () => {
      const label = below(classes);
      return label === blank ? (label + 1) % C : label;
    });
  });
  const scale = [0.1, 1, 3, 10, 40, 300][below(6)] as number;
  const offset = chance(0.1) ? 1000 * normal(random) : 0;
  const round = dtype === 'float32' ? Math.fround : (x: number) => x;
  const masks = !logProbs && chance(0.03);
  const values = Float64Array.from({ length: T * N * C }, () => {
    // exp() of more than 88 is nothing that float32 holds, there or here.
    const drawn = offset + scale * normal(random);
    const value = round(logProbs ? Math.min(drawn, 30) : drawn);
    return masks && chance(0.05) ? -Infinity : value;
  });
  if (logProbs && chance(0.7)) normalise(values, C, round);
  const reduction = (['none', 'sum', 'mean'] as const)[below(3)] as 'none' | 'sum' | 'mean';
  const outputs = reduction === 'none' && !unbatched ? N : 1;
  const gradOutput = Array.from({ length: outputs }, () =>
    chance(0.5) ? 1 : round(2 * normal(random)),
  );
  return {
    ...{ seed, T, N, C, dtype, logProbs, blank, reduction, unbatched, inputLengths, targets },
    ...{ values, gradOutput, masks },
    zeroInfinity: chance(0.5),
    batchMajor: !unbatched && chance(0.4),
    padded: chance(0.5),
    int32: chance(0.5),
  };
}

function normalise(values: Float64Array, C: number, round: (x: number) => number): void {
  for (let at = 0; at < values.length; at += C) {
    const row = values.subarray(at, at + C);
    const max = Math.max(...row);
    const sum = row.reduce((total, x) => total + Math.exp(x - max), 0);
    for (let c = 0; c < C; c += 1) row[c] = round((row[c] as number) - max - Math.log(sum));
  }
}

/** Whether too few frames are left for the labels. */
export function isInfeasible({ targets, inputLengths }: Problem, n: number): boolean {
  return framesNeeded(targets[n] as number[]) > (inputLengths[n] as number);
}

/** The same problem for ctcLoss(). */
export function callOf(problem: Problem): {
  tensor: TensorLike;
  targets: Parameters<typeof import('../../lib/index.js').ctcLoss>[1];
  options: LossOptions;
} {
  const { T, N, C, dtype, batchMajor, unbatched, targets, reduction } = problem;
  const data = dtype === 'float32' ? Float32Array.from(problem.values) : problem.values.slice();
  const shape = unbatched ? [T, C] : batchMajor ? [N, T, C] : [T, N, C];
  const lengths = targets.map((row) => row.length);
  const integers = (numbers: number[]) =>
    problem.int32 ? Int32Array.from(numbers) : BigInt64Array.from(numbers, BigInt);
  const { flat, width } = layTargets(problem);
  return {
    tensor: { data, shape },
    targets: unbatched
      ? integers(targets[0] as number[])
      : problem.padded
        ? { data: integers(flat), shape: [N, width] }
        : integers(flat),
    options: {
      blank: problem.blank,
      inputLengths: integers(problem.inputLengths),
      ...(unbatched ? {} : { targetLengths: integers(lengths) }),
      layout: batchMajor ? 'NTC' : 'TNC',
      reduction,
      gradOutput: reduction === 'none' && !unbatched ? problem.gradOutput : problem.gradOutput[0]!,
      infeasible: problem.zeroInfinity ? 'zero' : 'infinity',
      ...(problem.logProbs
        ? { input: 'logProbs' as const, gradientOf: 'softmax' as const }
        : { input: 'logits' as const }),
    },
  };
}

/** All labels in one array: one target after another, or rows of equal width filled up with blanks. */
function layTargets({ targets, padded, unbatched, blank }: Problem) {
  const width = Math.max(1, ...targets.map((row) => row.length));
  const flat = targets.flatMap((row) =>
    padded && !unbatched ? [...row, ...new Array<number>(width - row.length).fill(blank)] : row,
  );
  return { flat, width };
}

/** The same problem for torch_ctc.py. */
export function lineOf(problem: Problem): string {
  const { T, N, C, batchMajor, targets, values, ...same } = problem;
  const { flat, width } = layTargets(problem);
  return JSON.stringify({
    ...same,
    batchMajor,
    padded: problem.padded && !problem.unbatched,
    shape: batchMajor ? [N, T, C] : [T, N, C],
    targets: flat,
    targetShape: [N, width],
    targetLengths: targets.map((row) => row.length),
    values: Buffer.from(values.buffer).toString('base64'),
  });
}
