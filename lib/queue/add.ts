// Adding a run: everything that can be wrong with it is found before Redis hears of it.

import type { FlowJob } from 'bullmq';
import { openInputs } from '../eval/inputs.js';
import { RunConflict } from '../eval/journal.js';
import { Page } from '../eval/page.js';
import { checkOptions, finite, flag, integer, resolveSignal } from '../options.js';
import { asArgumentError } from './failures.js';
import { checkFolder, clearFolder, readMerged } from './folder.js';
import { storeFiles } from './paths.js';
import { type QueueOptions, type Queues, withQueues } from './redis.js';
import { removeJobs } from './remove.js';
import { checkSpec, type RunSpec, runId, type StoredRun, shardId } from './spec.js';
import { readRuns } from './status.js';

/** How a run is added. */
export interface AddOptions extends QueueOptions {
  /** Paths are kept relative to this folder, below which all files must lie. Default: they are kept absolute. */
  root?: string;
  /** How often a shard is tried. Default: 3. */
  attempts?: number;
  /** Seconds before the second try; doubled for each one after. Default: 10. */
  retrySeconds?: number;
  /** If the run is there already: try its failed shards again. */
  retry?: boolean;
  /** Begin anew: removes the run from the queue, and what is in the folder. */
  overwrite?: boolean;
  /** Gets what is odd about the files. */
  onWarning?: (message: string) => void;
  /** Stops before the run is added. */
  signal?: AbortSignal;
}

/** What became of an added run. */
export interface AddedRun {
  /** Its number in the queue: the same for the same files, settings and shards. */
  run: string;
  /** 'added'; 'present': it was there already, and nothing changed; 'complete': its results are there. */
  state: 'added' | 'present' | 'complete';
  /** How many shards it has. */
  shards: number;
  /** How many utterances it has. */
  utterances: number;
  /** Failed jobs that were put back, with `retry`. */
  retried: number;
  /** Failed jobs that are left. */
  failed: number;
  /** The folder of the results. */
  out: string;
}

const keys: ReadonlySet<string> = new Set<keyof AddOptions>([
  'redis',
  'queue',
  'root',
  'attempts',
  'retrySeconds',
  'retry',
  'overwrite',
  'onWarning',
  'signal',
]);

/**
 * Adds an evaluation to the queue: a job for each shard, and one that merges their results once all are there.
 * The files are opened and checked first. Adding the same run again changes nothing, so it can be repeated after any failure.
 *
 * @throws TypeError, RangeError for the specification or a folder that holds another run; CtcError `ERR_CTC_FILE` for
 * the files, `ERR_CTC_QUEUE` for Redis.
 */
export async function addRun(spec: RunSpec, options: AddOptions = {}): Promise<AddedRun> {
  const checked = checkSpec(spec);
  checkOptions(options, keys);
  const attempts = integer(options.attempts, 'attempts', 1, 1000, 3);
  const retrySeconds = finite(options.retrySeconds, 'retrySeconds', 10);
  const signal = resolveSignal(options.signal) ?? new AbortController().signal;
  const overwrite = flag(options.overwrite, 'overwrite', false);
  const files = storeFiles(checked, options.root);
  return withQueues(options, async (queues) => {
    try {
      const settings = await readSettings(checked, options.onWarning ?? (() => {}), signal);
      if (checked.html !== undefined) await Page.open(checked.html, checked.out);
      signal.throwIfAborted();
      const run: StoredRun = { ...checked, ...files, settings };
      const claim = { out: checked.out, shards: run.shards, settings };
      const id = runId(run);
      const result = { run: id, shards: run.shards, utterances: settings.manifest.utterances };
      const common = { ...result, retried: 0, failed: 0, out: checked.out };

      const holder = (await readRuns(queues)).find(
        (other) => other.stored.out === run.out && (other.run === id || other.state !== 'complete'),
      );
      if (holder !== undefined && holder.run !== id) {
        if (!overwrite) {
          throw new RunConflict(
            `${checked.out} is the folder of run ${holder.run}, which is in the queue: choose another folder, or --overwrite`,
          );
        }
        await removeJobs(queues, holder.run);
      }
      if (overwrite) {
        await removeJobs(queues, id);
        await clearFolder(checked.out);
      } else {
        await checkFolder(claim);
        if ((await readMerged(claim, run.results, checked.html)) !== undefined) {
          return { ...common, state: 'complete' };
        }
        if (holder !== undefined && holder.state !== 'complete') {
          const retried = options.retry ? await retryFailed(queues, id) : 0;
          const failed = options.retry ? 0 : holder.counts.failed + (holder.mergeFailed ? 1 : 0);
          return { ...common, state: 'present', retried, failed };
        }
        // Complete in the queue and not in the folder: the results were taken away.
        if (holder !== undefined) await removeJobs(queues, id);
      }
      await addFlow(queues, id, run, attempts, 1000 * retrySeconds);
      return { ...common, state: 'added' };
    } catch (error) {
      throw asArgumentError(error);
    }
  });
}

async function readSettings(
  { data, manifest, tokens, options }: Omit<StoredRun, 'settings'>,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<StoredRun['settings']> {
  const inputs = await openInputs(data, manifest, { ...options, tokens }, warn, signal);
  await inputs.source.close();
  return inputs.settings;
}

/** All jobs or none of them. */
async function addFlow(
  { bullmq, connection, shards, runs }: Queues,
  id: string,
  run: StoredRun,
  attempts: number,
  delay: number,
): Promise<void> {
  // A storage that fails, fails for many at once: they come back at different times.
  const common = { attempts, backoff: { type: 'exponential', delay, jitter: 0.3 } };
  const children = Array.from({ length: run.shards }, (_, shard): FlowJob => {
    const data = { run: id, shard };
    return {
      name: 'shard',
      queueName: shards.name,
      data,
      opts: { ...common, jobId: shardId(id, shard) },
    };
  });
  const flow = new bullmq.FlowProducer({ connection });
  let failure: Error | undefined;
  flow.on('error', (error) => {
    failure = error;
  });
  try {
    await flow.add({
      name: 'merge',
      queueName: runs.name,
      data: run,
      opts: { ...common, jobId: id },
      children,
    });
  } catch (error) {
    throw failure ?? error;
  } finally {
    await flow.close();
  }
}

async function retryFailed({ shards, runs }: Queues, id: string): Promise<number> {
  const again = { resetAttemptsMade: true };
  const failed = (await shards.getJobs('failed')).filter((job) => job.data.run === id);
  const merge = await runs.getJob(id);
  if (merge && (await merge.isFailed())) failed.push(merge);
  for (const job of failed) await job.retry('failed', again);
  return failed.length;
}
