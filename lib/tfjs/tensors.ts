import { Tensor } from '@tensorflow/tfjs';
import { rangeError, show, typeError } from '../errors.js';

/** Checks that `value` is a tensor of floats that is not disposed. */
export function checkLogits(value: unknown, name = 'logits'): Tensor {
  if (!(value instanceof Tensor)) {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${name} must be a tensor, not ${show(value)}`);
  }
  if (value.isDisposed) {
    throw rangeError('ERR_CTC_BUFFER', `${name} is disposed`);
  }
  if (value.dtype !== 'float32') {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} is a tensor of ${value.dtype}; it must be float32: use cast('float32')`,
    );
  }
  return value;
}
