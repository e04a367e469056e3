// The forward-backward recursion in the log domain, float64, one utterance at a time: section 4.1 of
// Graves et al. 2006, with the labels interleaved with blanks. Slow and plain on purpose, and
// independent of the native code's extended-range numbers.

import { type Answer, isNonfinite, logProbabilities, type Utterance } from './problem.js';

function logAdd(a: number, b: number): number {
  const max = Math.max(a, b);
  return max === -Infinity ? -Infinity : max + Math.log1p(Math.exp(-Math.abs(a - b)));
}

export function logDomain(problem: Utterance): Answer {
  const { frames: T, classes: C, labels, blank } = problem;
  const posterior = new Float64Array(T * C);
  if (isNonfinite(problem)) return { loss: Number.NaN, status: 'nonfinite', posterior };
  if (T === 0) {
    return labels.length === 0
      ? { loss: 0, status: 'ok', posterior }
      : { loss: Infinity, status: 'infeasible', posterior };
  }
  const logProbs = logProbabilities(problem);
  const states = [blank, ...labels.flatMap((label) => [label, blank])];
  const S = states.length;
  // A label may follow the label before it directly, unless they are equal.
  const maySkip = states.map((symbol, s) => s >= 2 && symbol !== blank && symbol !== states[s - 2]);
  const p = (t: number, s: number) => logProbs[t * C + states[s]!]!;

  // alpha[t][s]: log-probability of the first t + 1 frames, ending in state s.
  const alpha = new Float64Array(T * S).fill(-Infinity);
  alpha[0] = p(0, 0);
  if (S > 1) alpha[1] = p(0, 1);
  for (let t = 1; t < T; t += 1) {
    const before = alpha.subarray((t - 1) * S, t * S);
    for (let s = 0; s < S; s += 1) {
      let sum = before[s]!;
      if (s >= 1) sum = logAdd(sum, before[s - 1]!);
      if (maySkip[s]) sum = logAdd(sum, before[s - 2]!);
      alpha[t * S + s] = sum + p(t, s);
    }
  }
  const last = alpha.subarray((T - 1) * S);
  const total = S > 1 ? logAdd(last[S - 1]!, last[S - 2]!) : last[0]!;
  if (total === -Infinity) return { loss: Infinity, status: 'infeasible', posterior };

  // beta[s]: log-probability of the frames after t, given state s at t.
  let beta = new Float64Array(S).fill(-Infinity);
  beta[S - 1] = 0;
  if (S > 1) beta[S - 2] = 0;
  for (let t = T - 1; t >= 0; t -= 1) {
    for (let s = 0; s < S; s += 1) {
      const weight = alpha[t * S + s]! + beta[s]! - total;
      if (weight > -Infinity) posterior[t * C + states[s]!]! += Math.exp(weight);
    }
    if (t === 0) break;
    const next = new Float64Array(S);
    for (let s = 0; s < S; s += 1) {
      let sum = beta[s]! + p(t, s);
      if (s + 1 < S) sum = logAdd(sum, beta[s + 1]! + p(t, s + 1));
      if (s + 2 < S && maySkip[s + 2]) sum = logAdd(sum, beta[s + 2]! + p(t, s + 2));
      next[s] = sum;
    }
    beta = next;
  }
  return { loss: -total, status: 'ok', posterior };
}
