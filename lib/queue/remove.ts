// Taking a run out of the queue.

import { rangeError } from '../errors.js';
import { count } from '../eval/outputs.js';
import { type QueueOptions, type Queues, withQueues } from './redis.js';
import { findRun } from './status.js';

/**
 * Removes a run and its shards from the queue. Its folder stays as it is: added again, the run goes on from there.
 *
 * @param run - Its number, or enough of its first digits.
 * @returns The whole number.
 * @throws RangeError `ERR_CTC_INVALID_ARG_VALUE` where there is no such run, or workers are at it; CtcError `ERR_CTC_QUEUE`.
 */
export async function removeRun(run: string, options: QueueOptions = {}): Promise<string> {
  return withQueues(options, async (queues) => {
    const found = await findRun(queues, run);
    await removeJobs(queues, found.run);
    return found.run;
  });
}

/** Does nothing where there is no such run. Throws as `removeRun`. */
export async function removeJobs({ shards, runs }: Queues, run: string): Promise<void> {
  const merge = await runs.getJob(run);
  if (merge === undefined) return;
  const active = (await shards.getJobs('active')).filter((job) => job.data.run === run);
  const busy = active.length > 0 ? active : (await merge.isActive()) ? [merge] : [];
  const locked = () => {
    const workers = [...new Set(busy.map((job) => job.processedBy ?? '?'))].join(', ');
    const who = busy.length > 0 ? ` (${workers})` : '';
    return rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      `run ${run} is being worked on${who}: stop ${busy.length > 0 ? count(busy.length, 'worker') : 'the workers'} first`,
    );
  };
  if (busy.length > 0) throw locked();
  try {
    await merge.remove({ removeChildren: true });
  } catch (error) {
    // A worker was faster.
    if (/locked/.test((error as Error).message)) throw locked();
    throw error;
  }
}
