// `node-ctc queue` as processes, and what it does called directly.

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import {
  type AddedRun,
  type AddOptions,
  addRun,
  type JobEvent,
  queueStatus,
  type RunSpec,
  type RunStatus,
  removeRun,
  type WorkEvent,
  type WorkOptions,
  type WorkReport,
  work,
} from '../../lib/queue/index.js';
import { type EvalCase, type Run, run, start } from './evalCase.js';

export interface QueueWorker {
  child: ChildProcess;
  /** What it has told, complete once it has ended. */
  events: WorkEvent[];
  /** Its standard error so far. */
  err(): string;
  /** Its exit code; null after a signal. */
  ended: Promise<number | null>;
}

/** One queue. */
export class TestQueue {
  readonly name: string;
  readonly #redis: string;
  readonly #options: string[];
  readonly #running = new Set<ChildProcess>();

  constructor(redis: string, name: string) {
    this.name = name;
    this.#redis = redis;
    this.#options = ['--redis', redis, '--queue', name, '--json'];
  }

  /** BullMQ's own queue of the runs, or of the shards, to do what no command does. */
  async use<R>(name: 'runs' | 'shards', task: (queue: Queue) => Promise<R>): Promise<R> {
    const full = name === 'runs' ? `${this.name}-runs` : this.name;
    const queue = new Queue(full, { connection: { url: this.#redis } });
    try {
      return await task(queue);
    } finally {
      await queue.close();
    }
  }

  /** A worker in this process, until nothing is left. */
  async drain(options: WorkOptions = {}): Promise<{ report: WorkReport; events: WorkEvent[] }> {
    const events: WorkEvent[] = [];
    const report = await work({
      ...this.place,
      drain: true,
      lockSeconds: 2,
      threads: 1,
      onEvent: (event) => events.push(event),
      ...options,
    });
    return { report, events };
  }

  get place() {
    return { redis: this.#redis, queue: this.name };
  }

  add(spec: RunSpec, options: AddOptions = {}): Promise<AddedRun> {
    return addRun(spec, { ...this.place, ...options });
  }

  /**
   * Adds runs, each with workers of its own, until one of them is stopped in the middle of a shard, with some of it
   * written: it does nothing until it gets SIGCONT. On a loaded machine a run may be over before.
   */
  async catch(specFor: (attempt: number) => RunSpec, workers: number, ...args: string[]) {
    for (let attempt = 0; attempt < 20; attempt++) {
      const added = await this.add(specFor(attempt));
      const team = Array.from({ length: workers }, () => this.work(...slowly, ...args));
      const caught = await catchInTheMiddle(team, added.out, added.shards);
      if (caught !== undefined) return { ...added, ...caught, team };
      const merged = () => team.some(({ events }) => events.some(isMerged));
      await until('the run is merged', merged);
      await this.killAll();
      await removeRun(added.run, this.place);
    }
    throw new Error('no worker was caught in the middle of a shard');
  }

  status(run?: string): Promise<RunStatus[]> {
    return queueStatus(this.place, run);
  }

  /** Starts a worker that leaves jobs behind for no longer than two seconds. */
  work(...args: string[]): QueueWorker {
    const child = start(['queue', 'work', ...this.#options, '--lock-seconds', '2', ...args]);
    this.#running.add(child);
    const events: WorkEvent[] = [];
    let err = '';
    let rest = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      events.push(...lines.map((line) => JSON.parse(line)));
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    const ended = new Promise<number | null>((resolve) =>
      child.once('close', (code) => {
        this.#running.delete(child);
        resolve(code);
      }),
    );
    return { child, events, err: () => err, ended };
  }

  /** What a command comes to, in a process of its own. */
  run(command: string, args: readonly string[] = []): Promise<Run> {
    return run(['queue', command, ...args, ...this.#options]);
  }

  async killAll(): Promise<void> {
    for (const child of this.#running) child.kill('SIGKILL');
    while (this.#running.size > 0) await sleep(10);
  }
}

/** The files of a case as a specification. */
export function specOf({ data, manifest, tokens }: EvalCase) {
  return { data: [data], manifest, tokens, layout: 'NTC' } as const;
}

/** Options of a worker that writes after every 30 utterances or so. */
const slowly = ['--batch-mb', '0.02', '--threads', '1'];

/** undefined where the run is over. */
async function catchInTheMiddle(
  workers: readonly QueueWorker[],
  out: string,
  shards: number,
): Promise<{ worker: QueueWorker; shard: number } | undefined> {
  const of = String(shards).padStart(5, '0');
  const batches = (shard: number) => {
    const name = `shard-${String(shard).padStart(5, '0')}-of-${of}.journal`;
    try {
      return readFileSync(join(out, name), 'utf8').split('\n').length - 2;
    } catch {
      return 0;
    }
  };
  for (; !existsSync(join(out, 'summary.json')); await sleep(1)) {
    for (const worker of workers) {
      const last = worker.events.at(-1);
      if (last === undefined || !isJob(last, 'shard', 'started')) continue;
      const shard = last.shard!;
      if (batches(shard) < 2) continue;
      worker.child.kill('SIGSTOP');
      await sleep(20);
      if (batches(shard) >= 2 && worker.events.at(-1) === last) return { worker, shard };
      worker.child.kill('SIGCONT');
    }
  }
  return undefined;
}

/** That two folders hold the same results. */
export function assertSame(
  folder: string,
  other: string,
  names: readonly string[] = ['results.jsonl', 'summary.json'],
): void {
  for (const name of names) {
    assert.ok(readFileSync(join(folder, name)).equals(readFileSync(join(other, name))), name);
  }
}

/** Whether an event is of a job, and in this state. */
export function isJob(
  event: WorkEvent,
  type: JobEvent['type'],
  state: JobEvent['state'],
): event is JobEvent {
  return event.type === type && 'state' in event && event.state === state;
}

const isMerged = (event: WorkEvent) => isJob(event, 'merge', 'done');

/** Resolves once `there` holds; rejects after a minute. */
export async function until(what: string, there: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await there())) {
    if (Date.now() > end) throw new Error(`waited for a minute until ${what}`);
    await sleep(2);
  }
}
