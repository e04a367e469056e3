import { native } from './native.js';

/**
 * Runs native work that can be aborted. `start` gets the number by which the native side knows the
 * job; an abort takes it off the queue, or stops it at its next block of frames.
 *
 * The promise settles only once nothing reads or writes the job's memory any more, also after an abort.
 */
export async function runJob(
  start: (job: number) => number | Promise<number>,
  signal: AbortSignal | undefined,
): Promise<number> {
  cancelAtExit();
  if (signal === undefined) return start(0);
  const job = native().newJob();
  watch(signal, job);
  try {
    return await start(job);
  } finally {
    unwatch(signal, job);
  }
}

/** The jobs that one signal stops, and the one listener for all of them: Node warns of eleven. */
interface Watch {
  readonly jobs: Set<number>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

function watch(signal: AbortSignal, job: number): void {
  let entry = watches.get(signal);
  if (entry === undefined) {
    const jobs = new Set<number>();
    const listener = () => {
      for (const one of jobs) native().cancel(one);
    };
    signal.addEventListener('abort', listener);
    entry = { jobs, listener };
    watches.set(signal, entry);
  }
  entry.jobs.add(job);
}

function unwatch(signal: AbortSignal, job: number): void {
  const entry = watches.get(signal);
  entry?.jobs.delete(job);
  if (entry?.jobs.size === 0) {
    signal.removeEventListener('abort', entry.listener);
    watches.delete(signal);
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
