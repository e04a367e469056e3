import { type Output, resolveGradient } from './buffers.js';
import type { DeviceTensor } from './deviceTensor.js';
import { rangeError } from './errors.js';
import type {
  GradientArray,
  GradientOption,
  Reduction,
  ResolvedLossOptions,
} from './lossOptions.js';
import { resolveLossOptions } from './lossOptions.js';
import type { LossPlan } from './native.js';
import { resolveBlank } from './options.js';
import { checkBuffers, checkTarget, type Place, resolvePlace } from './place.js';
import type { Profile } from './profiles.js';
import { gradientScales, reduceLosses, type Sums, sumLosses } from './reduce.js';
import { resolveTargets } from './targets.js';
import { type Float16View, resolveTensor, type TensorData } from './tensor.js';
import {
  checkFeasible,
  framesNeeded,
  resolveGradOutput,
  resolveInputLengths,
  tooFewFrames,
} from './validate.js';

/**
 * How an utterance went: `'ok'`; `'infeasible'`, no path has any probability; `'nonfinite'`, its
 * input holds NaN, +Infinity, or a frame of nothing but -Infinity.
 */
export type Status = 'ok' | 'infeasible' | 'nonfinite';

/** Class of the gradient for an input in a `D`. */
export type GradientFor<D> = D extends Uint8Array
  ? GradientArray
  : D extends Float32Array
    ? Float32Array
    : D extends Float64Array
      ? Float64Array
      : D extends Uint16Array
        ? Uint16Array
        : D extends Float16View
          ? D
          : never;

/** `undefined` for reduction 'none', also when a profile says so; else a number. */
export type LossFor<R, P> = R extends 'none'
  ? undefined
  : R extends Reduction
    ? number
    : P extends 'tensorflow' | 'warp-ctc'
      ? undefined
      : number;

/** What {@link ctcLoss} resolves to and {@link ctcLossSync} returns. */
export interface LossResult<
  D = TensorData,
  R extends Reduction | undefined = Reduction | undefined,
  G = GradientOption | undefined,
  P extends Profile | undefined = Profile | undefined,
> {
  /** The reduced loss, in nats; undefined for 'none'. */
  readonly loss: LossFor<R, P>;
  /** N losses before reduction: Infinity (or 0, by policy) where infeasible, NaN where nonfinite. */
  readonly losses: Float64Array;
  /**
   * Derivative of `loss` ('none': of the sum) with respect to the input, times `gradOutput`; dense, of
   * the input's shape and element type. Rows of frames beyond an utterance's length, and of infeasible and
   * nonfinite utterances, are 0.
   */
  readonly gradient: G extends false
    ? undefined
    : G extends ArrayBufferView | DeviceTensor
      ? G
      : GradientFor<D>;
  /** N words. */
  readonly status: Status[];
  /** Totals, to form means over batches computed in parts. */
  readonly sums: Sums;
  /** With `buffers: 'transfer'`: the input's data, which is yours again. */
  readonly input?: D;
}

/** A checked call with private copies of its numbers; nothing of it changes later. */
export interface LossCall {
  readonly options: ResolvedLossOptions;
  readonly plan: LossPlan;
  readonly labels: Int32Array;
  readonly output: Output | undefined;
  readonly place: Place;
}

/** Checks all arguments of a call, before anything native runs. */
export function prepareLoss(
  input: unknown,
  targets: unknown,
  given: unknown,
  synchronous: boolean,
): LossCall {
  const options = resolveLossOptions(given, synchronous);
  const place = resolvePlace(options.device, input, options.gradient);
  checkBuffers(place, options.buffers);
  const tensor = place.input?.tensor(options.layout) ?? resolveTensor(input, options.layout);
  const blank = resolveBlank(options.blank, tensor.classes);
  const { labels, offsets } = resolveTargets(targets, options.targetLengths, tensor, blank);
  const inputLengths = resolveInputLengths(options.inputLengths, tensor);
  const gradOutput = resolveGradOutput(options.gradOutput, tensor.utterances);
  if (options.infeasible === 'throw') checkFeasible(labels, offsets, inputLengths);
  if (place.gradient !== undefined) checkTarget(place.gradient, tensor);
  const output =
    place.gradient === undefined ? resolveGradient(options.gradient, tensor) : undefined;
  const scales =
    output === undefined && place.gradient === undefined
      ? undefined
      : gradientScales(
          options.reduction,
          options.denominator,
          gradOutput,
          options.normByTimes,
          offsets,
          inputLengths,
        );
  return {
    options,
    plan: {
      tensor,
      inputLengths,
      offsets,
      scales,
      blank,
      logProbs: options.input === 'logProbs',
      softmaxGradient: options.gradientOf === 'softmax',
      threads: options.threads,
      device: place.device,
    },
    labels,
    output,
    place,
  };
}

/** Statuses as the core numbers them. */
export const STATUSES: readonly Status[] = ['ok', 'infeasible', 'nonfinite'];

/**
 * Applies the policy for infeasible utterances and the reduction to what the core computed: N losses
 * and N numbers of STATUSES in `results`, from `at` on.
 */
export function finishLoss(
  call: LossCall,
  results: Float64Array,
  at: number,
  handBack: TensorData | undefined,
): LossResult<TensorData> {
  const { options, plan } = call;
  const utterances = plan.tensor.utterances;
  const losses = new Float64Array(utterances);
  const status = new Array<Status>(utterances);
  for (let n = 0; n < utterances; n++) {
    losses[n] = results[at + n] as number;
    const word = STATUSES[results[at + utterances + n] as number] as Status;
    status[n] = word;
    if (word === 'infeasible') {
      if (options.infeasible === 'throw') throw noPath(call, n);
      if (options.infeasible === 'zero') losses[n] = 0;
    }
  }
  const sums = sumLosses(losses, plan.offsets);
  const result = {
    loss: reduceLosses(sums, options.reduction, options.denominator) as never,
    losses,
    gradient: (call.place.gradient === undefined ? call.output?.array : options.gradient) as never,
    status,
    sums,
  };
  return handBack === undefined ? result : { ...result, input: handBack };
}

function noPath(call: LossCall, n: number): Error {
  const frames = call.plan.inputLengths[n] as number;
  const needed = framesNeeded(call.labels, call.plan.offsets, n);
  return rangeError(
    'ERR_CTC_INFEASIBLE',
    needed.labels + needed.repeats > frames
      ? tooFewFrames(n, needed, frames)
      : `utterance ${n} has no path: -Infinity masks what its ${needed.labels} labels need`,
  );
}
