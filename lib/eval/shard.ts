// Which part of the utterances a process evaluates. The contract is in docs/scaling.md.

/** Shard `index` of `count`, from 0. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export const wholeRun: Shard = { index: 0, count: 1 };

/** The utterances of a shard, `start` to `end` (exclusive) of `total` in the manifest's order. */
export function rangeOf({ index, count }: Shard, total: number): { start: number; end: number } {
  return { start: boundary(index, count, total), end: boundary(index + 1, count, total) };
}

// floor(index * total / count); the product may exceed what a double holds exactly.
function boundary(index: number, count: number, total: number): number {
  return Number((BigInt(index) * BigInt(total)) / BigInt(count));
}

/** Reads `i/n`; undefined where it is something else or i is not below n. */
export function parseShard(text: string): Shard | undefined {
  const match = /^(\d{1,7})\/(\d{1,7})$/.exec(text);
  if (!match) return undefined;
  const [index, count] = [Number(match[1]), Number(match[2])];
  return index < count ? { index, count } : undefined;
}

/** What the scheduler said, or what is wrong with that. */
export type FoundShard =
  | { shard: Shard; from: string; problem?: undefined }
  | { shard?: undefined; from?: undefined; problem: string };

/**
 * The shard that the job's scheduler gave this process: `JOB_COMPLETION_INDEX` of a Kubernetes Indexed Job,
 * `SLURM_ARRAY_TASK_ID` of a Slurm array (with its MIN, STEP and COUNT), `AWS_BATCH_JOB_ARRAY_INDEX`.
 *
 * @param count - `--shards`; undefined: Slurm tells, the others do not.
 */
export function shardFromEnvironment(
  env: NodeJS.ProcessEnv,
  count: number | undefined,
): FoundShard {
  const slurm = env.SLURM_ARRAY_TASK_ID;
  if (slurm !== undefined && slurm !== '') return fromSlurm(env, slurm, count);
  for (const name of ['JOB_COMPLETION_INDEX', 'AWS_BATCH_JOB_ARRAY_INDEX']) {
    const value = env[name];
    if (value === undefined || value === '') continue;
    const index = wholeNumber(value);
    if (index === undefined) return { problem: `${name} is "${value}", not a number` };
    if (count === undefined) {
      return { problem: `${name} is ${index}, and of how many? Give --shards` };
    }
    if (index >= count) {
      return { problem: `${name} is ${index}, and --shards ${count} has 0 to ${count - 1}` };
    }
    return { shard: { index, count }, from: name };
  }
  return {
    problem:
      '--shards needs a scheduler that says which one this is (JOB_COMPLETION_INDEX, ' +
      'SLURM_ARRAY_TASK_ID or AWS_BATCH_JOB_ARRAY_INDEX): give --shard i/n',
  };
}

function fromSlurm(env: NodeJS.ProcessEnv, id: string, count: number | undefined): FoundShard {
  const read = (name: string, fallback?: number) => {
    const value = env[name];
    return value === undefined || value === '' ? fallback : (wholeNumber(value) ?? Number.NaN);
  };
  const task = wholeNumber(id) ?? Number.NaN;
  const least = read('SLURM_ARRAY_TASK_MIN', 0)!;
  const step = read('SLURM_ARRAY_TASK_STEP', 1)!;
  const tasks = read('SLURM_ARRAY_TASK_COUNT');
  const index = (task - least) / step;
  const seen = `SLURM_ARRAY_TASK_ID ${id}, MIN ${least}, STEP ${step}, COUNT ${tasks ?? 'unset'}`;
  if (tasks !== undefined && count !== undefined && tasks !== count) {
    return { problem: `--shards is ${count} and SLURM_ARRAY_TASK_COUNT is ${tasks}` };
  }
  const all = count ?? tasks;
  if (all === undefined) return { problem: `${seen}: give --shards` };
  if (!Number.isSafeInteger(index) || index < 0 || !(index < all)) {
    return {
      problem: `${seen} give no shard: the array must be --array=MIN-MAX or MIN-MAX:STEP`,
    };
  }
  return { shard: { index, count: all }, from: 'SLURM_ARRAY_TASK_ID' };
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
