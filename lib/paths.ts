import { show, typeError } from './errors.js';
import { type IntegerArray, integer } from './options.js';
import { copyNumbers, integerSource } from './validate.js';

/**
 * The collapse map B: merges neighbouring repeats, then drops blanks. Many frame-by-frame paths
 * read as the same labels. Graves et al. 2006, section 3.1.
 *
 * @param path - A class for each frame.
 * @param blank - Default: 0.
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`; RangeError `ERR_CTC_OUT_OF_RANGE` for the blank.
 */
export function collapse(path: IntegerArray, blank = 0): number[] {
  const classes = numbersOf(path, 'path');
  const dropped = integer(blank, 'blank', 0, 0x7fffffff, 0);
  return classes.filter((label, t) => label !== dropped && label !== classes[t - 1]);
}

function numbersOf(value: unknown, name: string): number[] {
  if (integerSource(value, name) === undefined) {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${name} must be an array, not ${show(value)}`);
  }
  return copyNumbers(value as ArrayLike<unknown>, name);
}

/**
 * How many paths of `frames` frames collapse to `target`: with L labels, R of them equal to the one
 * before, the binomial coefficient of frames + L - R over 2 L.
 *
 * Why: a path is L label runs of at least one frame with L + 1 blank runs around them, of which the
 * R between equal labels need one frame and the others may be empty. The frames - L - R frames that
 * are left are shared out among 2 L + 1 runs.
 *
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`; RangeError `ERR_CTC_OUT_OF_RANGE` for frames.
 */
export function countPaths(frames: number, target: IntegerArray): bigint {
  integer(frames, 'frames', 0, 0x7fffffff, 0);
  const classes = numbersOf(target, 'target');
  const labels = classes.length;
  const repeats = classes.filter((label, i) => i > 0 && label === classes[i - 1]).length;
  const n = frames + labels - repeats;
  const k = 2 * labels;
  if (k > n) return 0n;
  let count = 1n;
  for (let i = 1; i <= Math.min(k, n - k); i++) {
    count = (count * BigInt(n - i + 1)) / BigInt(i);
  }
  return count;
}

/**
 * All paths that collapse to `target`, as lattice states (2 i + 1 is label i, even ones are blanks), in
 * lexicographic order of frames where a blank comes before a label, and an earlier label before a later
 * one. Use {@link countPaths} first: there may be very many.
 *
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`; RangeError `ERR_CTC_OUT_OF_RANGE` for frames.
 */
export function latticePaths(frames: number, target: IntegerArray): Generator<number[]> {
  return walk(integer(frames, 'frames', 0, 0x7fffffff, 0), numbersOf(target, 'target'));
}

function* walk(frames: number, target: readonly number[]): Generator<number[]> {
  const last = 2 * target.length;
  const path: number[] = [];
  // The fewest frames that lead from a state to the end, that state's own left out.
  const remaining = new Array<number>(last + 1).fill(0);
  for (let s = last - 2; s >= 0; s--) {
    const skips = s % 2 === 1 && target[(s - 1) / 2] !== target[(s + 1) / 2];
    const next = remaining[s + 1] as number;
    remaining[s] = 1 + (skips ? Math.min(next, remaining[s + 2] as number) : next);
  }
  function following(state: number | undefined): number[] {
    let states: number[];
    if (state === undefined) states = [0, 1];
    else if (state % 2 === 0) states = [state, state + 1];
    else {
      states = [state + 1, state];
      if (target[(state - 1) / 2] !== target[(state + 1) / 2]) states.push(state + 2);
    }
    return states.filter((s) => s <= last).reverse();
  }
  if (frames === 0 && last === 0) yield [];
  // For each frame on the path and the one after it, the states still to be tried, the next one last.
  const untried = [following(undefined)];
  while (untried.length > 0 && frames > 0) {
    const state = untried[untried.length - 1]!.pop();
    if (state === undefined) {
      untried.pop();
      path.pop();
    } else if (untried.length + (remaining[state] as number) <= frames) {
      path.push(state);
      if (path.length === frames) {
        yield path.slice();
        path.pop();
      } else {
        untried.push(following(state));
      }
    }
  }
}
