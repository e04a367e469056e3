import { rangeError, show, typeError } from './errors.js';
import { checkAttached, type ResolvedTensor, typedArrayName } from './tensor.js';

/** Arrays of integers, named for messages. */
export const INTEGER_ARRAY = 'number[], an integer typed array or a BigInt64Array';

// The low and high 32 bits of a 64-bit integer, as places in an Int32Array over the same memory.
const LOW = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;

/** How integers are read from a caller's array. */
export interface IntegerSource {
  /** Number `i` is `numbers[i * step + LOW]` for 64-bit arrays, else `numbers[i]`. */
  readonly numbers: ArrayLike<unknown>;
  /** 64-bit arrays are read as two halves, because a BigInt is an allocation. */
  readonly halves: Int32Array | undefined;
  readonly length: number;
}

/**
 * A private copy of an array of strings, place by place: neither holes nor an enormous length get past the first
 * entry that is none. `failure(place, entry)` makes the error.
 */
export function copyStrings(
  value: readonly unknown[],
  failure: (place: number, entry: unknown) => Error,
): string[] {
  const copy: string[] = [];
  const count = value.length;
  for (let i = 0; i < count; i++) {
    const entry = value[i];
    if (typeof entry !== 'string') throw failure(i, entry);
    copy.push(entry);
  }
  return copy;
}

/** As `copyStrings`, for numbers; BigInts become numbers. @throws TypeError `ERR_CTC_INVALID_ARG_TYPE` */
export function copyNumbers(value: ArrayLike<unknown>, name: string): number[] {
  const copy: number[] = [];
  const count = value.length;
  for (let i = 0; i < count; i++) {
    const entry = value[i];
    const number = typeof entry === 'bigint' ? Number(entry) : entry;
    if (typeof number !== 'number') {
      throw typeError(
        'ERR_CTC_INVALID_ARG_TYPE',
        `${name}[${i}] must be a number, not ${show(entry)}`,
      );
    }
    copy.push(number);
  }
  return copy;
}

/** Finds out how to read `value`; undefined when it is no array of integers. */
export function integerSource(value: unknown, name: string): IntegerSource | undefined {
  if (Array.isArray(value)) return { numbers: value, halves: undefined, length: value.length };
  switch (typedArrayName(value)) {
    case 'Int8Array':
    case 'Uint8Array':
    case 'Uint8ClampedArray':
    case 'Int16Array':
    case 'Uint16Array':
    case 'Int32Array':
    case 'Uint32Array': {
      const numbers = value as Int32Array;
      if (numbers.length === 0) checkAttached(numbers, name);
      return { numbers, halves: undefined, length: numbers.length };
    }
    case 'BigInt64Array':
    case 'BigUint64Array': {
      const numbers = value as BigInt64Array;
      const length = numbers.length;
      if (length === 0) checkAttached(numbers, name);
      const halves = new Int32Array(numbers.buffer, numbers.byteOffset, 2 * length);
      return { numbers, halves, length };
    }
    default:
      return undefined;
  }
}

/**
 * Integer `i` of `source`, when it lies from 0 to 2^31 - 1; else -1. Reads each place once, so that
 * a concurrent writer cannot slip a different value past the check.
 */
export function readInteger(source: IntegerSource, i: number): number {
  const halves = source.halves;
  if (halves !== undefined) {
    const low = halves[2 * i + LOW] as number;
    return halves[2 * i + HIGH] === 0 && low >= 0 ? low : -1;
  }
  const value = source.numbers[i];
  return typeof value === 'number' && value === (value | 0) && value >= 0 ? value : -1;
}

/** The error for entry `i` when it is no number at all, undefined when it is one. */
export function notInteger(
  source: IntegerSource,
  i: number,
  place: string,
  code: 'ERR_CTC_INVALID_LABEL' | 'ERR_CTC_INVALID_LENGTH',
): Error | undefined {
  const value = source.numbers[i];
  if (typeof value === 'number' || source.halves !== undefined) return undefined;
  return typeError(code, `${place} must be an integer, not ${show(value)}`);
}

/**
 * A private copy of one length per utterance, each from 0 to `most`.
 *
 * @param what - What `most` counts, for the message: "the frames of the input".
 * @param scalar - Also accept a plain number for a batch of one.
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`, `ERR_CTC_INVALID_LENGTH`; RangeError
 * `ERR_CTC_INVALID_LENGTH`.
 */
export function resolveLengths(
  value: unknown,
  name: string,
  utterances: number,
  most: number,
  what: string,
  scalar: boolean,
): Float64Array {
  const given = scalar && typeof value === 'number' ? [value] : value;
  const source = integerSource(given, name);
  if (source === undefined) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} must be an array of integers, one for each utterance, not ${show(value)}`,
    );
  }
  if (source.length !== utterances) {
    throw rangeError(
      'ERR_CTC_INVALID_LENGTH',
      `${name} has ${source.length} entries; the batch has ${utterances} utterances`,
    );
  }
  const lengths = new Float64Array(utterances);
  for (let n = 0; n < utterances; n++) {
    const length = readInteger(source, n);
    if (length < 0 || length > most) {
      const place = given === value ? `${name}[${n}]` : name;
      throw (
        notInteger(source, n, place, 'ERR_CTC_INVALID_LENGTH') ??
        rangeError(
          'ERR_CTC_INVALID_LENGTH',
          `${place} is ${source.numbers[n]}; it must be an integer from 0 to ${most}, ${what}`,
        )
      );
    }
    lengths[n] = length;
  }
  return lengths;
}

/** `inputLengths`: how many frames of each utterance count; all of them by default. */
export function resolveInputLengths(value: unknown, tensor: ResolvedTensor): Float64Array {
  if (value === undefined) return new Float64Array(tensor.utterances).fill(tensor.frames);
  return resolveLengths(
    value,
    'inputLengths',
    tensor.utterances,
    tensor.frames,
    'the frames of the input',
    !tensor.batched,
  );
}

/**
 * Frames that utterance `n` needs at least: one per label, and a blank between repeated ones.
 */
export function framesNeeded(
  labels: Int32Array,
  offsets: Float64Array,
  n: number,
): { labels: number; repeats: number } {
  const begin = offsets[n] as number;
  const end = offsets[n + 1] as number;
  let repeats = 0;
  for (let i = begin + 1; i < end; i++) {
    if (labels[i] === labels[i - 1]) repeats++;
  }
  return { labels: end - begin, repeats };
}

/** Refuses the first utterance that has too few frames for its labels. */
export function checkFeasible(
  labels: Int32Array,
  offsets: Float64Array,
  inputLengths: Float64Array,
): void {
  for (let n = 0; n < inputLengths.length; n++) {
    const needed = framesNeeded(labels, offsets, n);
    const frames = inputLengths[n] as number;
    if (needed.labels + needed.repeats > frames) {
      throw rangeError('ERR_CTC_INFEASIBLE', tooFewFrames(n, needed, frames));
    }
  }
}

/** "utterance 7 needs 77 frames (70 labels + 7 repeats) and has 76" */
export function tooFewFrames(
  n: number,
  needed: { labels: number; repeats: number },
  frames: number,
): string {
  const { labels, repeats } = needed;
  const total = labels + repeats;
  return (
    `utterance ${n} needs ${total} ${total === 1 ? 'frame' : 'frames'} ` +
    `(${labels} ${labels === 1 ? 'label' : 'labels'} + ` +
    `${repeats} ${repeats === 1 ? 'repeat' : 'repeats'}) and has ${frames}`
  );
}

/**
 * The upstream gradient: one finite number for all, or one for each utterance, copied.
 */
export function resolveGradOutput(value: unknown, utterances: number): number | Float64Array {
  if (value === undefined) return 1;
  if (typeof value === 'number') return checkGradOutput(value, 'gradOutput');
  const name = typedArrayName(value);
  if (!Array.isArray(value) && (name === undefined || name.startsWith('Big'))) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `gradOutput must be a number or an array of one number for each utterance, not ${show(value)}`,
    );
  }
  const source = value as ArrayLike<unknown>;
  if (source.length !== utterances) {
    throw rangeError(
      'ERR_CTC_INVALID_LENGTH',
      `gradOutput has ${source.length} entries; the batch has ${utterances} utterances`,
    );
  }
  const copy = new Float64Array(utterances);
  for (let n = 0; n < utterances; n++) {
    copy[n] = checkGradOutput(source[n], `gradOutput[${n}]`);
  }
  return copy;
}

function checkGradOutput(value: unknown, place: string): number {
  if (typeof value !== 'number') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${place} must be a number, not ${show(value)}`);
  }
  if (!Number.isFinite(value)) {
    throw rangeError('ERR_CTC_OUT_OF_RANGE', `${place} is ${value}; it must be finite`);
  }
  return value;
}
