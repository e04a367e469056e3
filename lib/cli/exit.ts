// How a run of the command line ends.

import { UsageError } from '../eval/usage.js';

export { UsageError };

export const exitCodes = {
  ok: 0,
  /** With --strict: some utterances could not be evaluated. */
  badUtterances: 1,
  usage: 2,
  unreadableData: 3,
  /** The addon does not load, memory ran out, or a bug. */
  engine: 4,
  /** As shells report SIGINT: 128 + 2. */
  interrupted: 130,
} as const;

/** The exit code of a command that reports utterances of these statuses. */
export function exitCodeOfReport(statuses: Iterable<string>, strict = false): number {
  const bad = new Set(statuses);
  bad.delete('ok');
  if (bad.has('unreadable')) return exitCodes.unreadableData;
  return strict && bad.size > 0 ? exitCodes.badUtterances : exitCodes.ok;
}

/** The exit code for what a command threw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitCodes.usage;
  if (error instanceof Error && error.name === 'AbortError') {
    // A command that ends on other signals, too, says which.
    return (error as { exitCode?: number }).exitCode ?? exitCodes.interrupted;
  }
  const code = (error as { code?: unknown } | null)?.code;
  const unreadable = code === 'ERR_CTC_FILE' || code === 'ERR_CTC_QUEUE';
  return unreadable ? exitCodes.unreadableData : exitCodes.engine;
}
