// Evaluations as jobs on a real Redis server, by workers that are processes of their own.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { JobEvent } from '../lib/queue/index.js';
import { Scratch } from './io.helpers.js';
import { makeCase, readLines, run } from './support/evalCase.js';
import {
  assertSame,
  catchInTheMiddle,
  isJob,
  QueueCommands,
  slowly,
} from './support/queueWorkers.js';
import { needRedis, RedisServer } from './support/redis.js';

describe('node-ctc queue', function () {
  this.timeout(120_000);
  const scratch = new Scratch();
  const given = makeCase(scratch, { utterances: 6000 });
  const files = given.args.slice(1);
  const whole = join(scratch.folder, 'whole');
  let redis: RedisServer;
  let queue: QueueCommands;
  let names = 0;

  before(async function () {
    needRedis(this);
    redis = await RedisServer.start();
    const { code, err } = await run([...given.args, '--out', whole]);
    assert.deepEqual([code, err], [0, '']);
  });
  beforeEach(() => {
    queue = new QueueCommands(redis.url, `test-${names++}`);
  });
  afterEach(() => queue.killAll());
  after(async () => {
    await redis?.remove();
    scratch.remove();
  });

  it('three workers, one killed in the middle of a shard: the bytes of one run, merged once', async () => {
    const out = join(scratch.folder, 'three');
    const added = await queue.add([...files, '--out', out, '--shards', '6']);
    assert.deepEqual(added, {
      type: 'run',
      run: added.run,
      shards: 6,
      utterances: 6000,
      retried: 0,
      failed: 0,
      out,
      state: 'added',
    });
    const team = [0, 1, 2].map(() => queue.work('--drain', ...slowly));
    const { worker: victim, shard } = await catchInTheMiddle(team, out, 6);
    victim.child.kill('SIGKILL');
    for (const worker of team) {
      assert.equal(await worker.ended, worker === victim ? null : 0, worker.err());
    }
    assertSame(out, whole);

    const events = team.flatMap((worker) => worker.events);
    const merges = events.filter((event) => event.type === 'merge') as JobEvent[];
    assert.deepEqual(
      merges.map(({ state }) => state),
      ['started', 'done'],
    );
    const started = events.filter((event) => isJob(event, 'shard', 'started'));
    const times = [0, 1, 2, 3, 4, 5].map((i) => started.filter((each) => each.shard === i).length);
    assert.deepEqual(
      times,
      [0, 1, 2, 3, 4, 5].map((i) => (i === shard ? 2 : 1)),
    );
    // It was not evaluated again from its beginning.
    const timings = JSON.parse(
      readFileSync(join(out, `shard-0000${shard}-of-00006.timings.json`), 'utf8'),
    );
    assert.ok(timings.resumedAfter > 0, String(timings.resumedAfter));

    const [status] = await queue.status('--wait');
    assert.deepEqual(
      [status!.state, status!.done, status!.counts.complete, status!.statuses],
      ['complete', 6000, 6, { ok: 6000 }],
    );
    const again = await queue.add([...files, '--out', out, '--shards', '6']);
    assert.equal(again.state, 'complete');
  });

  it('a merge that is done again, or was cut off, changes nothing', async () => {
    const { bullmq, connection } = await queue.open();
    const out = join(scratch.folder, 'again');
    const { run: id } = await queue.add([...files, '--out', out, '--shards', '2']);
    assert.equal(await queue.work('--drain').ended, 0);
    const results = join(out, 'results.jsonl');
    const { mtimeMs } = statSync(results);
    const runs = new bullmq.Queue(`${queue.name}-runs`, { connection });
    try {
      for (const cutOff of [false, true]) {
        if (cutOff) rmSync(join(out, 'summary.json'));
        await (await runs.getJob(id))!.retry('completed');
        const worker = queue.work('--drain');
        assert.equal(await worker.ended, 0, worker.err());
        assert.equal(worker.events.filter((event) => isJob(event, 'merge', 'done')).length, 1);
        assertSame(out, whole);
        assert.equal(statSync(results).mtimeMs === mtimeMs, !cutOff);
      }
    } finally {
      await runs.close();
    }
  });

  it('a run that is added again is left as it is; its folder belongs to it', async () => {
    const out = join(scratch.folder, 'same');
    const args = [...files, '--out', out];
    const { run: id } = await queue.add([...args, '--shards', '3']);
    const again = await queue.add([...args, '--shards', '3']);
    assert.deepEqual([again.run, again.state], [id, 'present']);
    assert.equal((await queue.status()).length, 1);

    const other = await queue.run('add', [...args, '--shards', '4']);
    assert.equal(other.code, 2);
    assert.match(other.err, new RegExp(`^error: .* is the folder of run ${id}, .*--overwrite\n$`));
    const replaced = await queue.add([...args, '--shards', '4', '--overwrite']);
    const [status, ...more] = await queue.status(replaced.run.slice(0, 6));
    assert.deepEqual([status!.run, status!.counts.waiting, more], [replaced.run, 4, []]);
    assert.equal(await queue.work('--drain').ended, 0);
    assertSame(out, whole);

    // What another run has left on the disk counts, too.
    const free = new QueueCommands(redis.url, `${queue.name}-free`);
    const conflict = await free.run('add', [...args, '--shards', '5']);
    assert.equal(conflict.code, 2);
    assert.match(conflict.err, /is of another run: there are 4 shards in it; --overwrite/);
    const worse = await free.run('add', [...args, '--shards', '4', '--worst', '3']);
    assert.match(worse.err, /is of another run: worst was 10 and is 3; --overwrite/);
    assert.equal((await free.add([...args, '--shards', '4'])).state, 'complete');
    await free.add([...args, '--shards', '4', '--worst', '3', '--overwrite']);
    assert.deepEqual(readdirSync(out), []);
  });

  it('a shard whose file cannot be read is tried again, then has failed; --retry puts it back', async () => {
    const out = join(scratch.folder, 'failing');
    const args = [...files, '--out', out, '--shards', '2', '--attempts', '2', '--retry-seconds'];
    await queue.add([...args, '0.1']);
    renameSync(given.data, `${given.data}.away`);
    const worker = queue.work('--drain');
    assert.equal(await worker.ended, 3, worker.err());
    const states = worker.events.map((event) => ('state' in event ? event.state : event.type));
    assert.deepEqual(states.sort(), [
      ...['failed', 'failed', 'retrying', 'retrying'],
      ...['started', 'started', 'started', 'started'],
    ]);

    const waited = await queue.run('status', ['--wait']);
    assert.equal(waited.code, 3);
    const { state, counts, shards } = JSON.parse(waited.out);
    assert.deepEqual([state, counts.failed], ['failed', 2]);
    const reason = `${given.data}: no such file. Check the path`;
    assert.deepEqual([shards[0].reason, shards[0].failures], [reason, 2]);
    const shown = await run(['queue', 'status', '--redis', redis.url, '--queue', queue.name]);
    assert.equal(shown.code, 0);
    assert.match(shown.out, /^[0-9a-f]{12} {2}failed {2}\/.*\nutterances {2}0\/6000 \(0%\)\n/);
    assert.ok(shown.out.includes(`  shard     1  failed    ${reason}\n`), shown.out);

    renameSync(`${given.data}.away`, given.data);
    assert.equal((await queue.add([...args, '0.1'])).failed, 2);
    assert.equal((await queue.add([...args, '0.1', '--retry'])).retried, 2);
    assert.equal(await queue.work('--drain').ended, 0);
    assertSame(out, whole);
  });

  it('files that changed since the run was added are not evaluated', async () => {
    const manifest = scratch.write(readFileSync(given.manifest), 'manifest.jsonl');
    const out = join(scratch.folder, 'changed');
    const changed = files.map((word) => (word === given.manifest ? manifest : word));
    await queue.add([...changed, '--out', out, '--shards', '1']);
    scratch.write(readFileSync(manifest, 'utf8').replace('utt-7"', 'utt-x"'), 'manifest.jsonl');
    const worker = queue.work('--drain');
    assert.equal(await worker.ended, 3, worker.err());
    const [event] = worker.events.filter((each) => isJob(each, 'shard', 'failed'));
    assert.match(event!.reason!, /^the files have changed since .*: the manifest is another$/);
    assert.ok(!existsSync(join(out, 'results.jsonl')));
  });

  it('merges into the asked format, and says which utterances were faulty', async () => {
    const own = makeCase(scratch, { utterances: 30 }, (n, fields) =>
      n === 7 ? { ...fields, text: 'z' } : fields,
    );
    const out = join(scratch.folder, 'csv');
    await queue.add([...own.args.slice(1), '--out', out, '--shards', '4', '--format', 'csv']);
    assert.equal(await queue.work('--drain').ended, 0);
    assert.equal((await run([...own.args, '--out', `${out}-1`, '--format', 'csv'])).code, 0);
    assertSame(out, `${out}-1`, ['results.csv', 'summary.json']);
    const { code, out: text } = await queue.run('status', ['--strict']);
    assert.equal(code, 1);
    assert.deepEqual(JSON.parse(text).statuses, { ok: 29, 'unknown-symbol': 1 });
  });

  it('more shards than utterances', async () => {
    const own = makeCase(scratch, { utterances: 3 });
    const out = join(scratch.folder, 'few');
    await queue.add([...own.args.slice(1), '--out', out, '--shards', '8']);
    assert.equal(await queue.work('--drain').ended, 0);
    assert.deepEqual(
      readLines<{ id: string }>(join(out, 'results.jsonl')).map(({ id }) => id),
      ['utt-0', 'utt-1', 'utt-2'],
    );
  });
});
