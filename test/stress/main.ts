// Many asynchronous jobs over several threads at once, with aborts, transfers, garbage collection and
// threads that are terminated in the middle: every answer must be the expected one, and neither memory
// nor handles nor threads may grow.
//   npm run stress -- --jobs 10000 --workers 8 --seed 7
//   --rounds N     the jobs come in N rounds (default 4); after each one all workers have ended
//   --patience N   seconds without an ended job that are taken for a deadlock (default 120)
//   --counted      on the addon that counts its allocations (build/Release/ctc_counted.node, Linux)
// Exit code 1: a wrong answer, a leak, or a deadlock. The seed repeats the jobs, not their timing.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { collectGarbage } from '../support/batch.js';
import { seeded } from '../support/close.js';
import { root } from '../support/paths.js';
import { COUNT, type WorkerInput } from './counts.js';
import { digest, languageModelText, makeWork } from './jobs.js';

// glibc gives threads arenas of their own, and the gaps between their blocks would look like a leak.
if (process.platform === 'linux' && process.env.MALLOC_ARENA_MAX === undefined) {
  const { status } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { ...process.env, MALLOC_ARENA_MAX: '1' },
    stdio: 'inherit',
  });
  process.exit(status ?? 1);
}

const { values: args } = parseArgs({
  options: {
    jobs: { type: 'string', default: '10000' },
    workers: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    patience: { type: 'string', default: '120' },
    counted: { type: 'boolean', default: false },
  },
});
const positive = [args.jobs, args.workers, args.rounds, args.patience].map(Number);
const [jobs, workers, rounds, patience] = positive as [number, number, number, number];
const seed = Number(args.seed);
if (!positive.every((n) => Number.isInteger(n) && n > 0) || !Number.isInteger(seed)) {
  process.stderr.write(
    'stress: --jobs, --workers, --rounds and --patience are positive integers\n',
  );
  process.exit(2);
}
if (args.counted) process.env.NODE_CTC_BINARY = join(root, 'build', 'Release', 'ctc_counted.node');

/** Jobs that a worker has in flight. */
const LANES = 4;
/** Workers that are terminated and replaced in a round. */
const TERMINATIONS = Math.max(1, Math.round(jobs / rounds / 100));

/** What must not grow. */
interface Sample {
  rss: number;
  /** Open files and what keeps the event loop alive. */
  handles: string[];
  threads: number;
  /** Blocks of the native side; undefined unless counted. */
  live: number | undefined;
}

const fail = (message: string): never => {
  process.stderr.write(`stress: ${message} (seed ${seed})\n`);
  process.exit(1);
};

function target(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).replace(/\[\d+\]/, '');
  } catch {
    return 'the folder that is listed';
  }
}

async function sample(): Promise<Sample> {
  // Finalizers run in later turns of the event loop.
  for (let i = 0; i < 5; i += 1) {
    collectGarbage?.();
    await sleep(20);
  }
  const { native } = await import('../../lib/native.js');
  const addon = native() as { liveAllocations?: () => number };
  const list = (folder: string) => (process.platform === 'linux' ? readdirSync(folder) : []);
  return {
    rss: process.memoryUsage.rss(),
    // Node forgets a file that it was opening for a worker when that was terminated.
    handles: [
      ...list('/proc/self/fd')
        .map(target)
        .filter((file) => file !== arpa),
      ...process.getActiveResourcesInfo(),
    ],
    threads: list('/proc/self/task').length,
    live: addon.liveAllocations?.(),
  };
}

/** Runs jobs up to number `end`; how many were lost with the workers that ran them. */
async function round(end: number, counts: Int32Array, arpa: string, expected: string[]) {
  const random = seeded(seed + end);
  const crew = new Set<Worker>();
  // Node leaves the files open that a worker imports while it is terminated: only these are.
  const begun = new Set<Worker>();
  const settled = () => (counts[COUNT.right] as number) + (counts[COUNT.aborted] as number);
  const first = Math.min(Atomics.load(counts, COUNT.taken), end);
  const settledBefore = settled();
  const hire = () => {
    const workerData: WorkerInput = { seed, end, lanes: LANES, arpa, expected, counts };
    const one = new Worker(new URL('./worker.js', import.meta.url), { workerData });
    crew.add(one);
    one.on('error', (error) => fail(error.message));
    one.on('message', () => begun.add(one));
    one.on('exit', () => {
      crew.delete(one);
      begun.delete(one);
    });
  };
  for (let i = 0; i < workers; i += 1) hire();

  let terminated = 0;
  let last = settled();
  let lastAt = Date.now();
  while (crew.size > 0) {
    await sleep(5);
    if (settled() !== last) [last, lastAt] = [settled(), Date.now()];
    if (Date.now() - lastAt > 1000 * patience) fail(`deadlock: no job ended in ${patience} s`);
    const share = (Atomics.load(counts, COUNT.taken) - first) / (end - first);
    if (terminated < TERMINATIONS && share < 1 && share > (terminated + random()) / TERMINATIONS) {
      const one = [...begun][Math.floor(random() * begun.size)];
      if (one === undefined) continue;
      terminated += 1;
      await one.terminate();
      hire();
    }
  }
  // Every worker took one number too many in each of its lanes.
  Atomics.store(counts, COUNT.taken, end);
  return { terminated, lost: end - first - (settled() - settledBefore) };
}

const folder = mkdtempSync(join(tmpdir(), 'node-ctc-stress-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const arpa = join(folder, 'model.arpa');
writeFileSync(arpa, languageModelText);

const expected: string[] = [];
for (const { data, call } of makeWork(seed, arpa)) {
  const options = { signal: undefined, buffers: 'auto' } as const;
  expected.push(digest(await call(data ?? new Float32Array(), options)));
}

const counts = new Int32Array(new SharedArrayBuffer(4 * COUNT.length));
const samples: Sample[] = [];
const startedAt = Date.now();
process.stdout.write(`${jobs} jobs on ${workers} workers, ${rounds} rounds, seed ${seed}\n`);
let lost = 0;
let terminated = 0;
for (let r = 1; r <= rounds; r += 1) {
  const done = await round(Math.round((jobs * r) / rounds), counts, arpa, expected);
  lost += done.lost;
  terminated += done.terminated;
  const now = await sample();
  samples.push(now);
  process.stdout.write(
    `  round ${r}: ${(now.rss / 2 ** 20).toFixed(0)} MiB, ${now.handles.length} handles, ` +
      `${now.threads} threads${now.live === undefined ? '' : `, ${now.live} native blocks`}\n`,
  );
}
const [right, aborted] = [counts[COUNT.right] as number, counts[COUNT.aborted] as number];
process.stdout.write(
  `${right} right, ${aborted} aborted, ${lost} lost with ${terminated} terminated workers, ` +
    `${counts[COUNT.collections]} garbage collections, ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`,
);

if (right + aborted + lost !== jobs || lost > terminated * LANES) {
  fail(`${jobs} jobs were asked for, and ${right + aborted + lost} are accounted for`);
}
// The first round fills caches and starts the pool's threads.
const before = samples[Math.min(1, rounds - 2)];
const after = samples.at(-1) as Sample;
if (before !== undefined) {
  if (after.rss > before.rss * 1.15 + 16 * 2 ** 20) fail('the resident memory grows');
  if (after.handles.length > before.handles.length) {
    const rest = [...before.handles];
    const fresh = after.handles.filter((handle) => {
      const at = rest.indexOf(handle);
      if (at >= 0) rest.splice(at, 1);
      return at < 0;
    });
    fail(`handles are left: ${fresh.join(', ')}`);
  }
  if (after.threads > before.threads) fail('threads are left');
  // A thread of the pool keeps a block between calls, or gives it back.
  if ((after.live ?? 0) > (before.live ?? 0) + after.threads) fail('native memory is left');
}
