import { type Alignment, forcedAlign, forcedAlignSync } from './align.js';
import { allocate } from './batch.js';
import { rangeError, show, typeError } from './errors.js';
import { type ExplainInput, logSoftmax, readRows, takeLogs } from './explainInput.js';
import type { Status } from './lossCall.js';
import {
  checkOptions,
  choice,
  type IntegerArray,
  integer,
  resolveBlank,
  resolveSignal,
} from './options.js';
import { collapse, countPaths, latticePaths } from './paths.js';
import { type Posterior, posteriors, posteriorsSync } from './posteriors.js';
import type { TokenSpan } from './spans.js';
import { resolveTargets } from './targets.js';
import { resolveTensor, type TensorLike } from './tensor.js';
import { copyStrings } from './validate.js';

/** Options of {@link explainSync}. */
export interface ExplainSyncOptions {
  /** Default: `'logits'`. */
  readonly input?: ExplainInput;
  /** Class of the blank; -1 is the last one. Default: 0. */
  readonly blank?: number;
  /** A text for each class, for tables and drawings. Default: `-` for the blank, else the class. */
  readonly symbols?: readonly string[];
  /** Paths are listed only when there are at most so many, up to 1,000,000. Default: 1000. */
  readonly maxPaths?: number;
}

/** Options of {@link explain}. */
export interface ExplainOptions extends ExplainSyncOptions {
  /** Stops the call; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A path whose collapse is the target. */
export interface ExplainedPath {
  /** A class for each frame. */
  readonly labels: readonly number[];
  /** A lattice state for each frame. */
  readonly states: readonly number[];
  /** Product of the frames' probabilities. */
  readonly probability: number;
  /** Its natural logarithm. */
  readonly logProbability: number;
}

/** A row of the lattice. */
export interface LatticeState {
  /** The class that a frame in this state emits. */
  readonly label: number;
  /** The text of that class. */
  readonly symbol: string;
  /** Index of the label in the target; undefined for a blank. */
  readonly position: number | undefined;
}

/**
 * One utterance's CTC, step by step. Matrices are frames x S, row by row, for the S = 2 L + 1
 * states; logarithms are natural.
 */
export interface Explanation {
  /** T. */
  readonly frames: number;
  /** C. */
  readonly classes: number;
  /** The blank's class. */
  readonly blank: number;
  /** The L labels. */
  readonly target: readonly number[];
  /** A text for each class. */
  readonly symbols: readonly string[];
  /** The S rows of the lattice, first to last. */
  readonly states: readonly LatticeState[];
  /** How the utterance went. */
  readonly status: Status;
  /** -ln of `probability`. */
  readonly loss: number;
  /** Of the target: the sum over all its paths. 0 where that underflows; `loss` does not. */
  readonly probability: number;
  /** y: the probability of each state's class at each frame. */
  readonly emissions: Float64Array;
  /** ln of the total probability of all ways to be in a state at a frame, that frame included. */
  readonly alpha: Float64Array;
  /** ln of the total probability of all ways to finish from a state, that frame left out. */
  readonly beta: Float64Array;
  /** The probability of being in a state at a frame, given the target; rows sum to 1. */
  readonly posteriors: Float64Array;
  /** The most probable path, as states; empty unless the status is `'ok'`. */
  readonly bestPath: ExplainedPath;
  /** The best path's span of each label. */
  readonly spans: readonly TokenSpan[];
  /** The expected first frame of each label, over all paths. */
  readonly starts: Float64Array;
  /** The expected frame after each label's last. */
  readonly ends: Float64Array;
  /** How many paths collapse to the target. */
  readonly pathCount: bigint;
  /**
   * All of them, frame by frame a blank before a label and an earlier label before a later one.
   * Undefined where there are more than `maxPaths`, or the status is not `'ok'`.
   */
  readonly paths: readonly ExplainedPath[] | undefined;
  /**
   * The collapse map B as a whole: what each of all C^T paths reads as, the most probable reading first.
   * Undefined where there are more than `maxPaths` paths, or the status is not `'ok'`.
   */
  readonly readings: readonly Reading[] | undefined;
}

/** All paths that collapse to the same labels. */
export interface Reading {
  /** Classes without blanks and repeats merged. */
  readonly labels: readonly number[];
  /** How many paths read as these labels. */
  readonly paths: number;
  /** The sum of their probabilities. */
  readonly probability: number;
}

const KEYS: ReadonlySet<string> = new Set<keyof ExplainSyncOptions>([
  'input',
  'blank',
  'symbols',
  'maxPaths',
]);
const LATER_KEYS: ReadonlySet<string> = new Set([...KEYS, 'signal']);
const NO_PATH: ExplainedPath = {
  labels: [],
  states: [],
  probability: 0,
  logProbability: -Infinity,
};
const INPUTS: readonly ExplainInput[] = ['logits', 'logProbs', 'probabilities'];

/**
 * Explains the CTC loss of one utterance, off the event loop: its lattice with alpha, beta, posteriors and
 * best path, and, while they are few, all paths that collapse to the target with their probabilities.
 * Everything is computed in float64, whatever the input's type. The input is copied before the call
 * returns.
 *
 * Time and memory: O(T * (L + C)), and O(T) for each listed path.
 *
 * @param input - `{ data, shape: [T, C] }`; one utterance of a batch with `strides`.
 * @param target - The labels, without blanks.
 * @param options - See {@link ExplainOptions}. Unknown keys are refused.
 * @throws (as rejections) TypeError or RangeError with a {@link CtcErrorCode} for a bad argument; CtcError
 * `ERR_CTC_OUT_OF_MEMORY`, `ERR_CTC_NATIVE_LOAD`; the signal's reason. An infeasible or nonfinite utterance is a
 * status, not an error.
 *
 * @example
 * ```ts
 * const cat = await explain({ data: probabilities, shape: [5, 27] }, [3, 1, 20], { input: 'probabilities' });
 * console.log(cat.paths.length, cat.probability, cat.loss); // 28, 1.366e-6, 13.5036
 * ```
 */
export async function explain(
  input: TensorLike,
  target: IntegerArray,
  options?: ExplainOptions,
): Promise<Explanation> {
  const question = prepareExplain(input, target, options, true);
  const { rows, labels, call, signal } = question;
  const later = { ...call, ...(signal && { signal }) };
  // The rows are this call's own: nobody else can take them away.
  const [lattice, alignment] = await Promise.all([
    posteriors(rows, labels, { ...later, buffers: 'borrow', recursions: true }),
    forcedAlign(rows, labels, { ...later, buffers: 'borrow' }),
  ]);
  return finishExplain(question, lattice.utterances[0]!, alignment.utterances[0]!);
}

/** Explains the CTC loss of one utterance; returns when it is done. Else as {@link explain}. */
export function explainSync(
  input: TensorLike,
  target: IntegerArray,
  options?: ExplainSyncOptions,
): Explanation {
  const question = prepareExplain(input, target, options, false);
  const { rows, labels, call } = question;
  const lattice = posteriorsSync(rows, labels, { ...call, recursions: true });
  const alignment = forcedAlignSync(rows, labels, call);
  return finishExplain(question, lattice.utterances[0]!, alignment.utterances[0]!);
}

/** Checked arguments, with the input copied as dense float64. */
interface Question {
  /** Logits or log-probabilities. */
  readonly rows: { readonly data: Float64Array; readonly shape: readonly [number, number] };
  readonly logProbs: Float64Array;
  readonly labels: number[];
  readonly symbols: readonly string[];
  readonly call: { readonly input: 'logits' | 'logProbs'; readonly blank: number };
  readonly maxPaths: number;
  readonly signal: AbortSignal | undefined;
}

function prepareExplain(
  input: unknown,
  target: unknown,
  options: unknown,
  later: boolean,
): Question {
  const given = checkOptions(options, later ? LATER_KEYS : KEYS);
  const kind = choice(given.input, 'input', INPUTS, 'logits');
  const tensor = resolveTensor(input, 'TNC');
  if (tensor.batched) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      'explain takes one utterance: shape must be [T, C]; strides pick one out of a batch',
    );
  }
  const { frames, classes } = tensor;
  const blank = resolveBlank(given.blank, classes);
  const labels = Array.from(resolveTargets(target, undefined, tensor, blank).labels);
  const symbols = resolveSymbols(given.symbols, classes, blank);
  const maxPaths = integer(given.maxPaths, 'maxPaths', 0, 1_000_000, 1000);
  const signal = resolveSignal(given.signal);
  signal?.throwIfAborted();
  const data = readRows(tensor);
  if (kind === 'probabilities') takeLogs(data, classes);
  const rows = { data, shape: [frames, classes] as const };
  const logProbs = kind === 'logits' ? logSoftmax(data, classes) : data;
  const call = { input: kind === 'logits' ? kind : 'logProbs', blank } as const;
  return { rows, logProbs, labels, symbols, call, maxPaths, signal };
}

function finishExplain(
  { rows, logProbs, labels, symbols, call, maxPaths }: Question,
  lattice: Posterior,
  alignment: Alignment,
): Explanation {
  const { blank } = call;
  const [frames, classes] = rows.shape;
  const states: LatticeState[] = [];
  for (let s = 0; s < lattice.states; s++) {
    const position = s % 2 === 1 ? (s - 1) / 2 : undefined;
    const label = position === undefined ? blank : (labels[position] as number);
    states.push({ label, symbol: symbols[label] as string, position });
  }
  const pathOf = (path: readonly number[]): ExplainedPath => {
    const pathLabels = path.map((s) => states[s]!.label);
    let probability = 1;
    let logProbability = 0;
    pathLabels.forEach((label, t) => {
      const logProb = logProbs[t * classes + label] as number;
      probability *= Math.exp(logProb);
      logProbability += logProb;
    });
    return { labels: pathLabels, states: path, probability, logProbability };
  };
  const isOk = lattice.status === 'ok';
  const pathCount = countPaths(frames, labels);
  const listed = isOk && pathCount <= BigInt(maxPaths);
  return {
    frames,
    classes,
    blank,
    target: labels,
    symbols,
    states,
    status: lattice.status,
    loss: lattice.loss,
    probability: Math.exp(-lattice.loss),
    emissions: emissionsOf(logProbs, classes, states, frames),
    alpha: lattice.alpha!,
    beta: lattice.beta!,
    posteriors: lattice.occupancy,
    bestPath: isOk ? pathOf(statesOf(alignment, frames)) : NO_PATH,
    spans: alignment.spans,
    starts: lattice.starts,
    ends: lattice.ends,
    pathCount,
    paths: listed ? Array.from(latticePaths(frames, labels), pathOf) : undefined,
    readings:
      isOk && classes ** frames <= maxPaths ? readAll(logProbs, frames, classes, blank) : undefined,
  };
}

/** The collapse map B over every path there is: what each of them reads as. */
function readAll(
  logProbs: Float64Array,
  frames: number,
  classes: number,
  blank: number,
): Reading[] {
  const readings = new Map<string, { labels: number[]; paths: number; probability: number }>();
  const path = new Array<number>(frames).fill(0);
  for (let i = 0; i < classes ** frames; i++) {
    let rest = i;
    let probability = 1;
    for (let t = frames - 1; t >= 0; t--) {
      path[t] = rest % classes;
      rest = Math.floor(rest / classes);
      probability *= Math.exp(logProbs[t * classes + (path[t] as number)] as number);
    }
    const labels = collapse(path, blank);
    const key = labels.join();
    const reading = readings.get(key);
    if (reading === undefined) readings.set(key, { labels, paths: 1, probability });
    else {
      reading.paths += 1;
      reading.probability += probability;
    }
  }
  return [...readings.values()].sort((a, b) => b.probability - a.probability);
}

function resolveSymbols(value: unknown, classes: number, blank: number): readonly string[] {
  if (value === undefined) {
    return Array.from({ length: classes }, (_, label) => (label === blank ? '-' : String(label)));
  }
  if (!Array.isArray(value)) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `symbols must be an array of strings, one for each class, not ${show(value)}`,
    );
  }
  if (value.length !== classes) {
    throw rangeError(
      'ERR_CTC_INVALID_LENGTH',
      `symbols has ${value.length} entries; there are ${classes} classes`,
    );
  }
  return copyStrings(value, (c, symbol) =>
    typeError('ERR_CTC_INVALID_ARG_TYPE', `symbols[${c}] must be a string, not ${show(symbol)}`),
  );
}

function emissionsOf(
  logProbs: Float64Array,
  classes: number,
  states: readonly LatticeState[],
  frames: number,
): Float64Array {
  const emissions = allocate(() => new Float64Array(frames * states.length));
  for (let t = 0; t < frames; t++) {
    for (let s = 0; s < states.length; s++) {
      const label = (states[s] as LatticeState).label;
      emissions[t * states.length + s] = Math.exp(logProbs[t * classes + label] as number);
    }
  }
  return emissions;
}

/** Spans as a state for each frame. */
function statesOf(alignment: Alignment, frames: number): number[] {
  const states = new Array<number>(frames).fill(2 * alignment.spans.length);
  let from = 0;
  alignment.spans.forEach(({ start, end }, i) => {
    states.fill(2 * i, from, start);
    states.fill(2 * i + 1, start, end);
    from = end;
  });
  return states;
}
