// Runs that are killed at random moments, and what they come to when they go on.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SummaryFile } from '../lib/eval/report.js';
import { Scratch } from './io.helpers.js';
import { makeCase, run, start } from './support/evalCase.js';

const kills = 50;

describe('node-ctc eval, stopped in the middle', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const given = makeCase(scratch, { utterances: 3000, frames: 24 });
  const whole = join(scratch.folder, 'whole');
  const out = join(scratch.folder, 'killed');
  // Some 35 batches.
  const args = [...given.args, '--batch-mb', '0.05', '--threads', '1', '--quiet'];
  /** Milliseconds of an undisturbed run. */
  let duration: number;

  before(async function () {
    this.timeout(60_000);
    const began = performance.now();
    const { code, err } = await run([...args, '--out', whole]);
    duration = performance.now() - began;
    assert.deepEqual([code, err], [0, '']);
  });

  function assertWhole(): void {
    for (const name of ['results.jsonl', 'summary.json']) {
      assert.ok(readFileSync(join(out, name)).equals(readFileSync(join(whole, name))), name);
    }
    assert.deepEqual(readdirSync(out).sort(), readdirSync(whole).sort());
  }

  it(`with SIGKILL ${kills} times: every run that ends has the same bytes`, async function () {
    this.timeout(600_000);
    let killed = 0;
    let ended = 0;
    let inTheMiddle = 0;
    while (killed < kills || ended === 0) {
      const child = start([...args, '--out', out, '--resume']);
      child.stdout!.resume();
      child.stderr!.resume();
      const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
      // Half of the moments count from the time when the journal is there.
      if (killed % 2 === 0) await waitForJournal(closed);
      const delay = Math.random() * duration * (killed % 2 === 0 ? 0.5 : 1);
      await Promise.race([
        sleep(killed < kills ? delay : 600_000, undefined, { ref: false }),
        closed,
      ]);
      child.kill('SIGKILL');
      const code = await closed;
      if (code === null) {
        killed += 1;
        if (existsSync(join(out, 'results.journal'))) inTheMiddle += 1;
        continue;
      }
      assert.equal(code, 0);
      ended += 1;
      assertWhole();
      rmSync(out, { recursive: true });
    }
    assert.ok(inTheMiddle > 5, `only ${inTheMiddle} of ${killed} kills were in the middle`);
  });

  it('with SIGKILL in a shard: it is merged as if nothing had happened', async function () {
    this.timeout(120_000);
    const shards = join(scratch.folder, 'shards');
    const shard = (i: number) => [...args, '--out', shards, '--shard', `${i}/2`, '--resume'];
    const child = start(shard(1));
    child.stdout!.resume();
    const closed = new Promise((resolve) => child.once('close', resolve));
    await waitFor(() => existsSync(join(shards, 'shard-00001-of-00002.journal')), closed);
    child.kill('SIGKILL');
    await closed;
    const early = await run(['merge', shards]);
    assert.equal(early.code, 3);
    for (const i of [0, 1]) assert.equal((await run(shard(i))).code, 0);
    assert.equal((await run(['merge', shards])).code, 0);
    for (const name of ['results.jsonl', 'summary.json']) {
      assert.ok(readFileSync(join(shards, name)).equals(readFileSync(join(whole, name))), name);
    }
  });

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`with ${signal}: exit code ${code}, and it says how to go on`, async function () {
      this.timeout(120_000);
      rmSync(out, { recursive: true, force: true });
      const child = start([...args, '--out', out]);
      let err = '';
      child.stderr!.on('data', (chunk) => {
        err += chunk;
      });
      child.stdout!.resume();
      const closed = new Promise((resolve) => child.once('close', resolve));
      await waitForJournal(closed);
      child.kill(signal);
      assert.equal(await closed, code);
      assert.match(
        err,
        /^interrupted\n\d+ utterances? done and kept\. To go on:\n {2}node-ctc eval .* --resume\n$/,
      );
      const { code: resumed } = await run([...args, '--out', out, '--resume']);
      assert.equal(resumed, 0);
      assertWhole();
    });
  }

  it('keeps counting what was done before', () => {
    const { utterances } = JSON.parse(
      readFileSync(join(out, 'summary.json'), 'utf8'),
    ) as SummaryFile;
    assert.equal(utterances, 3000);
  });

  function waitForJournal(closed: Promise<unknown>): Promise<void> {
    return waitFor(() => existsSync(join(out, 'results.journal')), closed);
  }

  async function waitFor(there: () => boolean, closed: Promise<unknown>): Promise<void> {
    let over = false;
    closed.then(() => {
      over = true;
    });
    while (!over && !there()) await sleep(1);
  }
});
