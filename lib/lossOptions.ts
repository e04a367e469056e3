import type { DeviceTensor } from './deviceTensor.js';
import { rangeError } from './errors.js';
import {
  BUFFERS,
  type Buffers,
  checkOptions,
  choice,
  type Device,
  finite,
  flag,
  INPUT_KINDS,
  type InputKind,
  type IntegerArray,
  integer,
  LAYOUTS,
  type Layout,
  resolveSignal,
} from './options.js';
import { DEFAULTS, PROFILE_NAMES, PROFILES, type Profile } from './profiles.js';
import type { Float16View } from './tensor.js';

/** What the gradient of log-probabilities means. */
export type GradientOf = 'input' | 'softmax';

/**
 * How the losses become one number. With L labels in an utterance and N utterances:
 *
 * - `'none'`: they do not; the gradient is that of their sum
 * - `'sum'`: sum of the losses
 * - `'mean'`: each loss over max(L, 1), then the mean over N (PyTorch's and Paddle's)
 * - `'meanBatch'`: sum of the losses over N
 * - `'meanVolume'`: sum of the losses over the sum of L (at least 1)
 */
export type Reduction = 'none' | 'sum' | 'mean' | 'meanBatch' | 'meanVolume';

/** What happens to an utterance that has no path with any probability. */
export type InfeasiblePolicy = 'infinity' | 'zero' | 'throw';

/** Arrays that a gradient can be written into: of the input's element type. */
export type GradientArray = Float32Array | Float64Array | Float16View | Uint16Array;

/** Values of the `gradient` option. */
export type GradientOption = boolean | GradientArray | DeviceTensor;

/** Options of {@link ctcLossSync}. */
export interface LossSyncOptions<
  R extends Reduction | undefined = Reduction | undefined,
  G extends GradientOption | undefined = GradientOption | undefined,
  P extends Profile | undefined = Profile | undefined,
> {
  /** Frames of each utterance, N integers from 0 to T. Default: T for all. */
  readonly inputLengths?: IntegerArray | number;
  /** Labels of each utterance, N integers. Needed unless targets are one array for each utterance. */
  readonly targetLengths?: IntegerArray | number;
  /** Class of the blank; -1 is the last one. Default: 0. */
  readonly blank?: number;
  /** `'logits'` (default): scores before softmax. `'logProbs'`: natural-log probabilities. */
  readonly input?: InputKind;
  /**
   * For log-probabilities: `'input'` (default) is the true partial derivative, -posterior;
   * `'softmax'` is exp(logProb) - posterior, the convention of PyTorch. As there, the exponential is
   * taken first and scaled after it: Infinity for what is above 88.7 (of float64: 709.7), and so no log-probability.
   */
  readonly gradientOf?: GradientOf;
  /** Order of the input's dimensions: `'TNC'` (default) or `'NTC'`. */
  readonly layout?: Layout;
  /** Default: `'mean'`. */
  readonly reduction?: R;
  /** Divides an utterance's gradient, but not its loss, by its frames (Paddle). Default: false. */
  readonly normByTimes?: boolean;
  /** Upstream gradient, multiplied in: a number, or N numbers. Default: 1. */
  readonly gradOutput?: number | ArrayLike<number>;
  /**
   * What a mean divides by, when this batch is one part of a split one: the whole batch's N, or sum
   * of L for `'meanVolume'`. The parts' losses and gradients then add up to the whole batch's.
   */
  readonly denominator?: number;
  /**
   * `'infinity'` (default): the loss is Infinity. `'zero'`: it is 0 and the utterance still counts in
   * means. `'throw'`: the call fails. The gradient row is 0 in any case.
   */
  readonly infeasible?: InfeasiblePolicy;
  /**
   * `true` (default), `false`, or where to write it: an array of at least T * N * C elements, or a
   * DeviceTensor of the input's shape and type.
   */
  readonly gradient?: G;
  /** Default: `'cpu'`, or where the input or gradient is when that is a DeviceTensor. */
  readonly device?: Device;
  /** Takes the defaults of another library; explicit options win. */
  readonly profile?: P;
  /** Threads that may work on this call, from 1. Default: all cores. Never changes a result. */
  readonly threads?: number;
}

/** Options of {@link ctcLoss}. */
export interface LossOptions<
  R extends Reduction | undefined = Reduction | undefined,
  G extends GradientOption | undefined = GradientOption | undefined,
  P extends Profile | undefined = Profile | undefined,
> extends LossSyncOptions<R, G, P> {
  /** Stops the call; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How the input's memory is read while JavaScript goes on running. Default: `'auto'`. */
  readonly buffers?: Buffers;
}

/** Checked options; those that need the tensor's shape are still as given. */
export interface ResolvedLossOptions {
  readonly inputLengths: unknown;
  readonly targetLengths: unknown;
  readonly blank: unknown;
  readonly input: InputKind;
  readonly gradientOf: GradientOf;
  readonly layout: Layout;
  readonly reduction: Reduction;
  readonly normByTimes: boolean;
  readonly gradOutput: unknown;
  readonly denominator: number | undefined;
  readonly infeasible: InfeasiblePolicy;
  readonly gradient: unknown;
  readonly device: unknown;
  readonly threads: number;
  readonly signal: AbortSignal | undefined;
  readonly buffers: Buffers;
}

const SYNC_KEYS: ReadonlySet<string> = new Set<keyof LossSyncOptions>([
  'inputLengths',
  'targetLengths',
  'blank',
  'input',
  'gradientOf',
  'layout',
  'reduction',
  'normByTimes',
  'gradOutput',
  'denominator',
  'infeasible',
  'gradient',
  'device',
  'profile',
  'threads',
]);
const KEYS: ReadonlySet<string> = new Set([...SYNC_KEYS, 'signal', 'buffers']);

const GRADIENTS_OF: readonly GradientOf[] = ['input', 'softmax'];
const REDUCTIONS: readonly Reduction[] = ['none', 'sum', 'mean', 'meanBatch', 'meanVolume'];
const POLICIES: readonly InfeasiblePolicy[] = ['infinity', 'zero', 'throw'];

/** Checks everything about the options that can be told without the tensor. */
export function resolveLossOptions(value: unknown, synchronous: boolean): ResolvedLossOptions {
  const options = checkOptions(value, KEYS);
  if (synchronous) refuseAsyncOptions(options);
  const defaults =
    options.profile === undefined
      ? DEFAULTS
      : PROFILES[choice(options.profile, 'profile', PROFILE_NAMES, 'torch')];
  const input = choice(options.input, 'input', INPUT_KINDS, defaults.input);
  const gradientOf = choice(options.gradientOf, 'gradientOf', GRADIENTS_OF, defaults.gradientOf);
  if (input === 'logits' && options.gradientOf === 'softmax') {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      "gradientOf: 'softmax' goes with input: 'logProbs'; the gradient of logits has one meaning",
    );
  }
  const reduction = choice(options.reduction, 'reduction', REDUCTIONS, defaults.reduction);
  const denominator = finite(options.denominator, 'denominator', undefined);
  if (denominator !== undefined) checkDenominator(denominator, reduction);
  return {
    inputLengths: options.inputLengths,
    targetLengths: options.targetLengths,
    blank: options.blank === undefined ? defaults.blank : options.blank,
    input,
    gradientOf: input === 'logits' ? 'input' : gradientOf,
    layout: choice(options.layout, 'layout', LAYOUTS, defaults.layout),
    reduction,
    normByTimes: flag(options.normByTimes, 'normByTimes', defaults.normByTimes),
    gradOutput: options.gradOutput,
    denominator,
    infeasible: choice(options.infeasible, 'infeasible', POLICIES, 'infinity'),
    gradient: options.gradient,
    device: options.device,
    threads: integer(options.threads, 'threads', 1, 1024, 0),
    signal: resolveSignal(options.signal),
    buffers: choice(options.buffers, 'buffers', BUFFERS, 'auto'),
  };
}

function refuseAsyncOptions(options: Readonly<Record<string, unknown>>): void {
  for (const key of ['signal', 'buffers']) {
    if (options[key] === undefined) continue;
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      `${key} is an option of ctcLoss: ctcLossSync returns before anything else can happen`,
    );
  }
}

function checkDenominator(denominator: number, reduction: Reduction): void {
  if (!(denominator > 0)) {
    throw rangeError('ERR_CTC_OUT_OF_RANGE', `denominator is ${denominator}; it must be above 0`);
  }
  if (reduction === 'none' || reduction === 'sum') {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      `denominator goes with a mean; reduction is '${reduction}'`,
    );
  }
}
