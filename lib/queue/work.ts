// A worker: takes jobs one at a time until it is told to stop or nothing is left.

import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Worker } from 'bullmq';
import { ctcError, rangeError } from '../errors.js';
import { checkOptions, finite, flag, integer, resolveSignal } from '../options.js';
import { isFinal, WrongWorker } from './failures.js';
import { Evaluator, type Machine, type MergeReport, merge, type ShardReport } from './jobs.js';
import { Lease } from './lease.js';
import { openQueues, problemOf, type QueueOptions, type Queues } from './redis.js';
import type { StoredRun } from './spec.js';

/** How a worker works. */
export interface WorkOptions extends QueueOptions {
  /** The folder below which a run's files lie, if it was added with a root. Nothing outside of it is read or written. */
  root?: string;
  /** End when no job is left: none that waits, is worked on, or will be tried again. */
  drain?: boolean;
  /** Threads to compute with. Default: one for each core. */
  threads?: number;
  /** Megabytes of data to read at a time. Default: 16. */
  batchMb?: number;
  /**
   * Seconds after which a worker that has not been heard of loses its job, 1 to 3600. Default: 30. Another worker then
   * has it after at most `checkSeconds` more.
   */
  lockSeconds?: number;
  /** Seconds between looks for such jobs. Default: half of `lockSeconds`. */
  checkSeconds?: number;
  /** How often a job may be taken over from a worker that died or froze, before it counts as failed. Default: 5. */
  takeovers?: number;
  /** Stops the worker. What it has done of a shard is kept, and the shard given back. */
  signal?: AbortSignal;
  /** Gets what happens. */
  onEvent?: (event: WorkEvent) => void;
  /** Gets how far a shard is, many times a second. */
  onProgress?: (progress: WorkProgress) => void;
}

/** How far a shard is. */
export interface WorkProgress {
  /** Its run. */
  run: string;
  /** Its number in it, from 0. */
  shard: number;
  /** Utterances that are done. */
  done: number;
  /** Those of them that another worker did. */
  resumed: number;
  /** All utterances of the shard. */
  total: number;
}

/** Something that happened to a job of this worker. */
export interface JobEvent {
  /** What the job is: evaluating a shard, or merging a run's shards. */
  type: 'shard' | 'merge';
  /** 'returned': the worker was stopped and gave it back; 'lost': the lock ran out, and another worker may have it. */
  state: 'started' | 'done' | 'retrying' | 'failed' | 'returned' | 'lost';
  /** The run. */
  run: string;
  /** Number of the shard; null for a merge. */
  shard: number | null;
  /** When done: its utterances. */
  utterances?: number;
  /** When done: how many utterances have each status. */
  statuses?: Partial<Record<string, number>>;
  /** When a shard is done: the seconds that it took this worker. */
  seconds?: number;
  /** When merged: the file of the results. */
  results?: string;
  /** When merged: the page, if one was asked for. */
  html?: string;
  /** Why it failed or was lost. */
  reason?: string;
}

/** Something that a worker has to say: a warning about the data, or that Redis went away or is back. */
export interface NoticeEvent {
  /** What it is about. */
  type: 'warning' | 'redis';
  /** In words. */
  message: string;
}

/** What a worker tells. */
export type WorkEvent = JobEvent | NoticeEvent;

/** What a worker did. */
export interface WorkReport {
  /** Shards that it finished. */
  shards: number;
  /** Runs that it merged. */
  merged: number;
  /** Jobs that have failed for good since it began; with `drain` those of other workers, too. */
  failed: number;
}

const keys: ReadonlySet<string> = new Set<keyof WorkOptions>([
  'redis',
  'queue',
  'root',
  'drain',
  'threads',
  'batchMb',
  'lockSeconds',
  'checkSeconds',
  'takeovers',
  'signal',
  'onEvent',
  'onProgress',
]);

/**
 * Works on a queue until `signal` is aborted or, with `drain`, until nothing is left in it.
 *
 * A shard is evaluated as by `node-ctc eval --resume`: a worker that takes it over goes on where the other one stopped.
 *
 * @throws TypeError, RangeError; CtcError `ERR_CTC_QUEUE` where Redis does not answer at the beginning, or where a run
 * needs another worker; the signal's reason after an abort.
 */
export async function work(options: WorkOptions = {}): Promise<WorkReport> {
  checkOptions(options, keys);
  const lockSeconds = seconds(options.lockSeconds, 'lockSeconds', 30);
  const settings: Settings = {
    drain: flag(options.drain, 'drain', false),
    lock: 1000 * lockSeconds,
    check: 1000 * seconds(options.checkSeconds, 'checkSeconds', lockSeconds / 2),
    takeovers: integer(options.takeovers, 'takeovers', 0, 1000, 5),
    signal: resolveSignal(options.signal),
    onEvent: options.onEvent ?? (() => {}),
    onProgress: options.onProgress ?? (() => {}),
  };
  const batchMb = finite(options.batchMb, 'batchMb', undefined);
  const machine: Machine = {
    root: options.root,
    threads: options.threads,
    batchBytes: batchMb === undefined ? undefined : batchMb * 1e6,
    warn: (message) => settings.onEvent({ type: 'warning', message }),
  };
  settings.signal?.throwIfAborted();
  const queues = await openQueues(options, true);
  return new QueueWorker(queues, settings, machine).run();
}

interface Settings {
  drain: boolean;
  /** Milliseconds. */
  lock: number;
  check: number;
  takeovers: number;
  signal: AbortSignal | undefined;
  onEvent: (event: WorkEvent) => void;
  onProgress: (progress: WorkProgress) => void;
}

type Kind = JobEvent['type'];

const name = `${hostname()}:${process.pid}`;

class QueueWorker {
  readonly #queues: Queues;
  readonly #settings: Settings;
  readonly #machine: Machine;
  readonly #evaluator: Evaluator;
  readonly #workers: Worker[];
  readonly #began = Date.now();
  readonly #report: WorkReport = { shards: 0, merged: 0, failed: 0 };
  /** Of the jobs at work. */
  readonly #leases = new Set<Lease>();
  readonly #stop = new AbortController();
  #away = false;

  constructor(queues: Queues, settings: Settings, machine: Machine) {
    this.#queues = queues;
    this.#settings = settings;
    this.#machine = machine;
    this.#evaluator = new Evaluator(machine);
    this.#workers = [this.#listen('shard'), this.#listen('merge')];
  }

  async run(): Promise<WorkReport> {
    const { signal, drain } = this.#settings;
    const stop = () => this.#end(signal!.reason);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      if (drain) await this.#drained();
      else await once(this.#stop.signal);
    } finally {
      signal?.removeEventListener('abort', stop);
      await this.#close();
    }
    this.#stop.signal.throwIfAborted();
    return this.#report;
  }

  #listen(kind: Kind): Worker {
    const { bullmq, connection, shards, runs } = this.#queues;
    const { lock, check, takeovers } = this.#settings;
    const worker = new bullmq.Worker(
      (kind === 'shard' ? shards : runs).name,
      (job, token) => this.#process(kind, job, token!),
      {
        connection,
        name,
        lockDuration: lock,
        stalledInterval: check,
        maxStalledCount: takeovers,
        // The lease extends it, and knows how old it is.
        skipLockRenewal: true,
        runRetryDelay: 1000,
      },
    );
    worker.on('completed', (job, result) => this.#completed(kind, job, result));
    worker.on('failed', (job, error) => {
      if (job === undefined) return;
      const final = job.finishedOn !== undefined;
      if (final && !this.#settings.drain) this.#report.failed += 1;
      this.#tell(kind, job, final ? 'failed' : 'retrying', { reason: error.message });
    });
    worker.on('error', (error) => this.#onError(error));
    worker.on('ioredis:close', () => this.#onAway());
    worker.getBackend().on('ready', () => this.#onBack());
    return worker;
  }

  async #process(kind: Kind, job: Job, token: string): Promise<unknown> {
    const { bullmq } = this.#queues;
    const { lock } = this.#settings;
    const lease = new Lease(
      lock,
      async () => (await job.extendLock(token, lock)) === 1,
      job.processedOn,
    );
    this.#leases.add(lease);
    try {
      this.#stop.signal.throwIfAborted();
      this.#tell(kind, job, 'started');
      return await (kind === 'shard'
        ? this.#evaluate(job, lease)
        : merge(job.id!, job.data as StoredRun, this.#machine));
    } catch (error) {
      if (lease.lost) {
        this.#tell(kind, job, 'lost', { reason: lease.signal.reason.message });
        throw new bullmq.WaitingError();
      }
      if (error instanceof WrongWorker) this.#end(ctcError('ERR_CTC_QUEUE', error.message));
      if (this.#stop.signal.aborted) {
        // Where Redis is away, the lock runs out instead.
        const returned = job.moveToWait(token).catch(() => {});
        await Promise.race([returned, sleep(2000, undefined, { ref: false })]);
        this.#tell(kind, job, 'returned');
        throw new bullmq.WaitingError();
      }
      const { message } = error as Error;
      throw isFinal(error) ? new bullmq.UnrecoverableError(message) : error;
    } finally {
      lease.end();
      this.#leases.delete(lease);
    }
  }

  async #evaluate(job: Job, lease: Lease): Promise<ShardReport> {
    const { run, shard } = job.data as { run: string; shard: number };
    const merging = await this.#queues.runs.getJob(run);
    if (merging === undefined) {
      throw ctcError('ERR_CTC_QUEUE', `run ${run} is not in the queue any more`);
    }
    const began = performance.now();
    let told = Number.NEGATIVE_INFINITY;
    const report = await this.#evaluator.evaluate(
      run,
      merging.data as StoredRun,
      shard,
      lease,
      (progress) => {
        this.#settings.onProgress({ run, shard, ...progress });
        const now = performance.now();
        if (now - told < 1000) return;
        told = now;
        const perSecond = (1000 * (progress.done - progress.resumed)) / Math.max(now - began, 1);
        job.updateProgress({ done: progress.done, perSecond }).catch(() => {});
      },
    );
    return { ...report, worker: name };
  }

  #completed(kind: Kind, job: Job, result: ShardReport | MergeReport): void {
    const { utterances, statuses } = result;
    if ('results' in result) {
      this.#report.merged += 1;
      const { results, html } = result;
      this.#tell(kind, job, 'done', { utterances, statuses, results, html });
    } else {
      this.#report.shards += 1;
      this.#tell(kind, job, 'done', { utterances, statuses, seconds: result.seconds });
    }
  }

  #tell(kind: Kind, job: Job, state: JobEvent['state'], more: Partial<JobEvent> = {}): void {
    const { run = job.id!, shard = null } = job.data as { run?: string; shard?: number };
    this.#settings.onEvent({ type: kind, state, run, shard, ...more });
  }

  #onError(error: Error): void {
    if (this.#stop.signal.aborted) return;
    const { code } = error as { code?: unknown };
    // BullMQ's own: a finished job was not this worker's any more.
    if (typeof code === 'number') {
      const message = `${error.message.split('\n')[0]}: another worker has it`;
      this.#settings.onEvent({ type: 'warning', message });
    } else {
      this.#onAway(error);
    }
  }

  #onAway(error: unknown = new Error('the connection was lost')): void {
    if (this.#away || this.#stop.signal.aborted) return;
    this.#away = true;
    const [problem] = problemOf(error);
    const message = `Redis at ${this.#queues.place}: ${problem}; the worker goes on when it is back`;
    this.#settings.onEvent({ type: 'redis', message });
  }

  #onBack(): void {
    if (!this.#away) return;
    this.#away = false;
    this.#settings.onEvent({ type: 'redis', message: `Redis at ${this.#queues.place} is back` });
  }

  /** Resolves once no job is left, or the worker stops. */
  async #drained(): Promise<void> {
    const { shards, runs } = this.#queues;
    const open = ['wait', 'active', 'delayed', 'prioritized'] as const;
    const left = async () => {
      // In this order: a run waits as soon as its last shard is done.
      for (const queue of [shards, runs]) {
        const counts = Object.values(await queue.getJobCounts(...open));
        if (counts.some((n) => n > 0)) return true;
      }
      for (const queue of [shards, runs]) {
        for (const { finishedOn = 0 } of await queue.getJobs('failed')) {
          if (finishedOn >= this.#began) this.#report.failed += 1;
        }
      }
      return false;
    };
    const stopped = once(this.#stop.signal);
    while (!this.#stop.signal.aborted) {
      const idle = this.#leases.size === 0 && !this.#away;
      // What Redis does not answer any more is no reason to end.
      const drained = idle && !(await Promise.race([left().catch(() => true), stopped]));
      if (drained && !this.#stop.signal.aborted) return;
      await Promise.race([sleep(300), stopped]);
    }
  }

  #end(reason: unknown): void {
    this.#stop.abort(reason);
    for (const lease of this.#leases) lease.stop(reason);
  }

  async #close(): Promise<void> {
    const { shards, runs } = this.#queues;
    const closed = (async () => {
      await Promise.all(this.#workers.map((worker) => worker.close()));
      await this.#queues.close();
    })().catch(() => {});
    // A merge that has begun is brought to its end.
    while (this.#leases.size > 0) await sleep(20);
    // What waits for a Redis that is away would wait for ever.
    if ((await Promise.race([closed, sleep(2000, 'late', { ref: false })])) === 'late') {
      for (const each of [...this.#workers, shards, runs]) each.disconnect().catch(() => {});
    }
    await this.#evaluator.close();
  }
}

function once(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function seconds(value: unknown, option: string, fallback: number): number {
  const given = finite(value, option, fallback);
  if (given >= 0.1 && given <= 3600) return given;
  throw rangeError('ERR_CTC_OUT_OF_RANGE', `${option} is ${given}; it must be from 0.1 to 3600`);
}
