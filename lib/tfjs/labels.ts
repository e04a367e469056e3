import { type Tensor, type Tensor3D, tensor3d } from '@tensorflow/tfjs';
import { rangeError, show, typeError } from '../errors.js';
import type { IntegerArray } from '../options.js';
import type { Targets } from '../targets.js';
import { integerSource, notInteger, readInteger } from '../validate.js';

/**
 * The labels of each utterance: anything that the main entry's `ctcLoss` takes, or a tensor of whole numbers
 * [N, S], padded ([S] for logits of shape [T, C]).
 */
export type Labels = Targets | Tensor;

/** What the numbers of a padded tensor mean. */
export interface Padding {
  /** The number that fills up the rows. */
  readonly padding: number;
  /** Where messages say to look. */
  readonly name: string;
}

/**
 * Labels for `model.fit` with {@link CtcLoss}: an int32 tensor of shape [N, S, 1], S the largest number of
 * labels, with rows filled up by `padding`.
 *
 * @param labels - One array of class numbers, without blanks, for each utterance.
 * @param padding - A number that is no label. Default 0, the default blank; the same as the `padding` (or blank) of the loss.
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`; TypeError or RangeError `ERR_CTC_INVALID_LABEL`, for a label that is no
 * integer from 0, or is the padding.
 */
export function labelTensor(labels: readonly IntegerArray[], padding = 0): Tensor3D {
  if (!Array.isArray(labels)) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `labels must be an array of arrays of labels, not ${show(labels)}`,
    );
  }
  if (!Number.isInteger(padding)) {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `padding must be an integer, not ${show(padding)}`);
  }
  const sources = labels.map((row, n) => {
    const source = integerSource(row, `labels[${n}]`);
    if (source !== undefined) return source;
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `labels[${n}] must be the labels of utterance ${n}, not ${show(row)}`,
    );
  });
  const longest = Math.max(1, ...sources.map((source) => source.length));
  const values = new Int32Array(labels.length * longest).fill(padding);
  for (const [n, source] of sources.entries()) {
    for (let s = 0; s < source.length; s++) {
      const label = readInteger(source, s);
      const place = `labels[${n}][${s}]`;
      if (label < 0 || label === padding) {
        const what = label < 0 ? 'labels are integers from 0' : 'and the padding is that too';
        throw (
          notInteger(source, s, place, 'ERR_CTC_INVALID_LABEL') ??
          rangeError('ERR_CTC_INVALID_LABEL', `${place} is ${source.numbers[s]}; ${what}`)
        );
      }
      values[n * longest + s] = label;
    }
  }
  return tensor3d(values, [labels.length, longest, 1], 'int32');
}

/**
 * Rows of a padded tensor ([S] is one row), each up to where the padding begins.
 *
 * @throws RangeError `ERR_CTC_INVALID_SHAPE`; `ERR_CTC_INVALID_LABEL` for a label after padding, or one that is no integer.
 */
export function unpad(tensor: Tensor, { padding, name }: Padding): Int32Array[] {
  const [rows, columns] = matrixOf(tensor, name);
  const values = integers(tensor, name);
  return Array.from({ length: rows }, (_, n) => {
    const row = values.subarray(n * columns, (n + 1) * columns);
    const end = row.indexOf(padding);
    if (end < 0) return row;
    const after = row.findIndex((label, s) => s > end && label !== padding);
    if (after < 0) return row.subarray(0, end);
    const at = tensor.shape.length === 1 ? name : `${name}[${n}]`;
    throw rangeError(
      'ERR_CTC_INVALID_LABEL',
      `${at}[${after}] is ${row[after]}, after padding (${padding}) at ${at}[${end}]; ` +
        'if that is no padding, give targetLengths or another padding',
    );
  });
}

/** Values of a tensor of labels as integers; float32 tensors, TensorFlow.js's default, may hold them. */
export function integers(tensor: Tensor, name: string): Int32Array {
  const values = tensor.dataSync();
  if (values instanceof Int32Array) return values;
  if (tensor.dtype !== 'float32') {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} is a tensor of ${tensor.dtype}; labels are int32 (or whole numbers in float32)`,
    );
  }
  const whole = Int32Array.from(values);
  const bad = whole.findIndex((label, i) => label !== values[i]);
  if (bad < 0) return whole;
  throw rangeError(
    'ERR_CTC_INVALID_LABEL',
    `${name}${place(bad, tensor.shape)} is ${values[bad]}, not an integer`,
  );
}

function place(i: number, shape: readonly number[]): string {
  let rest = i;
  const indices = shape.toReversed().map((extent) => {
    const index = rest % extent;
    rest = Math.floor(rest / extent);
    return `[${index}]`;
  });
  return indices.reverse().join('');
}

function matrixOf(tensor: Tensor, name: string): [number, number] {
  const shape = tensor.shape;
  if (shape.length === 1) return [1, shape[0] as number];
  if (shape.length === 2 || (shape.length === 3 && shape[2] === 1)) {
    return [shape[0] as number, shape[1] as number];
  }
  throw rangeError(
    'ERR_CTC_INVALID_SHAPE',
    `${name} has shape [${shape.join(', ')}]; it must be [N, S], padded`,
  );
}
