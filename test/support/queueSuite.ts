// What every suite of queue tests stands on: a Redis server, a case that was evaluated as one run, a queue for each test.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { RunSpec } from '../../lib/queue/index.js';
import { Scratch } from '../io.helpers.js';
import { type EvalCase, makeCase, run } from './evalCase.js';
import { specOf, TestQueue } from './queueWorkers.js';
import { needRedis, RedisServer } from './redis.js';

export class QueueSuite {
  readonly scratch = new Scratch();
  readonly given: EvalCase = makeCase(this.scratch, { utterances: 6000 });
  /** The folder of the results of one run. */
  readonly whole = join(this.scratch.folder, 'whole');
  #redis: RedisServer | undefined;
  #queue: TestQueue | undefined;
  #queues = 0;

  /** Sets a suite up; to be called within its `describe`. Queues have names that begin with `name`. */
  static use(name: string): QueueSuite {
    const suite = new QueueSuite();
    before(async function () {
      needRedis(this);
      suite.#redis = await RedisServer.start();
      const { code, err } = await run([...suite.given.args, '--out', suite.whole]);
      assert.deepEqual([code, err], [0, '']);
    });
    beforeEach(() => {
      suite.#queue = new TestQueue(suite.redis.url, `${name}-${suite.#queues++}`);
    });
    afterEach(() => suite.#queue?.killAll());
    after(async () => {
      await suite.#redis?.remove();
      suite.scratch.remove();
    });
    return suite;
  }

  get redis(): RedisServer {
    return this.#redis!;
  }

  /** Of the test that runs. */
  get queue(): TestQueue {
    return this.#queue!;
  }

  /** The case as a run with the folder `out`. */
  readonly spec = (out: string, shards: number, more: Partial<RunSpec> = {}): RunSpec => ({
    ...specOf(this.given),
    out: join(this.scratch.folder, out),
    shards,
    ...more,
  });
}
