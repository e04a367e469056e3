import {
  allocate,
  type BatchCall,
  type BatchFunction,
  type BatchOptions,
  type BatchSyncOptions,
  optionKeys,
  prepareBatch,
  runLater,
  runNow,
} from './batch.js';
import type { DeviceTensor } from './deviceTensor.js';
import { STATUSES, type Status } from './lossCall.js';
import { native } from './native.js';
import { flag } from './options.js';
import type { Targets } from './targets.js';
import type { TensorData, TensorLike } from './tensor.js';

/** Options of {@link posteriorsSync}. */
export interface PosteriorSyncOptions<R extends boolean = boolean> extends BatchSyncOptions {
  /** Also return alpha and beta. Default: false. */
  readonly recursions?: R;
}

/** Options of {@link posteriors}. */
export interface PosteriorOptions<R extends boolean = boolean>
  extends PosteriorSyncOptions<R>,
    BatchOptions {}

/**
 * One utterance's lattice. With L labels it has S = 2 L + 1 states: state 2 i is the blank before
 * label i, state 2 i + 1 is label i, and state 2 L the blank at the end. `R`: whether `recursions` are asked for.
 */
export interface Posterior<R extends boolean = boolean> {
  /** As for the loss. Unless it is `'ok'`, occupancies and boundaries are 0. */
  readonly status: Status;
  /** As from {@link ctcLoss}, computed in float64. */
  readonly loss: number;
  /** Frames of the utterance, the rows of the matrices. */
  readonly frames: number;
  /** S, the columns of the matrices. */
  readonly states: number;
  /** frames x S: the probability of being in a state at a frame, given input and target. Rows sum to 1. */
  readonly occupancy: Float64Array;
  /** L numbers: the expected first frame of each label. */
  readonly starts: Float64Array;
  /** L numbers: the expected frame after each label's last; `ends - starts` is its expected duration. */
  readonly ends: Float64Array;
  /**
   * frames x S, with `recursions`: natural log of the total probability of all ways to be in a state at a
   * frame, that frame included.
   */
  readonly alpha: R extends true ? Float64Array : undefined;
  /**
   * frames x S, with `recursions`: natural log of the total probability of all ways to finish from a state
   * at a frame, that frame left out. `exp(alpha + beta)` sums to the target's probability in every row.
   */
  readonly beta: R extends true ? Float64Array : undefined;
}

/** What {@link posteriors} resolves to. */
export interface PosteriorResult<D = TensorData, R extends boolean = boolean> {
  /** One lattice for each utterance. */
  readonly utterances: readonly Posterior<R>[];
  /** With `buffers: 'transfer'`: the input's data, which is yours again. */
  readonly input?: D;
}

const KEYS = optionKeys(['recursions']);
const LATER: BatchFunction = { name: 'posteriors', keys: KEYS, synchronous: false };
const NOW: BatchFunction = { ...LATER, synchronous: true };

/**
 * The probability of each lattice state at each frame, given the input and the target (Graves et al. 2006,
 * the products alpha * beta of section 4.1 over their sum), and the expected boundaries of each label,
 * off the event loop.
 *
 * Computed in float64 with an exponent of its own for every number, whatever the input's type, so that
 * nothing underflows: relative errors are about T * 1e-16.
 *
 * Time: O(T * L) for each utterance. Memory: 16 bytes for each frame and label for a result (48 with `recursions`), and
 * 32 for each utterance at work.
 *
 * @param input - `{ data, shape }` of shape [T, N, C] ([N, T, C] with `layout: 'NTC'`), or [T, C]; or a
 * DeviceTensor of it.
 * @param targets - Labels of each utterance, without blanks; see {@link Targets}.
 * @param options - See {@link PosteriorOptions}. Unknown keys are refused.
 * @throws (as rejections) what {@link ctcLoss} rejects with; an infeasible utterance is a status, not an error.
 */
export async function posteriors<D extends TensorData = TensorData, R extends boolean = false>(
  input: TensorLike<D> | DeviceTensor<D>,
  targets: Targets,
  options?: PosteriorOptions<R>,
): Promise<PosteriorResult<D, R>> {
  const call = prepareBatch(input, targets, options, LATER);
  const outputs = preparePosteriors(call);
  const handBack = await runLater(call, (plan, labels, data) =>
    native().posteriors(plan, labels, data, ...outputs),
  );
  const utterances = finishPosteriors(call, outputs) as Posterior<R>[];
  return handBack === undefined ? { utterances } : { utterances, input: handBack as D };
}

/**
 * The probability of each lattice state at each frame; returns when it is done. Reads the input where it
 * lies, without a copy. Everything else is as for {@link posteriors}.
 */
export function posteriorsSync<R extends boolean = false>(
  input: TensorLike | DeviceTensor,
  targets: Targets,
  options?: PosteriorSyncOptions<R>,
): PosteriorResult<TensorData, R> {
  const call = prepareBatch(input, targets, options, NOW);
  const outputs = preparePosteriors(call);
  runNow(call, (plan, labels, data) => native().posteriorsSync(plan, labels, data, ...outputs));
  return { utterances: finishPosteriors(call, outputs) as Posterior<R>[] };
}

/** Occupancy, alpha, beta, starts, ends, losses, status: see binding/align.h. */
type Outputs = [
  Float64Array,
  Float64Array | undefined,
  Float64Array | undefined,
  Float64Array,
  Float64Array,
  Float64Array,
  Uint8Array,
];

function statesOf(call: BatchCall, n: number): number {
  const { offsets } = call.plan;
  return 2 * ((offsets[n + 1] as number) - (offsets[n] as number)) + 1;
}

function preparePosteriors(call: BatchCall): Outputs {
  const { tensor, inputLengths } = call.plan;
  const withRecursions = flag(call.options.recursions, 'recursions', false);
  let cells = 0;
  for (let n = 0; n < tensor.utterances; n++) {
    cells += (inputLengths[n] as number) * statesOf(call, n);
  }
  const labels = call.labels.length;
  return allocate<Outputs>(() => [
    new Float64Array(cells),
    withRecursions ? new Float64Array(cells) : undefined,
    withRecursions ? new Float64Array(cells) : undefined,
    new Float64Array(labels),
    new Float64Array(labels),
    new Float64Array(tensor.utterances),
    new Uint8Array(tensor.utterances),
  ]);
}

function finishPosteriors(call: BatchCall, outputs: Outputs): Posterior[] {
  const [occupancy, alpha, beta, starts, ends, losses, status] = outputs;
  const { tensor, inputLengths, offsets } = call.plan;
  const utterances: Posterior[] = [];
  let at = 0;
  for (let n = 0; n < tensor.utterances; n++) {
    const frames = inputLengths[n] as number;
    const states = statesOf(call, n);
    const after = at + frames * states;
    const first = offsets[n] as number;
    const last = offsets[n + 1] as number;
    utterances.push({
      status: STATUSES[status[n] as number] as Status,
      loss: losses[n] as number,
      frames,
      states,
      occupancy: occupancy.subarray(at, after),
      starts: starts.subarray(first, last),
      ends: ends.subarray(first, last),
      ...(alpha && beta && { alpha: alpha.subarray(at, after), beta: beta.subarray(at, after) }),
    } as Posterior);
    at = after;
  }
  return utterances;
}
