import { rangeError, show, typeError } from './errors.js';

/** Order of the first two dimensions: time-major [T, N, C] or batch-major [N, T, C]. */
export type Layout = 'TNC' | 'NTC';

/** What the numbers are: scores before softmax, or natural-log probabilities. */
export type InputKind = 'logits' | 'logProbs';

/** Where the work is done. `'auto'` takes a GPU when one is usable, else the CPU. */
export type Device = 'cpu' | 'cuda' | `cuda:${number}` | 'auto';

/**
 * What an asynchronous call does with the memory that it reads while JavaScript goes on running.
 *
 * - `'auto'`: SharedArrayBuffers are read in place, everything else is copied first.
 * - `'borrow'`: nothing is copied. You promise not to write, detach, transfer or resize the memory
 *   until the promise settles; a broken promise can crash the process.
 * - `'transfer'`: the buffer is taken over without a copy (your views of it become empty) and handed
 *   back as `input` in the result, or on the error. Refused for a DeviceTensor, which is neither copied nor taken.
 */
export type Buffers = 'auto' | 'borrow' | 'transfer';

/** Integers from outside: labels and lengths. */
export type IntegerArray =
  | readonly number[]
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** Options as they come from outside: every value still has to be checked. */
export type RawOptions = Readonly<Record<string, unknown>>;

const NONE: RawOptions = Object.freeze({});

/**
 * Checks that `options` is an object with known keys only. A misspelled option would otherwise be
 * a silent default. A key whose value is undefined counts as absent, but must exist as well.
 */
export function checkOptions(options: unknown, known: ReadonlySet<string>): RawOptions {
  if (options === undefined) return NONE;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `options must be an object, not ${show(options)}`);
  }
  for (const key in options) {
    if (!known.has(key)) throw unknownOption(key, known);
  }
  return options as RawOptions;
}

function unknownOption(key: string, known: ReadonlySet<string>): Error {
  const near = nearest(key, known);
  const hint =
    near === undefined
      ? `; the options are ${[...known].sort().join(', ')}`
      : `; did you mean '${near}'?`;
  return typeError('ERR_CTC_UNKNOWN_OPTION', `unknown option ${show(key)}${hint}`);
}

/** The known word closest to `word`, when it is close enough to be meant. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const plain = word.toLowerCase().replace(/[^a-z0-9]/g, '');
  let best: string | undefined;
  let least = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(plain, candidate.toLowerCase().replace(/[^a-z0-9]/g, ''));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** One of `choices`; `fallback` when the option is absent. */
export function choice<T extends string>(
  value: unknown,
  name: string,
  choices: readonly T[],
  fallback: T,
): T {
  if (value === undefined) return fallback;
  for (let i = 0; i < choices.length; i++) {
    if (value === choices[i]) return choices[i] as T;
  }
  const list = choices.map((c) => `'${c}'`).join(', ');
  if (typeof value !== 'string') {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} must be one of ${list}, not ${show(value)}`,
    );
  }
  const near = nearest(value, choices);
  const hint = near === undefined ? '' : `; did you mean '${near}'?`;
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    `${name} is ${show(value)}; it must be one of ${list}${hint}`,
  );
}

/** A boolean; `fallback` when the option is absent. */
export function flag(value: unknown, name: string, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} must be true or false, not ${show(value)}`,
    );
  }
  return value;
}

/** An integer from `least` to `most`; `fallback` when the option is absent. */
export function integer(
  value: unknown,
  name: string,
  least: number,
  most: number,
  fallback: number,
): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${name} must be an integer, not ${show(value)}`);
  }
  if (!Number.isInteger(value) || value < least || value > most) {
    throw rangeError(
      'ERR_CTC_OUT_OF_RANGE',
      `${name} is ${value}; it must be an integer from ${least} to ${most}`,
    );
  }
  return value;
}

/** A finite number; `fallback` when the option is absent. */
export function finite<F>(value: unknown, name: string, fallback: F): number | F {
  if (value === undefined) return fallback;
  if (typeof value !== 'number') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${name} must be a number, not ${show(value)}`);
  }
  if (!Number.isFinite(value)) {
    throw rangeError('ERR_CTC_OUT_OF_RANGE', `${name} is ${value}; it must be finite`);
  }
  return value;
}

/** The blank's class: an index, or -1 for the last class. */
export function resolveBlank(value: unknown, classes: number, fallback = 0): number {
  const blank = value === undefined ? fallback : value;
  if (typeof blank !== 'number') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `blank must be an integer, not ${show(blank)}`);
  }
  if (!Number.isInteger(blank) || blank < -1 || blank >= classes) {
    throw rangeError(
      'ERR_CTC_OUT_OF_RANGE',
      `blank is ${blank}; it must be a class, 0 to ${classes - 1}, or -1 for the last one`,
    );
  }
  return blank === -1 ? classes - 1 : blank;
}

/** An `AbortSignal`, or undefined. */
export function resolveSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const signal = value as AbortSignal | null;
  if (
    typeof signal !== 'object' ||
    signal === null ||
    typeof signal.aborted !== 'boolean' ||
    typeof signal.addEventListener !== 'function' ||
    typeof signal.removeEventListener !== 'function'
  ) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `signal must be an AbortSignal, not ${show(value)}`,
    );
  }
  return signal;
}

/** The choices of options that several functions share. */
export const LAYOUTS: readonly Layout[] = ['TNC', 'NTC'];
export const INPUT_KINDS: readonly InputKind[] = ['logits', 'logProbs'];
export const BUFFERS: readonly Buffers[] = ['auto', 'borrow', 'transfer'];
