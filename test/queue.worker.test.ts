// Workers that are stopped, frozen, or lose Redis, and commands that cannot work.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'bullmq';
import { removeRun, work } from '../lib/queue/index.js';
import { run } from './support/evalCase.js';
import { QueueSuite } from './support/queueSuite.js';
import { assertSame, isJob, TestQueue, until } from './support/queueWorkers.js';
import { freePort, RedisServer } from './support/redis.js';

describe('workers of node-ctc queue', function () {
  this.timeout(120_000);
  const suite = QueueSuite.use('worker');
  const { scratch, given, whole, spec } = suite;

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`${signal} gives the shard back, with what is done of it`, async () => {
      const given = (attempt: number) => spec(`${signal}-${attempt}`, 2);
      const { run: id, out, worker } = await suite.queue.catch(given, 1);
      await assert.rejects(removeRun(id, suite.queue.place), {
        code: 'ERR_CTC_INVALID_ARG_VALUE',
        message: new RegExp(
          `^run ${id} is being worked on \\(.*:${worker.child.pid}\\): stop 1 worker`,
        ),
      });
      worker.child.kill(signal);
      worker.child.kill('SIGCONT');
      assert.equal(await worker.ended, code);
      assert.equal(worker.err(), 'interrupted\n');
      assert.ok(isJob(worker.events.at(-1)!, 'shard', 'returned'));
      const [{ counts } = assert.fail()] = await suite.queue.status();
      assert.deepEqual([counts.active, counts.failed], [0, 0]);

      // Taken out of the queue and added again, the run goes on as well.
      await removeRun(id.slice(0, 8), suite.queue.place);
      assert.deepEqual(await suite.queue.status(), []);
      const again = { ...spec(signal, 2), out };
      assert.deepEqual(await suite.queue.add(again).then(({ run, state }) => [run, state]), [
        id,
        'added',
      ]);
      await suite.queue.drain();
      assertSame(out, whole);
    });
  }

  it('a worker that was frozen notices that its shard went to another', async () => {
    const given = (attempt: number) => spec(`frozen-${attempt}`, 2);
    const { out, shard, worker: frozen } = await suite.queue.catch(given, 1, '--drain');
    assert.deepEqual((await suite.queue.drain()).report, {
      shards: 2 - shard,
      merged: 1,
      failed: 0,
    });
    assertSame(out, whole);
    frozen.child.kill('SIGCONT');
    assert.equal(await frozen.ended, 0, frozen.err());
    const jobs = frozen.events.filter((event) => 'state' in event && event.shard === shard);
    assert.ok(isJob(jobs.at(-1)!, 'shard', 'lost'), JSON.stringify(frozen.events));
    assertSame(out, whole);
  });

  it('Redis goes away in the middle: a line when it does, a line when it is back, and the work goes on', async () => {
    const given = (attempt: number) => spec(`away-${attempt}`, 2);
    const { out, worker } = await suite.queue.catch(given, 1, '--drain');
    await suite.redis.save();
    await suite.redis.end();
    worker.child.kill('SIGCONT');
    const notices = () => worker.events.filter((event) => event.type === 'redis');
    await until('the worker says that Redis is away', () => notices().length > 0);
    await suite.redis.begin();
    assert.equal(await worker.ended, 0, worker.err());
    assert.deepEqual(
      notices().map((event) => ('message' in event ? event.message : '')),
      [
        `Redis at 127.0.0.1:${suite.redis.port}: the connection was lost; the worker goes on when it is back`,
        `Redis at 127.0.0.1:${suite.redis.port} is back`,
      ],
    );
    assertSame(out, whole);
  });

  it('stops while Redis is away', async () => {
    const own = await RedisServer.start();
    try {
      const other = new TestQueue(own.url, 'away');
      const { worker } = await other.catch((attempt) => spec(`ended-${attempt}`, 2), 1);
      await own.end();
      worker.child.kill('SIGINT');
      worker.child.kill('SIGCONT');
      assert.equal(await worker.ended, 130, worker.err());
      assert.equal(worker.err(), 'interrupted\n');
    } finally {
      await own.remove();
    }
  });

  it('a job whose workers die more often than is allowed has failed', async () => {
    await suite.queue.add(spec('deadly', 1));
    const connection = { url: suite.redis.url };
    const dead = new Worker(suite.queue.name, null, { connection, lockDuration: 100 });
    assert.ok(await dead.getNextJob('dead', { block: false }));
    await dead.close();
    const { report } = await suite.queue.drain({ takeovers: 0, checkSeconds: 0.2 });
    assert.deepEqual(report, { shards: 0, merged: 0, failed: 1 });
    const [status] = await suite.queue.status();
    assert.deepEqual(
      [status!.state, status!.shards[0]!.reason],
      ['failed', 'its worker died or froze'],
    );
  });

  it('paths are kept below a root, which may lie elsewhere for a worker', async () => {
    const { out } = await suite.queue.add(spec('rooted', 1), { root: scratch.folder });
    const [{ out: kept } = assert.fail()] = await suite.queue.status();
    assert.equal(kept, 'rooted');
    await assert.rejects(suite.queue.drain(), {
      code: 'ERR_CTC_QUEUE',
      message: /^the run was added with a root, .*this worker has none/,
    });
    assert.equal((await suite.queue.status())[0]!.counts.waiting, 1);
    await suite.queue.drain({ root: scratch.folder });
    assertSame(out, whole);
  });

  it('a worker of another version gives the shard back and ends', async () => {
    const { run: id } = await suite.queue.add(spec('version', 1));
    await suite.queue.use('runs', async (runs) => {
      const job = (await runs.getJob(id))!;
      const { data } = job;
      await job.updateData({ ...data, settings: { ...data.settings, version: '9.9.9' } });
    });
    const worker = suite.queue.work();
    assert.equal(await worker.ended, 3);
    assert.match(
      worker.err(),
      new RegExp(`^error: run ${id} was added by node-ctc 9.9.9, and this worker is .*\n$`),
    );
    assert.equal((await suite.queue.status())[0]!.counts.waiting, 1);
  });

  it('work() ends with the reason of its signal, and reports its progress', async () => {
    const { out } = await suite.queue.add(spec('signal', 1));
    const controller = new AbortController();
    const reason = new Error('enough');
    const seen: number[] = [];
    const working = work({
      ...suite.queue.place,
      batchMb: 0.02,
      signal: controller.signal,
      onProgress({ done, total }) {
        seen.push(done);
        assert.equal(total, 6000);
        if (done > 500) controller.abort(reason);
      },
    });
    await assert.rejects(working, (error) => error === reason);
    assert.ok(seen[0] === 0 && seen.at(-1)! > 500 && seen.at(-1)! < 6000, String(seen.at(-1)));
    await assert.rejects(work({ ...suite.queue.place, signal: controller.signal }), /enough/);
    await suite.queue.drain();
    assertSame(out, whole);
  });

  it('explains itself within 80 columns', async () => {
    for (const command of [[], ['add'], ['work'], ['status'], ['remove']]) {
      const { code, out } = await run(['queue', ...command, '--help']);
      assert.equal(code, 0);
      for (const line of out.split('\n')) assert.ok(line.length <= 80, line);
    }
  });

  describe('what cannot work ends with one line', () => {
    const fails = async (args: string[], code: number, line: RegExp, env = {}) => {
      const result = await run(['queue', ...args], env);
      assert.deepEqual([result.code, result.out], [code, '']);
      assert.match(result.err, /^error: [^\n]*\n$/);
      assert.match(result.err, line);
    };

    it('a bad URL, which may hold a password', () =>
      fails(
        ['status', '--redis', 'redis//:secret@host'],
        2,
        /is no URL like redis:\/\/(?!.*secret)/,
      ));

    it('nothing that listens, from the environment', async () => {
      const port = await freePort();
      const env = { REDIS_URL: `redis://user:secret@127.0.0.1:${port}` };
      await fails(
        ['work'],
        3,
        new RegExp(`Redis at 127.0.0.1:${port}: nothing listens there`),
        env,
      );
    });

    it('a wrong password', async () => {
      await suite.redis.use((client) => client.config('SET', 'requirepass', 'right'));
      try {
        const url = suite.redis.url.replace('//', '//:wrong@');
        await fails(['status', '--redis', url], 3, /the user or password is missing or wrong/);
      } finally {
        const url = suite.redis.url.replace('//', '//:right@');
        await suite.redis.use((client) => client.config('SET', 'requirepass', ''), url);
      }
    });

    it('a package that is missing', async () => {
      const script = scratch.write(
        `const { Module } = require('node:module');
        const resolve = Module._resolveFilename;
        Module._resolveFilename = (name, ...rest) => {
          if (name !== 'bullmq') return resolve(name, ...rest);
          throw Object.assign(new Error("Cannot find module 'bullmq'"), { code: 'MODULE_NOT_FOUND' });
        };`,
        'hide.cjs',
      );
      const env = { NODE_OPTIONS: `--require ${script}` };
      await fails(['status', '--redis', suite.redis.url], 3, /npm install bullmq ioredis/, env);
    });

    it('files that do not fit', async () => {
      const { data, manifest, tokens } = given;
      const out = join(scratch.folder, 'misfit');
      const files = ['--manifest', manifest, '--tokens', tokens, '--out', out, '--shards', '2'];
      const redisAt = ['--redis', suite.redis.url, '--queue', suite.queue.name];
      await fails(['add', data, ...files, ...redisAt], 3, /With --layout NTC they agree/);
      await fails(['add', '-', ...files, ...redisAt], 2, /JSON Lines are read only once/);
      assert.ok(!existsSync(out));
      assert.deepEqual(await suite.queue.status(), []);
    });
  });
});
