// How far the runs of a queue are.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import { rangeError } from '../errors.js';
import { rangeOf } from '../eval/shard.js';
import type { MergeReport, ShardProgress, ShardReport } from './jobs.js';
import { type QueueOptions, type Queues, withQueues } from './redis.js';
import type { StoredRun } from './spec.js';

/** One shard of a run in the queue. */
export interface ShardStatus {
  /** Its number, from 0. */
  shard: number;
  /** 'retrying': it failed and waits for its next try; 'failed': its tries are used up. */
  state: 'waiting' | 'active' | 'retrying' | 'complete' | 'failed';
  /** Its utterances, and those that are done. */
  utterances: number;
  done: number;
  /** Utterances a second; 0 unless active. */
  perSecond: number;
  /** Which worker has it or had it last: host and process number; null if none. */
  worker: string | null;
  /** How often it failed. */
  failures: number;
  /** How often it was taken over from a worker that died or froze. */
  takenOver: number;
  /** Why it failed the last time; null if it did not. */
  reason: string | null;
}

/** How far a run is. */
export interface RunStatus {
  /** Its number in the queue. */
  run: string;
  /** The folder of the results, as Redis has it. */
  out: string;
  /** 'failed': what is left has failed for good; 'complete': the results are merged. */
  state: 'waiting' | 'active' | 'merging' | 'complete' | 'failed';
  /** Utterances of all shards, and those that are done. */
  utterances: number;
  done: number;
  /** Of all workers together. */
  perSecond: number;
  /** How many shards are in each state. */
  counts: Record<ShardStatus['state'], number>;
  /** All of them, in order. */
  shards: ShardStatus[];
  /** How many utterances have each status, once the results are merged; null before. */
  statuses: Partial<Record<string, number>> | null;
  /** Why merging failed; null if it did not. */
  reason: string | null;
}

/** What this package reads of a run besides what it shows. */
export interface FoundRun extends RunStatus {
  stored: StoredRun;
  mergeFailed: boolean;
}

/**
 * How far the runs of a queue are, the oldest first.
 *
 * @param run - One of them: its number, or enough of its first digits. Default: all.
 * @throws RangeError `ERR_CTC_INVALID_ARG_VALUE` where there is no such run; CtcError `ERR_CTC_QUEUE`.
 */
export async function queueStatus(options: QueueOptions = {}, run?: string): Promise<RunStatus[]> {
  return withQueues(options, async (queues) => {
    const found = run === undefined ? await readRuns(queues) : [await findRun(queues, run)];
    return found.map(publicStatus);
  });
}

/** How runs are waited for. */
export interface WaitOptions extends QueueOptions {
  /** Stops waiting. */
  signal?: AbortSignal;
  /** Gets how far the runs are, about once a second. */
  onStatus?: (runs: RunStatus[]) => void;
  /** Gets a line when Redis goes away, and when it is back. */
  onNotice?: (message: string) => void;
}

/**
 * Waits until runs are complete or have failed; a lost connection to Redis is waited for as well.
 *
 * @param run - As for `queueStatus`.
 * @throws As `queueStatus`; the signal's reason after an abort.
 */
export async function waitForRuns(options: WaitOptions = {}, run?: string): Promise<RunStatus[]> {
  const { redis, queue, signal, onStatus, onNotice } = options;
  let away = false;
  let answered = false;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const runs = await queueStatus({ redis, queue }, run);
      if (away) onNotice?.('Redis is back');
      away = false;
      answered = true;
      onStatus?.(runs);
      if (runs.every(({ state }) => state === 'complete' || state === 'failed')) return runs;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (!answered || code !== 'ERR_CTC_QUEUE') throw error;
      if (!away) onNotice?.(message);
      away = true;
    }
    await sleep(1000, undefined, { signal }).catch(() => {});
  }
}

/** Without what is not shown. */
function publicStatus({ stored: _, mergeFailed: __, ...status }: FoundRun): RunStatus {
  return status;
}

/** The one run whose number begins with `digits`. */
export async function findRun(queues: Queues, digits: string): Promise<FoundRun> {
  const runs = await readRuns(queues);
  const found = runs.filter(({ run }) => run.startsWith(digits));
  if (found.length === 1 && digits !== '') return found[0]!;
  const there = runs.map(({ run }) => run).join(', ') || 'none';
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    `${found.length === 0 ? 'no run' : 'more than one run'} begins with "${digits}"; the queue has ${there}`,
  );
}

export async function readRuns({ shards, runs }: Queues): Promise<FoundRun[]> {
  const merges = await runs.getJobs([
    'waiting-children',
    'wait',
    'active',
    'delayed',
    'completed',
    'failed',
  ]);
  // Those in no list are complete or wait; asked for first, a job that moves on meanwhile counts as waiting.
  const listed: Listed[] = [];
  for (const [state, list] of [
    ['retrying', 'delayed'],
    ['active', 'active'],
    ['failed', 'failed'],
  ] as const) {
    for (const job of await shards.getJobs(list)) listed.push({ state, job });
  }
  const found: FoundRun[] = [];
  for (const merge of merges.sort((a, b) => a.timestamp - b.timestamp)) {
    // Another program's queue may have the same name.
    if (merge.data?.format === 'node-ctc run 1') found.push(await readRun(merge, listed));
  }
  return found;
}

interface Listed {
  state: ShardStatus['state'];
  job: Job;
}

async function readRun(merge: Job, listed: readonly Listed[]): Promise<FoundRun> {
  const stored = merge.data as StoredRun;
  const run = merge.id!;
  const state = await merge.getState();
  const reports = await merge.getChildrenValues<ShardReport>();
  const complete = new Map(Object.values(reports).map((report) => [report.shard, report]));
  const others = new Map<number, Listed>();
  for (const each of listed) {
    if (each.job.data.run === run) others.set(each.job.data.shard, each);
  }
  const shards = Array.from({ length: stored.shards }, (_, shard) =>
    describeShard(stored, shard, complete.get(shard), others.get(shard)),
  );
  const counts = { waiting: 0, active: 0, retrying: 0, complete: 0, failed: 0 };
  for (const shard of shards) counts[shard.state] += 1;
  const stuck = counts.failed > 0 && counts.failed + counts.complete === stored.shards;
  const mergeFailed = state === 'failed';
  return {
    run,
    out: stored.out,
    state:
      state === 'completed'
        ? 'complete'
        : mergeFailed || stuck
          ? 'failed'
          : counts.complete === stored.shards
            ? 'merging'
            : counts.active > 0
              ? 'active'
              : 'waiting',
    utterances: stored.settings.manifest.utterances,
    done: shards.reduce((sum, { done }) => sum + done, 0),
    perSecond: shards.reduce((sum, { perSecond }) => sum + perSecond, 0),
    counts,
    shards,
    statuses: state === 'completed' ? (merge.returnvalue as MergeReport).statuses : null,
    reason: merge.failedReason ? explainFailure(merge) : null,
    stored,
    mergeFailed,
  };
}

function describeShard(
  { shards, settings }: StoredRun,
  shard: number,
  report: ShardReport | undefined,
  listed: Listed | undefined,
): ShardStatus {
  const { start, end } = rangeOf({ index: shard, count: shards }, settings.manifest.utterances);
  const utterances = end - start;
  const none = { worker: null, failures: 0, takenOver: 0, reason: null, perSecond: 0 };
  if (report !== undefined) {
    const { worker } = report;
    return { shard, state: 'complete', utterances, done: utterances, ...none, worker };
  }
  if (listed === undefined) return { shard, state: 'waiting', utterances, done: 0, ...none };
  const { job, state } = listed;
  const { done = 0, perSecond = 0 } = (job.progress ?? {}) as Partial<ShardProgress>;
  return {
    shard,
    state,
    utterances,
    done,
    perSecond: state === 'active' ? perSecond : 0,
    worker: job.processedBy ?? null,
    failures: job.attemptsMade,
    takenOver: job.stalledCounter,
    reason: job.failedReason ? explainFailure(job) : null,
  };
}

/** BullMQ's own words for a job whose workers died say little. */
function explainFailure({ failedReason, stalledCounter }: Job): string {
  if (!/stalled more than/.test(failedReason)) return failedReason;
  return stalledCounter === 1
    ? 'its worker died or froze'
    : `its workers died or froze, ${stalledCounter} times`;
}
