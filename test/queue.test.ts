// Evaluations as jobs on a real Redis server.

import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import type { EvalRecord } from '../lib/eval/record.js';
import type { JobEvent } from '../lib/queue/index.js';
import { root } from './io.helpers.js';
import { makeCase, readLines, run, splitCase } from './support/evalCase.js';
import { QueueSuite } from './support/queueSuite.js';
import { assertSame, isJob, specOf, TestQueue } from './support/queueWorkers.js';

describe('node-ctc queue', function () {
  this.timeout(120_000);
  const suite = QueueSuite.use('test');
  const { scratch, given, whole, spec } = suite;

  it('three workers, one killed in the middle of a shard: the bytes of one run, merged once', async () => {
    const {
      run: id,
      out,
      team,
      worker: victim,
      shard,
    } = await suite.queue.catch((attempt) => spec(`three-${attempt}`, 6), 3, '--drain');
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
    const timings = readFileSync(join(out, `shard-0000${shard}-of-00006.timings.json`), 'utf8');
    assert.ok(JSON.parse(timings).resumedAfter > 0, timings);

    const waited = await suite.queue.run('status', ['--wait', '--strict']);
    assert.deepEqual([waited.code, waited.err], [0, '']);
    const { state, done, counts, statuses } = JSON.parse(waited.out);
    assert.deepEqual([state, done, counts.complete, statuses], ['complete', 6000, 6, { ok: 6000 }]);
    const again = await suite.queue.run('add', [
      ...given.args.slice(1),
      '--out',
      out,
      '--shards',
      '6',
    ]);
    assert.deepEqual([again.code, again.err], [0, '']);
    assert.deepEqual(JSON.parse(again.out), {
      ...{ type: 'run', run: id, state: 'complete', shards: 6, utterances: 6000 },
      ...{ retried: 0, failed: 0, out },
    });
  });

  it('a merge that is done again, or was cut off, changes nothing', async () => {
    const { run: id, out } = await suite.queue.add(spec('again', 2));
    assert.deepEqual((await suite.queue.drain()).report, { shards: 2, merged: 1, failed: 0 });
    const { mtimeMs } = statSync(join(out, 'results.jsonl'));
    for (const cutOff of [false, true]) {
      if (cutOff) rmSync(join(out, 'summary.json'));
      await suite.queue.use('runs', async (runs) => (await runs.getJob(id))!.retry('completed'));
      assert.deepEqual((await suite.queue.drain()).report, { shards: 0, merged: 1, failed: 0 });
      assertSame(out, whole);
      assert.equal(statSync(join(out, 'results.jsonl')).mtimeMs === mtimeMs, !cutOff);
    }
  });

  it('a run that is added again is left as it is; its folder belongs to it', async () => {
    const { run: id, out } = await suite.queue.add(spec('same', 3));
    const again = await suite.queue.add(spec('same', 3));
    assert.deepEqual([again.run, again.state], [id, 'present']);
    assert.equal((await suite.queue.status()).length, 1);

    await assert.rejects(suite.queue.add(spec('same', 4)), {
      code: 'ERR_CTC_INVALID_ARG_VALUE',
      message: new RegExp(`same is the folder of run ${id}, which is in the queue: .*--overwrite`),
    });
    const replaced = await suite.queue.add(spec('same', 4), { overwrite: true });
    const [status, ...more] = await suite.queue.status();
    assert.deepEqual([status!.run, status!.counts.waiting, more], [replaced.run, 4, []]);
    assert.deepEqual(await suite.queue.status(replaced.run.slice(0, 6)), [status]);
    await suite.queue.drain();
    assertSame(out, whole);

    // What another run has left on the disk counts, too.
    const other = new TestQueue(suite.redis.url, `${suite.queue.name}-other`);
    await assert.rejects(
      other.add(spec('same', 5)),
      /is of another run: there are 4 shards in it; --overwrite/,
    );
    await assert.rejects(
      other.add(spec('same', 4, { worst: 3 })),
      /is of another run: worst was 10 and is 3; --overwrite/,
    );
    assert.equal((await other.add(spec('same', 4))).state, 'complete');
    await other.add(spec('same', 4, { worst: 3 }), { overwrite: true });
    assert.deepEqual(readdirSync(out), []);
  });

  it('results that were taken away are made again', async () => {
    const { run: id, out } = await suite.queue.add(spec('lost', 2));
    await suite.queue.drain();
    rmSync(out, { recursive: true });
    const again = await suite.queue.add(spec('lost', 2));
    assert.deepEqual([again.run, again.state], [id, 'added']);
    await suite.queue.drain();
    assertSame(out, whole);
  });

  it('a shard whose file cannot be read is tried again, then has failed; --retry puts it back', async () => {
    const quick = { attempts: 2, retrySeconds: 0.1 };
    const { out } = await suite.queue.add(spec('failing', 2), quick);
    renameSync(given.data, `${given.data}.away`);
    try {
      const worker = suite.queue.work('--drain');
      assert.equal(await worker.ended, 3, worker.err());
      const states = worker.events.map((event) => ('state' in event ? event.state : event.type));
      assert.deepEqual(states.filter((state) => state !== 'started').sort(), [
        'failed',
        'failed',
        'retrying',
        'retrying',
      ]);
      const waited = await suite.queue.run('status', ['--wait']);
      assert.equal(waited.code, 3);
      const { state, counts, shards } = JSON.parse(waited.out);
      assert.deepEqual([state, counts.failed], ['failed', 2]);
      const reason = `${given.data}: no such file. Check the path`;
      assert.deepEqual([shards[0].reason, shards[0].failures], [reason, 2]);
      const shown = await run([
        'queue',
        'status',
        '--redis',
        suite.redis.url,
        '--queue',
        suite.queue.name,
      ]);
      assert.equal(shown.code, 0);
      assert.match(shown.out, /^[0-9a-f]{12} {2}failed {2}\/.*\nutterances {2}0\/6000 \(0%\)\n/);
      assert.ok(shown.out.includes(`  shard     1  failed    ${reason}\n`), shown.out);
    } finally {
      renameSync(`${given.data}.away`, given.data);
    }
    assert.equal((await suite.queue.add(spec('failing', 2), quick)).failed, 2);
    assert.equal((await suite.queue.add(spec('failing', 2), { retry: true })).retried, 2);
    assert.deepEqual((await suite.queue.drain()).report, { shards: 2, merged: 1, failed: 0 });
    assertSame(out, whole);
  });

  it('files that changed since the run was added are not evaluated', async () => {
    const manifest = scratch.write(readFileSync(given.manifest), 'manifest.jsonl');
    const { out } = await suite.queue.add(spec('changed', 1, { manifest }));
    scratch.write(readFileSync(manifest, 'utf8').replace('utt-7"', 'utt-x"'), 'manifest.jsonl');
    const { report, events } = await suite.queue.drain();
    assert.deepEqual(report, { shards: 0, merged: 0, failed: 1 });
    const [event] = events.filter((each) => isJob(each, 'shard', 'failed'));
    assert.match(event!.reason!, /^the files have changed since .*: the manifest is another$/);
    assert.ok(!existsSync(join(out, 'results.jsonl')));
  });

  it('merges into the asked format, and says which utterances were faulty', async () => {
    const own = makeCase(scratch, { utterances: 30 }, (n, fields) =>
      n === 7 ? { ...fields, text: 'z' } : fields,
    );
    const { out } = await suite.queue.add(spec('csv', 4, { ...specOf(own), format: 'csv' }));
    await suite.queue.drain();
    assert.equal((await run([...own.args, '--out', `${out}-1`, '--format', 'csv'])).code, 0);
    assertSame(out, `${out}-1`, ['results.csv', 'summary.json']);
    const { code, out: text } = await suite.queue.run('status', ['--strict']);
    assert.equal(code, 1);
    assert.deepEqual(JSON.parse(text).statuses, { ok: 29, 'unknown-symbol': 1 });
  });

  it('--html: the page of one run, once; made again where it was taken away', async () => {
    const own = makeCase(scratch, { utterances: 40 }, (n, fields) =>
      n === 7 ? { ...fields, text: 'z' } : fields,
    );
    const at = (name: string) => join(scratch.folder, name);
    const [alone, page] = [at('alone.html'), at('pages/report.html')];
    assert.equal((await run([...own.args, '--html', alone])).code, 0);
    const files = [own.data, ...own.args.slice(2), '--out', at('pages')];
    const add = (...more: string[]) => {
      return suite.queue.run('add', [...files, '--format', 'csv', '--shards', '3', ...more]);
    };
    const added = await add('--html', page);
    assert.deepEqual([added.code, added.err], [0, '']);
    // As a process: the plotting library draws other lines where it sees a test runner's globals.
    const work = async () => {
      const worker = suite.queue.work('--drain');
      assert.equal(await worker.ended, 0, worker.err());
      const merges = worker.events.filter((event) => isJob(event, 'merge', 'done'));
      return merges.map(({ results, html }) => [results, html]);
    };
    assert.deepEqual(await work(), [[at('pages/results.csv'), page]]);
    assert.ok(readFileSync(page).equals(readFileSync(alone)));
    assert.equal(JSON.parse((await add('--html', page)).out).state, 'complete');

    rmSync(page);
    assert.equal(JSON.parse((await add('--html', page)).out).state, 'added');
    assert.deepEqual(await work(), [[at('pages/results.csv'), page]]);
    assert.ok(readFileSync(page).equals(readFileSync(alone)));

    // Said before the run, not after it.
    const folder = await add('--html', at('pages'), '--overwrite');
    assert.equal(folder.code, 3);
    assert.match(folder.err, /^error: .*pages: cannot be written: it is a folder or a device/);
    assert.ok(existsSync(at('pages/results.csv')));
  });

  it('unreadable, truncated and missing files: the bytes of one run, whatever the paths to them', async () => {
    const own = makeCase(scratch, { utterances: 12 });
    const here = join(scratch.folder, 'here');
    const there = join(scratch.folder, 'there');
    mkdirSync(here);
    splitCase(own, join(here, 'logits'), (path, bytes, n) => {
      if (n === 2) writeFileSync(path, 'unreadable');
      if (n === 5) writeFileSync(path, bytes.subarray(0, bytes.length - 7));
      if (n === 6) symlinkSync('nowhere.npy', path);
      return [2, 5, 6, 9].includes(n);
    });
    copyFileSync(own.manifest, join(here, 'manifest.jsonl'));
    copyFileSync(own.tokens, join(here, 'tokens.txt'));
    const files = (folder: string) => ({
      data: [join(folder, 'logits')],
      manifest: join(folder, 'manifest.jsonl'),
      tokens: join(folder, 'tokens.txt'),
    });

    const alone = join(scratch.folder, 'alone');
    const { data, manifest, tokens } = files(relative(root, here));
    const args = ['eval', ...data, '--manifest', manifest, '--tokens', tokens, '--out', alone];
    assert.equal((await run(args)).code, 3);
    const records = readLines<EvalRecord>(join(alone, 'results.jsonl'));
    const faulty = records.filter(({ status }) => status !== 'ok');
    assert.deepEqual(
      faulty.map(
        ({ id, status, reason }) => `${id} ${status}: ${reason!.split(/[:.] /, 2).join(': ')}`,
      ),
      [
        'utt-2 unreadable: utt-2.npy: is not a .npy file',
        'utt-5 unreadable: utt-5.npy: the shape (24, 6) of float32 needs 576 bytes and the file holds 569',
        'utt-6 unreadable: utt-6.npy: no such file',
        'utt-9 no-output: the data has no utterance of this id',
      ],
    );

    const absolute = { ...files(here), out: join(scratch.folder, 'absolute'), shards: 3 };
    await suite.queue.add(absolute);
    await suite.queue.drain();
    assertSame(absolute.out, alone);

    const html = join(here, 'report.html');
    const rooted = { ...files(here), out: join(here, 'results'), shards: 2, html };
    await suite.queue.add(rooted, { root: here });
    cpSync(here, there, { recursive: true, verbatimSymlinks: true });
    await suite.queue.drain({ root: there });
    assertSame(join(there, 'results'), alone);
    assert.ok(existsSync(join(there, 'report.html')) && !existsSync(html));
  });

  it('more shards than utterances', async () => {
    const own = makeCase(scratch, { utterances: 3 });
    const { out } = await suite.queue.add(spec('few', 8, specOf(own)));
    assert.deepEqual((await suite.queue.drain()).report, { shards: 8, merged: 1, failed: 0 });
    assert.equal(readFileSync(join(out, 'results.jsonl'), 'utf8').split('\n').length, 4);
  });
});
