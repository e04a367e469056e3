import { setImmediate } from 'node:timers';
import { inputForJob, outputForJob, plainView } from './buffers.js';
import { CPU } from './device.js';
import type { DeviceTensor } from './deviceTensor.js';
import { runJob, withInput } from './job.js';
import { finishLoss, type LossCall, type LossResult, prepareLoss } from './lossCall.js';
import type { GradientOption, LossOptions, LossSyncOptions, Reduction } from './lossOptions.js';
import { Code, native, nativeError, packLoss, resultsAt } from './native.js';
import type { Profile } from './profiles.js';
import type { Targets } from './targets.js';
import type { TensorData, TensorLike } from './tensor.js';

/**
 * CTC loss of a batch, and its gradient, off the event loop.
 *
 * The loss of an utterance is -ln of the total probability of all paths of its frames that read as its
 * labels once repeats are merged and blanks dropped (Graves et al. 2006, "Connectionist Temporal
 * Classification", equations 3 to 8 for the loss, 14 to 16 for the gradient). Unit: nats.
 *
 * Labels, lengths and options are copied before this function returns. The input's memory is copied
 * as well, unless it lies in a SharedArrayBuffer or `buffers` says otherwise. A gradient array of yours
 * is written at the end, in one copy. What takes less time to compute than to hand to another thread
 * (some 10 microseconds) is computed before this function returns.
 *
 * Time: O(T * (L + C)) for each utterance, spread over `threads`. Memory: the gradient, the copy of the input,
 * and for each thread a lattice of at most O(T * L).
 *
 * @param input - `{ data, shape }` of shape [T, N, C] ([N, T, C] with `layout: 'NTC'`), or [T, C];
 * or a DeviceTensor of it.
 * @param targets - Labels of each utterance, without blanks: ragged, padded or flat; see {@link Targets}.
 * @param options - See {@link LossOptions}. Unknown keys are refused.
 * @returns The losses, the reduced loss and the gradient; see {@link LossResult}.
 * @throws (as rejections) TypeError or RangeError with a {@link CtcErrorCode} for a bad argument, before any work;
 * RangeError `ERR_CTC_INFEASIBLE` under `infeasible: 'throw'`; RangeError `ERR_CTC_BUFFER` when your gradient array was
 * detached or shrunk meanwhile; CtcError `ERR_CTC_OUT_OF_MEMORY`, `ERR_CTC_DEVICE`, `ERR_CTC_NATIVE_LOAD`; the
 * signal's reason after an abort. With `buffers: 'transfer'` such an error of a started job carries the input's
 * data as its `input`.
 *
 * @example
 * ```ts
 * const { loss, gradient } = await ctcLoss({ data, shape: [T, N, C] }, [[3, 1, 20], [8, 9]]);
 * ```
 */
export async function ctcLoss<
  D extends TensorData = TensorData,
  R extends Reduction | undefined = undefined,
  G extends GradientOption | undefined = true,
  P extends Profile | undefined = undefined,
>(
  input: TensorLike<D> | DeviceTensor<D>,
  targets: Targets,
  options?: LossOptions<R, G, P>,
): Promise<LossResult<D, R, G, P>> {
  const call = prepareLoss(input, targets, options, false);
  const { signal, buffers } = call.options;
  if (signal?.aborted) throw signal.reason;
  if (isBrief(call)) {
    const result = computeHere(call);
    // A loop of such calls must not keep timers and streams waiting.
    await new Promise((resolve) => setImmediate(resolve));
    if (signal?.aborted) throw signal.reason;
    return result as LossResult<never, R, never, P>;
  }
  const addon = native();
  const to = outputForJob(call.output, buffers);
  const from = inputForJob(call.plan.tensor, buffers, call.output?.array);
  const { place } = call;
  try {
    const results = new Float64Array(2 * call.plan.tensor.utterances);
    const code = await runJob((job) => {
      const memory = { copyInput: from.copy, privateGradient: to.private, job };
      const plan = packLoss(call.plan, call.labels, memory);
      const source = place.input?.handle ?? from.data;
      const target = place.gradient?.handle ?? to.data;
      return addon.loss(plan, source, target, results);
    }, signal);
    if (signal?.aborted) throw signal.reason;
    if (code !== Code.ok) throw nativeError(code);
    return finishLoss(call, results, 0, from.handBack) as LossResult<never, R, never, P>;
  } catch (error) {
    throw from.handBack === undefined ? error : withInput(error, from.handBack);
  }
}

/**
 * CTC loss of a batch, and its gradient; returns when it is done. Reads the input and writes the gradient
 * where they lie, without a copy. Everything else is as for {@link ctcLoss}.
 *
 * @throws As {@link ctcLoss} rejects.
 */
export function ctcLossSync<
  D extends TensorData = TensorData,
  R extends Reduction | undefined = undefined,
  G extends GradientOption | undefined = true,
  P extends Profile | undefined = undefined,
>(
  input: TensorLike<D> | DeviceTensor<D>,
  targets: Targets,
  options?: LossSyncOptions<R, G, P>,
): LossResult<D, R, G, P> {
  const call = prepareLoss(input, targets, options, true);
  return computeHere(call) as LossResult<never, R, never, P>;
}

/** Computes on this thread, where everything lies. */
function computeHere(call: LossCall): LossResult<TensorData> {
  const { output, place } = call;
  const plan = packLoss(call.plan, call.labels);
  const code = native().lossSync(
    plan,
    place.input?.handle ?? plainView(call.plan.tensor.data),
    place.gradient?.handle ?? (output && plainView(output.array)),
  );
  if (code !== Code.ok) throw nativeError(code);
  return finishLoss(call, plan, resultsAt(call.plan.tensor.utterances), undefined);
}

// Classes and lattice cells of about 10 microseconds, less than this thread spends on a job of its own.
const BRIEF = 10_000;

/**
 * Whether computing takes less time than handing the work to another thread would, and a caller cannot
 * tell the difference: nothing of theirs is written to, borrowed or taken over.
 */
function isBrief({ options, plan, labels, output, place }: LossCall): boolean {
  if (options.buffers !== 'auto' || output?.supplied || place.device !== CPU) return false;
  const { frames, utterances, classes } = plan.tensor;
  return frames * (utterances * (classes + 50) + 4 * labels.length) < BRIEF;
}
