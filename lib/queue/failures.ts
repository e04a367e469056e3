// Ends of a job other than success, and what callers see of them.

import { rangeError } from '../errors.js';
import { RunConflict } from '../eval/journal.js';
import { UsageError } from '../eval/usage.js';

/** A job's lock ran out, or another worker has it. */
export class LeaseLost extends Error {}

/** This worker is not fit for a run; another may be. */
export class WrongWorker extends Error {}

/** What a command line calls wrong usage is a wrong argument to a function. */
export function asArgumentError(error: unknown): unknown {
  if (!(error instanceof UsageError || error instanceof RunConflict)) return error;
  return rangeError('ERR_CTC_INVALID_ARG_VALUE', error.message);
}

/** Whether a job that failed so would fail again, whoever tries. */
export function isFinal(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === 'string' && code.startsWith('ERR_CTC_')) {
    return !['ERR_CTC_FILE', 'ERR_CTC_OUT_OF_MEMORY', 'ERR_CTC_NATIVE_LOAD'].includes(code);
  }
  return error instanceof UsageError || error instanceof RunConflict;
}
