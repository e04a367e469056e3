// The lattice by its definition: every walk through the states (2 i + 1 is label i, even ones are
// blanks) is written out. Gives what enumerating paths of classes does not: where in the target a
// frame is, the best walk and which one wins a tie, and stars. For a few frames only.

import {
  type Answer,
  isNonfinite,
  logProbabilities,
  logSumExp,
  type Utterance,
} from './problem.js';

export type Star = 'anything' | 'label';

export interface Lattice {
  status: Answer['status'];
  loss: number;
  /** frames x states, as are alpha and beta; those are natural logarithms. */
  occupancy: Float64Array;
  alpha: Float64Array;
  beta: Float64Array;
  /** Expected first frame of each label, and expected frame after its last. */
  starts: number[];
  ends: number[];
  /** The best walk that the rule for ties picks, and its score. */
  best: number[];
  score: number;
}

/** All walks of `frames` frames that begin in one of `from`. */
function* walksFrom(
  from: readonly number[],
  frames: number,
  next: (state: number) => number[],
): Generator<number[]> {
  if (frames === 0) {
    yield [];
    return;
  }
  for (const state of from) {
    for (const rest of walksFrom(next(state), frames - 1, next)) yield [state, ...rest];
  }
}

/** Where a walk may go, and where it may begin and end. */
export function lattice(labels: readonly number[], star = -1) {
  const last = 2 * labels.length;
  const next = (s: number) => {
    const states = [s, s + 1];
    const [here, there] = [labels[(s - 1) / 2], labels[(s + 1) / 2]];
    if (s % 2 === 1 && (here !== there || here === star)) states.push(s + 2);
    return states.filter((state) => state <= last);
  };
  const isEnd = (s: number) => s >= last - 1;
  return { last, next, begin: last === 0 ? [0] : [0, 1], isEnd };
}

/**
 * Which of two equally good walks is found by going back from the end: the last label rather than the
 * blank after it, and then always the predecessor furthest on; only into a star the blank before it,
 * then the label before, and last the star itself.
 */
function winsTie(
  walk: readonly number[],
  other: readonly number[],
  isStar: (state: number) => boolean,
): boolean {
  const t = walk.findLastIndex((s, at) => s !== other[at]);
  if (t === walk.length - 1) return walk[t]! < other[t]!;
  const after = walk[t + 1]!;
  const order = isStar(after) ? [after - 1, after - 2, after] : [after, after - 1, after - 2];
  return order.indexOf(walk[t]!) < order.indexOf(other[t]!);
}

/** Log-probability of class `label` at a frame, or of a star, which is the label C. */
function emission(
  { classes, blank }: Utterance,
  logProbs: Float64Array,
  t: number,
  label: number,
  star: Star | undefined,
): number {
  const row = logProbs.subarray(t * classes, (t + 1) * classes);
  if (label < classes) return row[label]!;
  return star === 'anything' ? Math.max(...row) : logSumExp(row.filter((_, c) => c !== blank));
}

export function solveLattice(problem: Utterance, star?: Star): Lattice {
  const { frames, classes, labels, blank } = problem;
  const { last, next, begin, isEnd } = lattice(labels, star && classes);
  const S = last + 1;
  const answer: Lattice = {
    status: 'infeasible',
    loss: Infinity,
    occupancy: new Float64Array(frames * S),
    alpha: new Float64Array(frames * S).fill(-Infinity),
    beta: new Float64Array(frames * S).fill(-Infinity),
    starts: labels.map(() => 0),
    ends: labels.map(() => 0),
    best: [],
    score: -Infinity,
  };
  const used = star && labels.includes(classes) ? allClasses(classes) : labels;
  if (isNonfinite({ ...problem, labels: used })) {
    return { ...answer, status: 'nonfinite', loss: Number.NaN, score: Number.NaN };
  }
  const logProbs = logProbabilities(problem);
  const p = (t: number, s: number) =>
    emission(problem, logProbs, t, s % 2 === 1 ? labels[(s - 1) / 2]! : blank, star);
  const weigh = (walk: readonly number[], from: number) =>
    walk.reduce((sum, s, i) => sum + p(from + i, s), 0);
  // Before the softmax, where sums of numbers of few bits are exact: true ties stay ties.
  const rows = star === 'label' ? logProbs : problem.values;
  const rank = (walk: readonly number[]) =>
    walk.reduce((sum, s, t) => {
      const label = s % 2 === 1 ? labels[(s - 1) / 2]! : blank;
      return sum + emission(problem, rows, t, label, star);
    }, 0);

  const walks = [...walksFrom(begin, frames, next)].filter((walk) =>
    frames === 0 ? last === 0 : isEnd(walk.at(-1)!),
  );
  const scores = walks.map((walk) => weigh(walk, 0));
  const total = logSumExp(scores);
  if (total === -Infinity) return answer;
  answer.status = 'ok';
  answer.loss = -total;

  const isStar = (s: number) => labels[(s - 1) / 2] === classes;
  let highest = -Infinity;
  walks.forEach((walk, i) => {
    const share = Math.exp(scores[i]! - total);
    walk.forEach((s, t) => {
      answer.occupancy[t * S + s]! += share;
    });
    labels.forEach((_, k) => {
      answer.starts[k]! += share * walk.indexOf(2 * k + 1);
      answer.ends[k]! += share * (walk.lastIndexOf(2 * k + 1) + 1);
    });
    const mine = rank(walk);
    if (mine > highest || (mine === highest && i > 0 && winsTie(walk, answer.best, isStar))) {
      highest = mine;
      answer.best = walk;
      answer.score = scores[i]!;
    }
  });

  for (let t = 0; t < frames; t += 1) {
    const heads: number[][] = Array.from({ length: S }, () => []);
    for (const walk of walksFrom(begin, t + 1, next)) heads[walk.at(-1)!]!.push(weigh(walk, 0));
    for (let s = 0; s < S; s += 1) {
      const tails = [...walksFrom([s], frames - t, next)]
        .filter((walk) => isEnd(walk.at(-1)!))
        .map((walk) => weigh(walk.slice(1), t + 1));
      answer.alpha[t * S + s] = logSumExp(heads[s]!);
      answer.beta[t * S + s] = logSumExp(tails);
    }
  }
  return answer;
}

function allClasses(classes: number): number[] {
  return Array.from({ length: classes }, (_, c) => c);
}
