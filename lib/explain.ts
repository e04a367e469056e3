import { type Alignment, forcedAlignSync } from './align.js';
import { allocate } from './batch.js';
import { rangeError, show, typeError } from './errors.js';
import { bfloat16ToNumber, float16ToNumber } from './io/half.js';
import type { Status } from './lossCall.js';
import { checkOptions, choice, type IntegerArray, integer, resolveBlank } from './options.js';
import { collapse, countPaths, latticePaths } from './paths.js';
import { posteriorsSync } from './posteriors.js';
import { resolveTargets } from './targets.js';
import { DType, type ResolvedTensor, resolveTensor, type TensorLike } from './tensor.js';

/** What the numbers are; probabilities only here, for worked examples. */
export type ExplainInput = 'logits' | 'logProbs' | 'probabilities';

/** Options of {@link explain}. */
export interface ExplainOptions {
  /** Default: `'logits'`. */
  readonly input?: ExplainInput;
  /** Class of the blank; -1 is the last one. Default: 0. */
  readonly blank?: number;
  /** A text for each class, for tables and drawings. Default: `-` for the blank, else the class. */
  readonly symbols?: readonly string[];
  /** Paths are listed only when there are at most so many. Default: 1000. */
  readonly maxPaths?: number;
}

/** A path whose collapse is the target. */
export interface ExplainedPath {
  /** A class for each frame. */
  readonly labels: readonly number[];
  /** A lattice state for each frame. */
  readonly states: readonly number[];
  /** Product of the frames' probabilities. */
  readonly probability: number;
  readonly logProbability: number;
}

/** A row of the lattice. */
export interface LatticeState {
  /** The class that a frame in this state emits. */
  readonly label: number;
  readonly symbol: string;
  /** Index of the label in the target; undefined for a blank. */
  readonly position: number | undefined;
}

/**
 * One utterance's CTC, step by step. Matrices are frames x S, row by row, for the S = 2 L + 1
 * states; logarithms are natural.
 */
export interface Explanation {
  readonly frames: number;
  readonly classes: number;
  readonly blank: number;
  readonly target: readonly number[];
  /** A text for each class. */
  readonly symbols: readonly string[];
  readonly states: readonly LatticeState[];
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
  readonly spans: Alignment['spans'];
  /** How many paths collapse to the target. */
  readonly pathCount: bigint;
  /** All of them: a blank comes before a label, an earlier label before a later one. */
  readonly paths: readonly ExplainedPath[] | undefined;
}

const KEYS: ReadonlySet<string> = new Set<keyof ExplainOptions>([
  'input',
  'blank',
  'symbols',
  'maxPaths',
]);
const NO_PATH: ExplainedPath = {
  labels: [],
  states: [],
  probability: 0,
  logProbability: -Infinity,
};
const INPUTS: readonly ExplainInput[] = ['logits', 'logProbs', 'probabilities'];

/**
 * Explains the CTC loss of one utterance: its lattice with alpha, beta, posteriors and best path, and, while
 * they are few, all paths that collapse to the target with their probabilities. Everything is computed in
 * float64, whatever the input's type.
 *
 * Time and memory: O(T * L), and O(T) for each listed path.
 *
 * @param input - `{ data, shape: [T, C] }`.
 * @param target - The labels, without blanks.
 * @throws TypeError or RangeError with a {@link CtcErrorCode} for a bad argument; CtcError `ERR_CTC_OUT_OF_MEMORY`,
 * `ERR_CTC_NATIVE_LOAD`.
 *
 * @example
 * ```ts
 * const cat = explain({ data: probabilities, shape: [5, 27] }, [3, 1, 20], { input: 'probabilities' });
 * console.log(cat.paths.length, cat.probability, cat.loss); // 28, 1.366e-6, 13.5036
 * ```
 */
export function explain(
  input: TensorLike,
  target: IntegerArray,
  options?: ExplainOptions,
): Explanation {
  const given = checkOptions(options, KEYS);
  const kind = choice(given.input, 'input', INPUTS, 'logits');
  const tensor = resolveTensor(input, 'TNC');
  if (tensor.batched) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      'explain takes one utterance: input.shape must be [T, C]',
    );
  }
  const blank = resolveBlank(given.blank, tensor.classes);
  const labels = Array.from(resolveTargets(target, undefined, tensor, blank).labels);
  const symbols = resolveSymbols(given.symbols, tensor.classes, blank);
  const maxPaths = integer(given.maxPaths, 'maxPaths', 0, 10_000_000, 1000);

  const { frames, classes } = tensor;
  const logProbs = readLogProbs(tensor, kind);
  const rows = { data: logProbs, shape: [frames, classes] };
  const call = { input: 'logProbs', blank } as const;
  const lattice = posteriorsSync(rows, labels, { ...call, recursions: true }).utterances[0]!;
  const alignment = forcedAlignSync(rows, labels, call).utterances[0]!;

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
  const pathCount = countPaths(frames, labels);
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
    bestPath: alignment.status === 'ok' ? pathOf(statesOf(alignment, frames)) : NO_PATH,
    spans: alignment.spans,
    pathCount,
    paths:
      pathCount <= BigInt(maxPaths) ? Array.from(latticePaths(frames, labels), pathOf) : undefined,
  };
}

/** What a path of classes reads as, in the explanation's symbols. */
export function readsAs(explanation: Explanation, path: readonly number[]): string {
  return collapse(path, explanation.blank)
    .map((label) => explanation.symbols[label])
    .join('');
}

function resolveSymbols(value: unknown, classes: number, blank: number): readonly string[] {
  if (value === undefined) {
    return Array.from({ length: classes }, (_, label) => (label === blank ? '-' : String(label)));
  }
  if (!Array.isArray(value) || value.some((symbol) => typeof symbol !== 'string')) {
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
  return value.slice();
}

/** All frames as dense float64 log-probabilities. */
function readLogProbs(tensor: ResolvedTensor, kind: ExplainInput): Float64Array {
  const { frames, classes, frameStride, classStride } = tensor;
  const read = elementReader(tensor);
  const rows = allocate(() => new Float64Array(frames * classes));
  for (let t = 0; t < frames; t++) {
    const row = rows.subarray(t * classes, (t + 1) * classes);
    for (let c = 0; c < classes; c++) row[c] = read(t * frameStride + c * classStride);
    if (kind === 'logits') logSoftmax(row);
    if (kind === 'probabilities') takeLogs(row, t);
  }
  return rows;
}

// NaN and infinities stay what they are, so that the lattice reports them.
function logSoftmax(row: Float64Array): void {
  const largest = row.reduce((a, b) => (b > a || Number.isNaN(b) ? b : a), -Infinity);
  if (!Number.isFinite(largest)) {
    row.fill(Number.NaN);
    return;
  }
  const sum = row.reduce((total, x) => total + Math.exp(x - largest), 0);
  const shift = largest + Math.log(sum);
  for (let c = 0; c < row.length; c++) row[c] = (row[c] as number) - shift;
}

function takeLogs(row: Float64Array, frame: number): void {
  for (let c = 0; c < row.length; c++) {
    const p = row[c] as number;
    if (!(p >= 0 && p <= 1.001)) {
      throw rangeError(
        'ERR_CTC_OUT_OF_RANGE',
        `input[${frame}][${c}] is ${p}, which is no probability; is it input: 'logits'?`,
      );
    }
    row[c] = Math.log(p);
  }
}

function elementReader(tensor: ResolvedTensor): (i: number) => number {
  const { data, dtype, bytesPerElement } = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  switch (dtype) {
    case DType.float32:
      return (i) => view.getFloat32(i * bytesPerElement, littleEndian);
    case DType.float64:
      return (i) => view.getFloat64(i * bytesPerElement, littleEndian);
    case DType.float16:
      return (i) => float16ToNumber(view.getUint16(i * bytesPerElement, littleEndian));
    default:
      return (i) => bfloat16ToNumber(view.getUint16(i * bytesPerElement, littleEndian));
  }
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
