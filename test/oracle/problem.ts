// A problem in the oracles' own words, and how one utterance's answer becomes a batch's. Everything
// is float64 and dense; nothing here is shared with the package.

export interface Utterance {
  /** Scores or log-probabilities, frames x classes. */
  values: Float64Array;
  frames: number;
  classes: number;
  labels: readonly number[];
  blank: number;
  input: 'logits' | 'logProbs';
}

export type Status = 'ok' | 'infeasible' | 'nonfinite';

export interface Answer {
  /** Infinity when infeasible, NaN when nonfinite. */
  loss: number;
  status: Status;
  /** frames x classes; all 0 unless the status is 'ok'. Each frame sums to 1. */
  posterior: Float64Array;
}

/** Frames that the labels need: one each, and a blank between equal neighbours. */
export function framesNeeded(labels: readonly number[]): number {
  return labels.length + labels.filter((label, i) => i > 0 && label === labels[i - 1]).length;
}

export function logSumExp(values: Iterable<number>): number {
  let max = -Infinity;
  const all = [...values];
  for (const value of all) max = Math.max(max, value);
  if (max === -Infinity) return -Infinity;
  let sum = 0;
  for (const value of all) sum += Math.exp(value - max);
  return max + Math.log(sum);
}

/** Log-probabilities, frames x classes: a softmax for logits, the values themselves otherwise. */
export function logProbabilities({ values, frames, classes, input }: Utterance): Float64Array {
  if (input === 'logProbs') return values;
  const result = new Float64Array(values.length);
  for (let t = 0; t < frames; t += 1) {
    const row = values.subarray(t * classes, (t + 1) * classes);
    let max = -Infinity;
    for (const value of row) max = Math.max(max, value);
    let sum = 0;
    for (const value of row) sum += Math.exp(value - max);
    // The difference first: it is exact where a large offset would eat the digits.
    for (let c = 0; c < classes; c += 1) result[t * classes + c] = row[c]! - max - Math.log(sum);
  }
  return result;
}

/** NaN, +Infinity or a frame of -Infinity: of every class for logits, of the used ones otherwise. */
export function isNonfinite(problem: Utterance): boolean {
  const { values, frames, classes, labels, blank, input } = problem;
  const used = new Set([blank, ...labels]);
  for (let t = 0; t < frames; t += 1) {
    let masked = true;
    for (let c = 0; c < classes; c += 1) {
      if (input === 'logProbs' && !used.has(c)) continue;
      const value = values[t * classes + c]!;
      if (Number.isNaN(value) || value === Infinity) return true;
      if (value !== -Infinity) masked = false;
    }
    if (masked) return true;
  }
  return false;
}

/**
 * The derivative of the loss. For logits softmax - posterior; for log-probabilities -posterior, or
 * exp(logProb) - posterior under `gradientOf: 'softmax'`.
 */
export function gradientOf(
  problem: Utterance,
  { status, posterior }: Answer,
  convention: 'input' | 'softmax' = 'input',
): Float64Array {
  const gradient = new Float64Array(posterior.length);
  if (status !== 'ok') return gradient;
  const keepProbabilities = problem.input === 'logits' || convention === 'softmax';
  const logProbs = logProbabilities(problem);
  for (let i = 0; i < gradient.length; i += 1) {
    gradient[i] = (keepProbabilities ? Math.exp(logProbs[i]!) : 0) - posterior[i]!;
  }
  return gradient;
}

export interface Batch {
  /** T x N x C, time-major. */
  values: ArrayLike<number>;
  shape: readonly [number, number, number];
  targets: readonly (readonly number[])[];
  inputLengths?: readonly number[];
  blank: number;
  input: 'logits' | 'logProbs';
  gradientOf?: 'input' | 'softmax';
}

export interface BatchAnswer {
  losses: Float64Array;
  status: Status[];
  /** Of the sum of the losses, T x N x C. */
  gradient: Float64Array;
  posterior: Float64Array;
}

/** Solves each utterance by itself. */
export function solveBatch(batch: Batch, solve: (problem: Utterance) => Answer): BatchAnswer {
  const [T, N, C] = batch.shape;
  const losses = new Float64Array(N);
  const status: Status[] = [];
  const gradient = new Float64Array(T * N * C);
  const posterior = new Float64Array(T * N * C);
  for (let n = 0; n < N; n += 1) {
    const frames = batch.inputLengths?.[n] ?? T;
    const values = new Float64Array(frames * C);
    for (let t = 0; t < frames; t += 1) {
      for (let c = 0; c < C; c += 1) values[t * C + c] = batch.values[(t * N + n) * C + c]!;
    }
    const { blank, input } = batch;
    const problem: Utterance = {
      values,
      frames,
      classes: C,
      labels: batch.targets[n]!,
      blank,
      input,
    };
    const answer = solve(problem);
    losses[n] = answer.loss;
    status.push(answer.status);
    const rows = gradientOf(problem, answer, batch.gradientOf);
    for (let t = 0; t < frames; t += 1) {
      const to = (t * N + n) * C;
      gradient.set(rows.subarray(t * C, (t + 1) * C), to);
      posterior.set(answer.posterior.subarray(t * C, (t + 1) * C), to);
    }
  }
  return { losses, status, gradient, posterior };
}
