import { customGrad, engine, type Scalar, Tensor, type Tensor1D, tensor } from '@tensorflow/tfjs';
import { ctcError, rangeError, typeError } from '../errors.js';
import { ctcLossSync } from '../loss.js';
import { type LossSyncOptions, type Reduction, resolveLossOptions } from '../lossOptions.js';
import { checkOptions, type IntegerArray, type Layout, resolveBlank } from '../options.js';
import type { Profile } from '../profiles.js';
import { integers, type Labels, unpad } from './labels.js';
import { checkLogits } from './tensors.js';

/**
 * Options of {@link ctcLoss}: those of the main entry's, without `gradient` and `gradOutput`, which
 * TensorFlow.js sees to. Lengths may be tensors as well.
 */
export interface TensorLossOptions<
  R extends Reduction | undefined = Reduction | undefined,
  P extends Profile | undefined = Profile | undefined,
> extends Omit<
    LossSyncOptions<R, undefined, P>,
    'gradient' | 'gradOutput' | 'inputLengths' | 'targetLengths'
  > {
  /** Frames of each utterance, N integers from 0 to T. Default: T for all. */
  readonly inputLengths?: IntegerArray | number | Tensor;
  /** Labels of each utterance, N integers. Without it, rows of a tensor of labels end where the padding begins. */
  readonly targetLengths?: IntegerArray | number | Tensor;
  /** The number that fills up the rows of a tensor of labels. Default: the blank. */
  readonly padding?: number;
}

/** N losses for reduction 'none', also when a profile says so; else a scalar. */
export type LossTensor<R, P> = R extends 'none'
  ? Tensor1D
  : R extends Reduction
    ? Scalar
    : P extends 'tensorflow' | 'warp-ctc'
      ? Tensor1D
      : Scalar;

const KEYS: ReadonlySet<string> = new Set<keyof TensorLossOptions>([
  'inputLengths',
  'targetLengths',
  'blank',
  'input',
  'gradientOf',
  'layout',
  'reduction',
  'normByTimes',
  'denominator',
  'infeasible',
  'device',
  'profile',
  'threads',
  'padding',
]);

/**
 * CTC loss of a batch as a differentiable operation: `tf.grad`, `tf.variableGrads` and `optimizer.minimize` go
 * through it, and multiply the upstream gradient in.
 *
 * Computes at once, on the CPU: values on another device are read with `dataSync()` (on the cpu backend that is the
 * tensor's own memory, without a copy). The gradient is computed together with the loss when a gradient
 * is being taken, otherwise only the loss is. Time and memory: as for the main entry's `ctcLoss`.
 *
 * @param logits - float32, [T, N, C] ([N, T, C] with `layout: 'NTC'`), or [T, C].
 * @param labels - See {@link Labels}.
 * @param options - See {@link TensorLossOptions}. Unknown keys are refused.
 * @returns A scalar; with `reduction: 'none'` the N losses. float32, in nats.
 * @throws TypeError, RangeError or CtcError with a `code`, as the main entry's `ctcLossSync`; CtcError `ERR_CTC_GRADIENT`
 * when a second derivative is asked for.
 *
 * @example
 * ```ts
 * optimizer.minimize(() => ctcLoss(model.apply(images), labels, { layout: 'NTC' }));
 * ```
 */
export function ctcLoss<
  R extends Reduction | undefined = undefined,
  P extends Profile | undefined = undefined,
>(logits: Tensor, labels: Labels, options?: TensorLossOptions<R, P>): LossTensor<R, P> {
  const input = checkLogits(logits);
  const given = checkLossOptions(options);
  const { padding, ...rest } = given;
  const resolved = resolveLossOptions(rest, true);
  const classes = input.shape.at(-1) ?? 0;
  const call = {
    ...rest,
    reduction: resolved.reduction,
    inputLengths: lengths(given.inputLengths, 'inputLengths'),
    targetLengths: lengths(given.targetLengths, 'targetLengths'),
    gradient: engine().isTapeOn(),
  };
  const targets = targetsOf(labels, given, () => resolveBlank(resolved.blank, classes));
  const operation = customGrad((x) => {
    // customGrad's type says only that `x` may be an array as well.
    const { data, shape } = values(x as Tensor);
    const result = ctcLossSync({ data, shape }, targets, call);
    const value =
      result.loss === undefined
        ? tensor(Float32Array.from(result.losses), [result.losses.length])
        : tensor(result.loss, [], 'float32');
    const gradFunc = (dy: Tensor) => {
      const gradient = scaled(
        result.gradient as Float32Array,
        dy.dataSync(),
        shape,
        resolved.layout,
      );
      return once(tensor(gradient, shape), x as Tensor, dy);
    };
    return { value, gradFunc };
  });
  return operation(input) as LossTensor<R, P>;
}

/** Refuses options that this entry does not have. */
export function checkLossOptions(options: unknown): TensorLossOptions {
  for (const key of ['gradient', 'gradOutput']) {
    if (options !== null && typeof options === 'object' && key in options) {
      throw typeError(
        'ERR_CTC_UNKNOWN_OPTION',
        `${key} is no option here: TensorFlow.js asks for the gradient and gives the upstream one`,
      );
    }
  }
  return checkOptions(options, KEYS) as TensorLossOptions;
}

function values(x: Tensor): { data: Float32Array; shape: number[] } {
  return { data: x.dataSync<'float32'>(), shape: x.shape };
}

function lengths(value: unknown, name: string): IntegerArray | number | undefined {
  return value instanceof Tensor ? integers(value, name) : (value as IntegerArray | undefined);
}

function targetsOf(labels: Labels, options: TensorLossOptions, blank: () => number) {
  const { padding, targetLengths } = options;
  if (padding !== undefined && !Number.isInteger(padding)) {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `padding must be an integer, not ${padding}`);
  }
  if (padding !== undefined && (targetLengths !== undefined || !(labels instanceof Tensor))) {
    const why = targetLengths !== undefined ? 'targetLengths are given' : 'labels are no tensor';
    throw rangeError('ERR_CTC_INVALID_ARG_VALUE', `padding means nothing where ${why}`);
  }
  if (!(labels instanceof Tensor)) return labels;
  const shape = labels.shape.length === 3 ? labels.shape.slice(0, 2) : labels.shape;
  if (targetLengths !== undefined) return { data: integers(labels, 'labels'), shape };
  const rows = unpad(labels, { padding: padding ?? blank(), name: 'labels' });
  return labels.shape.length === 1 ? (rows[0] as Int32Array) : rows;
}

/** The gradient times the upstream one, which is one number or one for each utterance. */
function scaled(
  gradient: Float32Array,
  upstream: ArrayLike<number>,
  shape: readonly number[],
  layout: Layout,
): Float32Array {
  let allOnes = true;
  for (let n = 0; n < upstream.length; n++) allOnes &&= upstream[n] === 1;
  if (allOnes) return gradient;
  const classes = shape.at(-1) as number;
  const timeMajor = shape.length === 2 || layout === 'TNC';
  // Frames that lie side by side and belong to one utterance.
  const run = timeMajor ? classes : (shape[1] as number) * classes;
  const product = new Float32Array(gradient.length);
  for (let begin = 0, row = 0; begin < product.length; begin += run, row++) {
    const factor = upstream[row % upstream.length] as number;
    for (let i = begin; i < begin + run; i++) product[i] = (gradient[i] as number) * factor;
  }
  return product;
}

/** `gradient` as a function of `x` and `dy` whose own derivative is an error instead of a silent 0. */
function once(gradient: Tensor, x: Tensor, dy: Tensor): Tensor {
  if (!engine().isTapeOn()) return gradient;
  return customGrad(() => ({
    value: gradient,
    gradFunc: () => {
      throw ctcError('ERR_CTC_GRADIENT', 'the CTC loss has no second derivative here');
    },
  }))(x, dy);
}
