/**
 * Every `code` that an error of this package can carry. A wrong type is a `TypeError`, a wrong value
 * a `RangeError`, anything else a {@link CtcError}. An aborted call rejects with the signal's own
 * `reason`, as the platform's functions do.
 */
export type CtcErrorCode =
  /** An argument or option has the wrong type. */
  | 'ERR_CTC_INVALID_ARG_TYPE'
  /** An option has a value that is not among its choices, or contradicts another option. */
  | 'ERR_CTC_INVALID_ARG_VALUE'
  /** An option key that does not exist, most often a misspelling. */
  | 'ERR_CTC_UNKNOWN_OPTION'
  /** A shape or strides that do not fit the data, the layout or each other. */
  | 'ERR_CTC_INVALID_SHAPE'
  /** A label that is no class, or is the blank. */
  | 'ERR_CTC_INVALID_LABEL'
  /** An array of lengths with the wrong count, or a length out of range. */
  | 'ERR_CTC_INVALID_LENGTH'
  /** A number outside the range of its option. */
  | 'ERR_CTC_OUT_OF_RANGE'
  /** Memory that cannot be used: detached, overlapping, misaligned or too short; resizable, when borrowed. */
  | 'ERR_CTC_BUFFER'
  /** An utterance without a path, under `infeasible: 'throw'`. */
  | 'ERR_CTC_INFEASIBLE'
  /** Memory for the result or the lattice could not be had. */
  | 'ERR_CTC_OUT_OF_MEMORY'
  /** The native part is missing or does not load. */
  | 'ERR_CTC_NATIVE_LOAD'
  /** The asked device cannot be used; the message says why. */
  | 'ERR_CTC_DEVICE'
  /** A derivative that does not exist here: the second one of the loss. */
  | 'ERR_CTC_GRADIENT'
  /** A data file or a language model that cannot be read, or is broken. */
  | 'ERR_CTC_FILE'
  /** `node-ctc/queue`: Redis cannot be used, or a package for it is missing. */
  | 'ERR_CTC_QUEUE';

/** An error that is neither a wrong type nor a wrong value: memory, device, loading, files. */
export class CtcError extends Error {
  static {
    // On the prototype, where the head of a stack trace looks for it.
    CtcError.prototype.name = 'CtcError';
  }

  /** What went wrong, for programs. */
  readonly code: CtcErrorCode;

  constructor(code: CtcErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** An error with the `code` that tells programs what went wrong. */
export type Coded<E extends Error> = E & {
  /** What went wrong, for programs. */
  readonly code: CtcErrorCode;
};

/** A `TypeError` with a code. */
export function typeError(code: CtcErrorCode, message: string): Coded<TypeError> {
  return withCode(new TypeError(message), code, typeError);
}

/** A `RangeError` with a code. */
export function rangeError(code: CtcErrorCode, message: string): Coded<RangeError> {
  return withCode(new RangeError(message), code, rangeError);
}

/** A {@link CtcError}. */
export function ctcError(
  code: CtcErrorCode,
  message: string,
  options?: { cause?: unknown },
): CtcError {
  const error = new CtcError(code, message, options);
  Error.captureStackTrace(error, ctcError);
  return error;
}

/** How a wrong value is quoted in a message: short, and never a whole array. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > 40 ? `'${value.slice(0, 40)}...'` : `'${value}'`;
    case 'bigint':
      return `${value}n`;
    case 'function':
      return 'a function';
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return `an array of ${value.length}`;
      if (ArrayBuffer.isView(value)) return `a ${value[Symbol.toStringTag as never]}`;
      return 'an object';
    default:
      return String(value);
  }
}

// Enumerable, as in Node's own errors: it shows when the error is printed. The trace starts at the
// caller of `maker`.
function withCode<E extends Error>(error: E, code: CtcErrorCode, maker: unknown): Coded<E> {
  Error.captureStackTrace(error, maker as () => void);
  return Object.assign(error, { code });
}
