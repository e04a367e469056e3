// The parts of the queue that need no Redis.

import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LeaseLost, WrongWorker } from '../lib/queue/failures.js';
import { addRun, queueStatus, type RunSpec, work } from '../lib/queue/index.js';
import { Lease } from '../lib/queue/lease.js';
import { findFiles, storeFiles } from '../lib/queue/paths.js';
import { checkSpec, runId, type StoredRun } from '../lib/queue/spec.js';

describe('the files of a run in the queue', () => {
  const files = { data: ['/a/b/x.npy', '/a/b/y'], manifest: '/a/m', tokens: '/a/t', out: '/a/out' };

  it('are absolute without a root', () => {
    const relative = { data: ['x/*.npy'], manifest: 'm', tokens: './t', out: '../out' };
    assert.deepEqual(storeFiles(relative, undefined), {
      data: [resolve('x/*.npy')],
      manifest: resolve('m'),
      tokens: resolve('t'),
      out: resolve('../out'),
    });
    assert.deepEqual(storeFiles(files, undefined), files);
    assert.deepEqual(findFiles(files, undefined), files);
  });

  it('move with the root', () => {
    const stored = storeFiles(files, '/a');
    assert.deepEqual(stored, { data: ['b/x.npy', 'b/y'], manifest: 'm', tokens: 't', out: 'out' });
    const found = findFiles(stored, '/elsewhere/deep/');
    assert.equal(found.data[0], '/elsewhere/deep/b/x.npy');
    assert.equal(found.out, '/elsewhere/deep/out');
    const page = storeFiles({ ...files, html: '/a/pages/x.html' }, '/a');
    assert.equal(findFiles(page, '/b').html, '/b/pages/x.html');
    assert.throws(() => findFiles(stored, undefined), WrongWorker);
    assert.equal(findFiles(storeFiles({ ...files, out: '/a' }, '/a'), '/b').out, '/b');
  });

  it('never lie outside of it', () => {
    for (const out of ['/', '/ab', '/a/../b', '..', '/a/..']) {
      assert.throws(() => storeFiles({ ...files, out }, '/a'), {
        code: 'ERR_CTC_INVALID_ARG_VALUE',
        message: /does not lie below the root, \/a$/,
      });
    }
    assert.throws(() => findFiles({ ...files, html: '/etc/x.html' }, '/a'), {
      code: 'ERR_CTC_QUEUE',
    });
    for (const out of ['/etc', '..', '../x', 'x/../../y', '/a/../b', '/ab']) {
      assert.throws(() => findFiles({ ...files, out }, '/a'), {
        code: 'ERR_CTC_QUEUE',
        message: /does not lie below this worker's root, \/a$/,
      });
    }
    assert.equal(findFiles({ ...files, out: '..x' }, '/a').out, join('/a', '..x'));
  });
});

describe('the arguments of node-ctc/queue', () => {
  const spec: RunSpec = { data: ['a.npy'], manifest: 'm', tokens: 't', out: 'o', shards: 2 };

  it('are checked before anything else', async () => {
    const cases: [Record<string, unknown>, string, RegExp][] = [
      [{ data: [] }, 'ERR_CTC_INVALID_ARG_TYPE', /data must be an array of paths/],
      [{ data: 'a.npy' }, 'ERR_CTC_INVALID_ARG_TYPE', /data must be .*, not 'a.npy'/],
      [{ data: ['x.jsonl'] }, 'ERR_CTC_INVALID_ARG_VALUE', /JSON Lines are read only once/],
      [{ manifest: undefined }, 'ERR_CTC_INVALID_ARG_TYPE', /manifest must be a path/],
      [{ out: '' }, 'ERR_CTC_INVALID_ARG_TYPE', /out must be a path/],
      [{ shards: undefined }, 'ERR_CTC_INVALID_ARG_TYPE', /shards is missing/],
      [{ shards: 0 }, 'ERR_CTC_OUT_OF_RANGE', /shards is 0; .* from 1 to 100000/],
      [{ shards: 1.5 }, 'ERR_CTC_OUT_OF_RANGE', /shards is 1.5/],
      [{ format: 'xml' }, 'ERR_CTC_INVALID_ARG_VALUE', /format is 'xml'/],
      [{ blank: -2 }, 'ERR_CTC_OUT_OF_RANGE', /blank is -2/],
      [{ array: 7 }, 'ERR_CTC_INVALID_ARG_TYPE', /array must be a string, not 7/],
      [{ shard: 2 }, 'ERR_CTC_UNKNOWN_OPTION', /did you mean 'shards'/],
    ];
    for (const [wrong, code, message] of cases) {
      const given = { ...spec, ...wrong } as RunSpec;
      await assert.rejects(addRun(given), { code, message });
    }
    await assert.rejects(addRun(spec, { attempts: 0 }), { code: 'ERR_CTC_OUT_OF_RANGE' });
    await assert.rejects(addRun(spec, { retries: 1 } as object), {
      code: 'ERR_CTC_UNKNOWN_OPTION',
    });
    await assert.rejects(work({ lockSeconds: 0 }), { code: 'ERR_CTC_OUT_OF_RANGE' });
    await assert.rejects(work({ drains: true } as object), /did you mean 'drain'/);
    await assert.rejects(queueStatus({ redis: 'http://host' }), {
      code: 'ERR_CTC_INVALID_ARG_VALUE',
    });
    await assert.rejects(queueStatus({ queue: 'a:b' }), /a queue's name is made of/);
  });

  it('become what Redis holds', () => {
    assert.deepEqual(checkSpec(spec), {
      format: 'node-ctc run 1',
      data: ['a.npy'],
      manifest: 'm',
      tokens: 't',
      out: 'o',
      html: undefined,
      results: 'jsonl',
      shards: 2,
      options: {
        layout: 'TNC',
        input: 'logits',
        blank: undefined,
        array: undefined,
        idColumn: undefined,
        bfloat16: false,
        wordDelimiter: undefined,
        worst: 10,
      },
    });
  });
});

describe('the id of a run', () => {
  const idOf = (n: number) => runId({ out: `results-${n}` } as unknown as StoredRun);

  it('is a hash, and no number where that is all digits: BullMQ refuses it', () => {
    assert.equal(idOf(295), 'a88324624753');
    assert.equal(idOf(533), 'a45453498309');
    for (let n = 0; n < 3000; n++) assert.match(idOf(n), /^(?=.*[a-f])[0-9a-f]{12}$/);
  });
});

describe("a job's lock", () => {
  // Long enough that a loaded machine does not let it run out.
  const long = 60_000;

  it('is trusted while it is young, and not asked for', async () => {
    const lease = new Lease(long, () => assert.fail('asked'));
    await lease.check();
    lease.end();
    // It was taken before this process was stopped for a while.
    let asked = 0;
    const old = new Lease(long, async () => ++asked > 0, Date.now() - long);
    await old.check();
    assert.equal(asked, 1);
    old.end();
  });

  it('is asked for when it is old; nothing is written until the answer is there', async () => {
    let answer: (held: boolean) => void = () => {};
    const lease = new Lease(
      30,
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    await sleep(60);
    let checked = false;
    const checking = lease.check().then(() => {
      checked = true;
    });
    await sleep(60);
    assert.equal(checked, false);
    answer(false);
    await assert.rejects(checking, LeaseLost);
    assert.equal(lease.lost, true);
    lease.end();
  });

  it('is extended by itself', async () => {
    let times = 0;
    await new Promise<void>((resolve) => {
      const lease = new Lease(30, async () => {
        times += 1;
        if (times === 3) {
          lease.end();
          resolve();
        }
        return true;
      });
    });
    assert.equal(times, 3);
  });

  it('is kept while Redis does not answer, and a stop is heard meanwhile', async () => {
    const lease = new Lease(30, () => new Promise(() => {}));
    await sleep(60);
    const checking = lease.check();
    const reason = new Error('stopped');
    lease.stop(reason);
    await assert.rejects(checking, (error) => error === reason);
    assert.equal(lease.lost, false);
    lease.end();
  });

  it('a Redis that fails is not a lost lock', async () => {
    const lease = new Lease(30, async () => {
      throw new Error('LOADING');
    });
    await sleep(60);
    await assert.rejects(lease.check(), /LOADING/);
    assert.equal(lease.lost, false);
    lease.end();
  });
});
