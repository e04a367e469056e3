/**
 * Evaluations as jobs of a BullMQ queue on Redis: a job for each shard, for any number of workers on any number of machines
 * that see the same files. What `node-ctc queue` does on the command line; docs/scaling.md tells how it works.
 * Needs the packages `bullmq` and `ioredis`.
 *
 * @packageDocumentation
 */
export { type AddedRun, type AddOptions, addRun } from './add.js';
export type { QueueOptions } from './redis.js';
export { removeRun } from './remove.js';
export type { RunSpec } from './spec.js';
export {
  queueStatus,
  type RunStatus,
  type ShardStatus,
  type WaitOptions,
  waitForRuns,
} from './status.js';
export {
  type JobEvent,
  type NoticeEvent,
  type WorkEvent,
  type WorkOptions,
  type WorkProgress,
  type WorkReport,
  work,
} from './work.js';
