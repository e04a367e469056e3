import { native } from './native.js';

/**
 * Runs native work that can be aborted. `start` gets the number by which the native side knows the
 * job; an abort takes it off the queue, or stops it at its next block of frames.
 *
 * The promise settles only once nothing reads or writes the job's memory any more, also after an abort.
 */
export async function runJob(
  start: (job: number) => Promise<number>,
  signal: AbortSignal | undefined,
): Promise<number> {
  cancelAtExit();
  if (signal === undefined) return start(0);
  const job = native().newJob();
  const onAbort = () => native().cancel(job);
  signal.addEventListener('abort', onAbort);
  try {
    return await start(job);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

let listening = false;

// process.exit() waits for what runs on the thread pool.
function cancelAtExit(): void {
  if (listening) return;
  listening = true;
  process.on('exit', () => native().cancel(0));
}

/**
 * The error of a job that took its input over, with the input on it: `error.input`.
 *
 * A signal's reason belongs to whoever aborted and may be shared by several jobs, or be no object;
 * where it has no room, the error is the platform's AbortError with the reason as its cause.
 */
export function withInput(error: unknown, input: unknown): unknown {
  const target = error as { input?: unknown };
  if (
    typeof error === 'object' &&
    error !== null &&
    Object.isExtensible(error) &&
    !('input' in target)
  ) {
    target.input = input;
    return error;
  }
  const abort = new Error('The operation was aborted', { cause: error });
  return Object.assign(abort, { name: 'AbortError', code: 'ABORT_ERR', input });
}
