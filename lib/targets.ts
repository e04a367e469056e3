import { rangeError, show, typeError } from './errors.js';
import { outOfMemory } from './native.js';
import type { IntegerArray } from './options.js';
import { type ResolvedTensor, shapeOf, sizeOf, spanOf, stridesOf } from './tensor.js';
import { checkTensorKeys } from './tensorKeys.js';
import {
  INTEGER_ARRAY,
  type IntegerSource,
  integerSource,
  notInteger,
  readInteger,
  resolveLengths,
} from './validate.js';

/** Labels in a tensor: [N, S] padded, or [sum of lengths] one utterance after another. */
export interface TargetTensor {
  /** The labels; classes without the blank. Padding may be anything. */
  readonly data: IntegerArray;
  /** [N, S], or one dimension. */
  readonly shape?: readonly number[];
  /** The same as `shape`, as onnxruntime calls it. */
  readonly dims?: readonly number[];
  /** Distance, in elements, between neighbours along each dimension. Default: dense, C order. */
  readonly strides?: readonly number[];
}

/**
 * The labels of each utterance, without blanks:
 *
 * - ragged: one array for each utterance, `[[3, 1, 20], [8, 9]]`;
 * - padded: `{ data, shape: [N, S] }` with `targetLengths`; what lies beyond a length is never read;
 * - flat: all labels one after another, `[3, 1, 20, 8, 9]`, with `targetLengths`;
 * - for an input of shape [T, C]: one array of labels.
 */
export type Targets = readonly IntegerArray[] | IntegerArray | TargetTensor;

/** Checked labels in private memory: utterance n owns `labels[offsets[n]]` to `[offsets[n + 1] - 1]`. */
export interface ResolvedTargets {
  readonly labels: Int32Array;
  /** N + 1 places, from 0 to the number of labels. */
  readonly offsets: Float64Array;
}

// What the core's 32-bit lattice states leave room for.
const MOST_LABELS = 0x7ffffff;

/** What targets are checked against. */
export type TargetContext = Pick<ResolvedTensor, 'utterances' | 'classes' | 'batched'>;

/**
 * Checks targets of any of the shapes above and copies them into private memory.
 *
 * @throws TypeError or RangeError `ERR_CTC_INVALID_LABEL`, `ERR_CTC_INVALID_LENGTH`,
 * `ERR_CTC_INVALID_SHAPE`, `ERR_CTC_INVALID_ARG_TYPE`, naming the element.
 */
export function resolveTargets(
  targets: unknown,
  targetLengths: unknown,
  context: TargetContext,
  blank: number,
): ResolvedTargets {
  if (!context.batched) return single(targets, targetLengths, context, blank);
  if (Array.isArray(targets)) {
    const first: unknown = targets[0];
    const isFlat =
      typeof first === 'number' ||
      typeof first === 'bigint' ||
      (targets.length === 0 && targetLengths !== undefined);
    if (!isFlat) return ragged(targets, targetLengths, context, blank);
  }
  const source = integerSource(targets, 'targets');
  if (source !== undefined) {
    return flat(source, 0, 1, source.length, targetLengths, context, blank);
  }
  const { data, shape, strides } = tensorOf(targets);
  if (shape.length === 1) {
    return flat(data, 0, strides[0] as number, shape[0] as number, targetLengths, context, blank);
  }
  if (shape.length !== 2) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      `targets.shape has ${shape.length} dimensions; it must be [N, S], or [labels] with targetLengths`,
    );
  }
  return padded(data, shape, strides, targetLengths, context, blank);
}

function single(
  targets: unknown,
  targetLengths: unknown,
  context: TargetContext,
  blank: number,
): ResolvedTargets {
  let source = integerSource(targets, 'targets');
  let step = 1;
  let available = source?.length ?? 0;
  if (source === undefined) {
    const tensor = tensorOf(targets);
    if (tensor.shape.length !== 1) {
      throw rangeError(
        'ERR_CTC_INVALID_SHAPE',
        `targets.shape has ${tensor.shape.length} dimensions; an input of shape [T, C] takes one ` +
          'target of one dimension: for a batch of one give the input as [T, 1, C]',
      );
    }
    source = tensor.data;
    step = tensor.strides[0] as number;
    available = tensor.shape[0] as number;
  } else if (Array.isArray(targets) && targets.length > 0 && isRow(targets[0])) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      'targets holds arrays; an input of shape [T, C] takes one array of labels: ' +
        'for a batch of one give the input as [T, 1, C]',
    );
  }
  let length = available;
  if (targetLengths !== undefined) {
    const lengths = resolveLengths(
      targetLengths,
      'targetLengths',
      1,
      available,
      'the labels given',
      true,
    );
    length = lengths[0] as number;
  }
  checkLength(length, 0);
  const labels = labelArray(length);
  const bad = copyLabels(source, 0, step, length, labels, 0, context.classes, blank);
  if (bad >= 0) throw badLabel(source, bad * step, `targets[${bad}]`, '', context, blank);
  const offsets = new Float64Array(2);
  offsets[1] = length;
  return { labels, offsets };
}

function ragged(
  rows: readonly unknown[],
  targetLengths: unknown,
  context: TargetContext,
  blank: number,
): ResolvedTargets {
  const utterances = context.utterances;
  if (rows.length !== utterances) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      `targets has ${rows.length} rows; the batch has ${utterances} utterances`,
    );
  }
  const sources = new Array<IntegerSource>(utterances);
  for (let n = 0; n < utterances; n++) {
    const source = integerSource(rows[n], `targets[${n}]`);
    if (source === undefined) {
      throw typeError(
        'ERR_CTC_INVALID_ARG_TYPE',
        `targets[${n}] must be the labels of utterance ${n} (${INTEGER_ARRAY}), not ${show(rows[n])}`,
      );
    }
    sources[n] = source;
  }
  const lengths =
    targetLengths === undefined
      ? undefined
      : resolveLengths(
          targetLengths,
          'targetLengths',
          utterances,
          0x7fffffff,
          'the labels of its row',
          false,
        );
  const offsets = new Float64Array(utterances + 1);
  let total = 0;
  for (let n = 0; n < utterances; n++) {
    const available = (sources[n] as IntegerSource).length;
    const length = lengths === undefined ? available : (lengths[n] as number);
    if (length > available) {
      throw rangeError(
        'ERR_CTC_INVALID_LENGTH',
        `targetLengths[${n}] is ${length}; targets[${n}] has ${available} labels`,
      );
    }
    checkLength(length, n);
    total += length;
    offsets[n + 1] = total;
  }
  const labels = labelArray(total);
  for (let n = 0; n < utterances; n++) {
    const source = sources[n] as IntegerSource;
    const at = offsets[n] as number;
    const length = (offsets[n + 1] as number) - at;
    const bad = copyLabels(source, 0, 1, length, labels, at, context.classes, blank);
    if (bad >= 0) {
      throw badLabel(source, bad, `targets[${n}][${bad}]`, '', context, blank);
    }
  }
  return { labels, offsets };
}

function flat(
  source: IntegerSource,
  start: number,
  step: number,
  available: number,
  targetLengths: unknown,
  context: TargetContext,
  blank: number,
): ResolvedTargets {
  if (targetLengths === undefined) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      'targetLengths must be an array of integers, not undefined: flat targets need it to tell ' +
        'where each utterance ends (or give one array of labels for each utterance)',
    );
  }
  const offsets = offsetsOf(targetLengths, context.utterances, available, 'the labels given');
  const total = offsets[context.utterances] as number;
  if (total !== available) {
    throw rangeError(
      'ERR_CTC_INVALID_LENGTH',
      `targetLengths sum to ${total}; targets hold ${available} labels`,
    );
  }
  const labels = labelArray(total);
  const bad = copyLabels(source, start, step, total, labels, 0, context.classes, blank);
  if (bad >= 0) {
    let n = 0;
    while ((offsets[n + 1] as number) <= bad) n++;
    const of = `label ${bad - (offsets[n] as number)} of utterance ${n}`;
    throw badLabel(source, start + bad * step, `targets[${bad}]`, of, context, blank);
  }
  return { labels, offsets };
}

function padded(
  source: IntegerSource,
  shape: readonly number[],
  strides: readonly number[],
  targetLengths: unknown,
  context: TargetContext,
  blank: number,
): ResolvedTargets {
  const [rows, columns] = shape as [number, number];
  const [rowStride, step] = strides as [number, number];
  if (rows !== context.utterances) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      `targets.shape is [${rows}, ${columns}]; the batch has ${context.utterances} utterances`,
    );
  }
  if (targetLengths === undefined) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      'targetLengths must be an array of integers, not undefined: padded targets need it to tell ' +
        'labels from padding',
    );
  }
  const offsets = offsetsOf(targetLengths, rows, columns, 'the columns of targets');
  const labels = labelArray(offsets[rows] as number);
  for (let n = 0; n < rows; n++) {
    const at = offsets[n] as number;
    const length = (offsets[n + 1] as number) - at;
    const start = n * rowStride;
    const bad = copyLabels(source, start, step, length, labels, at, context.classes, blank);
    if (bad >= 0) {
      throw badLabel(source, start + bad * step, `targets[${n}][${bad}]`, '', context, blank);
    }
  }
  return { labels, offsets };
}

function offsetsOf(
  targetLengths: unknown,
  utterances: number,
  most: number,
  what: string,
): Float64Array {
  const lengths = resolveLengths(targetLengths, 'targetLengths', utterances, most, what, false);
  const offsets = new Float64Array(utterances + 1);
  let total = 0;
  for (let n = 0; n < utterances; n++) {
    const length = lengths[n] as number;
    checkLength(length, n);
    total += length;
    offsets[n + 1] = total;
  }
  return offsets;
}

/** Strides of 0 make few numbers many labels, so that this may be more than there is room for. */
function labelArray(length: number): Int32Array {
  try {
    return new Int32Array(length);
  } catch (cause) {
    throw outOfMemory(cause);
  }
}

function checkLength(length: number, n: number): void {
  if (length > MOST_LABELS) {
    throw rangeError(
      'ERR_CTC_INVALID_LENGTH',
      `utterance ${n} has ${length} labels; the most is ${MOST_LABELS}`,
    );
  }
}

function tensorOf(targets: unknown): {
  data: IntegerSource;
  shape: number[];
  strides: readonly number[];
} {
  if (typeof targets === 'object' && targets !== null && 'data' in targets) {
    checkTensorKeys(targets, 'targets');
    const tensor = targets as { data: unknown; shape?: unknown; dims?: unknown; strides?: unknown };
    const data = integerSource(tensor.data, 'targets.data');
    const given = tensor.strides;
    if (data === undefined) {
      throw typeError(
        'ERR_CTC_INVALID_ARG_TYPE',
        `targets.data must be ${INTEGER_ARRAY}, not ${show(tensor.data)}`,
      );
    }
    const shape = shapeOf(tensor, 'targets');
    const size = sizeOf(shape, 'targets');
    if (given !== undefined) {
      const strides = stridesOf(given, shape.length, 'targets');
      if (size > 0) spanOf(shape, strides, data.length, 'targets');
      return { data, shape, strides };
    }
    if (size !== data.length) {
      throw rangeError(
        'ERR_CTC_INVALID_SHAPE',
        `targets.data has ${data.length} elements; shape [${shape.join(', ')}] needs ${size}`,
      );
    }
    return { data, shape, strides: shape.length === 2 ? [shape[1] as number, 1] : [1] };
  }
  throw typeError(
    'ERR_CTC_INVALID_ARG_TYPE',
    'targets must be one array of labels for each utterance, a tensor { data, shape: [N, S] }, or ' +
      `all labels one after another (${INTEGER_ARRAY}) with targetLengths, not ${show(targets)}`,
  );
}

function isRow(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** Copies labels that are classes but not the blank. Returns the first bad one, or -1. */
function copyLabels(
  source: IntegerSource,
  start: number,
  step: number,
  count: number,
  labels: Int32Array,
  at: number,
  classes: number,
  blank: number,
): number {
  for (let i = 0; i < count; i++) {
    const label = readInteger(source, start + i * step);
    if (label < 0 || label >= classes || label === blank) return i;
    labels[at + i] = label;
  }
  return -1;
}

function badLabel(
  source: IntegerSource,
  i: number,
  place: string,
  of: string,
  context: TargetContext,
  blank: number,
): Error {
  const wrong = notInteger(source, i, place, 'ERR_CTC_INVALID_LABEL');
  if (wrong !== undefined) return wrong;
  const value = source.numbers[i];
  const where = of === '' ? place : `${place} (${of})`;
  const reason =
    Number(value) === blank
      ? ', the blank, which no target holds'
      : `; classes are 0 to ${context.classes - 1}`;
  return rangeError('ERR_CTC_INVALID_LABEL', `${where} is ${value}${reason}`);
}
