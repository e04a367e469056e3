import {
  div,
  layers,
  type Shape,
  serialization,
  type Tensor,
  tensor1d,
  tidy,
} from '@tensorflow/tfjs';
import { typeError } from '../errors.js';
import { choice, resolveBlank } from '../options.js';
import { unpad } from './labels.js';
import { checkLossOptions, ctcLoss, type TensorLossOptions } from './loss.js';

/** Options of {@link CtcLoss}: those of `ctcLoss` that make sense where `model.fit` calls it. */
export interface CtcCompileOptions
  extends Omit<
    TensorLossOptions,
    'inputLengths' | 'targetLengths' | 'layout' | 'reduction' | 'denominator' | 'profile'
  > {
  /** `'meanBatch'` (default, Keras'): sum of the losses over N. `'mean'`: each loss over max(L, 1) first. */
  readonly reduction?: 'meanBatch' | 'mean';
}

/**
 * A loss for `model.compile`, of a model whose output is logits [N, T, C]; every frame counts, as in
 * Keras' `losses.CTC`. Labels are a tensor [N, S, 1], padded: {@link labelTensor} makes one.
 *
 * `model.fit` insists on labels of the output's shape, so end the model with {@link CtcOutput}.
 *
 * @param options - See {@link CtcCompileOptions}. Unknown keys are refused.
 * @returns A function of (labels, logits) that gives a float32 loss for each of the N utterances, in nats, of which
 * `model.fit` takes the mean.
 * @throws As `ctcLoss` of this entry, when called.
 *
 * @example
 * ```ts
 * model.add(new CtcOutput());
 * model.compile({ optimizer: 'adam', loss: CtcLoss() });
 * await model.fit(images, labelTensor([[3, 1, 20], [8, 9]]));
 * ```
 */
export function CtcLoss(options?: CtcCompileOptions): (labels: Tensor, logits: Tensor) => Tensor {
  const { reduction, ...rest } = checkLossOptions(options);
  const perLabel = choice(reduction, 'reduction', ['meanBatch', 'mean'], 'meanBatch') === 'mean';
  for (const key of ['inputLengths', 'targetLengths', 'layout', 'denominator', 'profile']) {
    if (!(key in rest)) continue;
    throw typeError(
      'ERR_CTC_UNKNOWN_OPTION',
      `${key} is no option of CtcLoss, which sees whole padded batches [N, T, C]: use ctcLoss in a loop of your own`,
    );
  }
  return (labels, logits) =>
    tidy(() => {
      const losses = ctcLoss(logits, labels, { ...rest, layout: 'NTC', reduction: 'none' });
      if (!perLabel) return losses;
      const padding = rest.padding ?? resolveBlank(rest.blank, logits.shape.at(-1) as number);
      const rows = unpad(labels, { padding, name: 'labels' });
      return div(losses, tensor1d(rows.map((row) => Math.max(row.length, 1))));
    });
}

/**
 * The last layer of a model that is trained with {@link CtcLoss}: hands its input [N, T, C] on and forgets the static
 * shape, without which `model.fit` would refuse labels [N, S, 1]. Has no weights. A model with it can be saved;
 * import this entry before loading it.
 */
export class CtcOutput extends layers.Layer {
  /** The name under which a saved model finds it. */
  static readonly className = 'CtcOutput';

  override call(inputs: Tensor | Tensor[]): Tensor {
    return Array.isArray(inputs) ? (inputs[0] as Tensor) : inputs;
  }

  override computeOutputShape(): Shape {
    return [null, null, null];
  }
}

serialization.registerClass(CtcOutput);
