// worker_threads: the addon in several at once, workers that are terminated in the middle of jobs, and
// process.exit during jobs. What may take the process down runs in a process of its own.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { expectedOf, makeBatch } from './support/batch.js';
import { assertBitwise } from './support/close.js';
import { root } from './support/paths.js';

const shape = { T: 120, N: 4, C: 30, L: 25 };

// A batch that one thread works on for a while.
const long = `
  const { ctcLoss, ctcLossSync } = require('node-ctc');
  const { Worker, isMainThread, parentPort } = require('node:worker_threads');
  const [T, N, C] = [1500, 8, 64];
  const data = new Float32Array(new SharedArrayBuffer(4 * T * N * C));
  data.forEach((_, i) => { data[i] = 3 * Math.sin(i * i); });
  const targets = Array.from({ length: N }, (_, n) =>
    Array.from({ length: 300 }, (_, i) => 1 + ((i * i + n) % (C - 1))));
  const start = (options) => ctcLoss({ data, shape: [T, N, C] }, targets, { threads: 1, ...options });
`;

/** Runs a CommonJS script; its exit code, signal and output. */
async function runScript(body: string) {
  const args = ['-e', `${long}\n(async () => { ${body} })();`];
  // A process that hangs is killed, and the signal tells.
  const options = { cwd: root, timeout: 100_000 };
  const failed = (error: { code?: number; signal?: string; stdout: string; stderr: string }) =>
    error;
  const run = promisify(execFile)(process.execPath, args, options);
  const {
    code = 0,
    signal = null,
    stdout,
    stderr,
  } = await run.then((output) => ({ ...output, code: 0, signal: null }), failed);
  return { code, signal, stdout, stderr };
}

/** Starts a worker with `body`, which has `start` and posts 'started'. */
const worker = (body: string) => `
  const source = ${JSON.stringify(long)} + ${JSON.stringify(body)};
  const spawn = async () => {
    const one = new Worker(source, { eval: true });
    one.on('error', (error) => { console.log('worker error', error.message); });
    await new Promise((resolve) => one.once('message', resolve));
    return one;
  };
`;

describe('worker_threads', function () {
  this.timeout(120_000);

  it('the pool outlives workers that alone loaded the addon', async () => {
    const source = `
      const { beamDecodeSync } = require('node-ctc');
      const data = Float32Array.from({ length: 1600 }, (_, i) => (i * 7919 % 97) / 30);
      beamDecodeSync({ data, shape: [10, 8, 20] }, { threads: 8, beamWidth: 2 });
    `;
    // Not through runScript: there the main thread has loaded the addon as well.
    const script = `
      const { Worker } = require('node:worker_threads');
      (async () => {
        for (let i = 0; i < 60; i++) {
          const one = new Worker(${JSON.stringify(source)}, { eval: true });
          await new Promise((resolve, reject) => one.on('error', reject).on('exit', resolve));
        }
        console.log('alive');
      })();
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: root });
    assert.equal(stdout, 'alive\n');
  });

  it('calls in several workers at once give the same bits', async () => {
    const { data, targets, shape: dims, inputLengths } = makeBatch(shape);
    const expected = expectedOf(shape);
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { ctcLoss, ctcLossSync } = require('node-ctc');
      const { data, dims, targets, inputLengths } = workerData;
      const options = { inputLengths, reduction: 'sum' };
      const jobs = Array.from({ length: 5 }, () => ctcLoss({ data, shape: dims }, targets, options));
      const sync = ctcLossSync({ data, shape: dims }, targets, options);
      Promise.all(jobs).then((results) => {
        parentPort.postMessage([sync, ...results].map(({ losses, gradient }) => ({ losses, gradient })));
      });
    `;
    const workers = Array.from(
      { length: 4 },
      () => new Worker(source, { eval: true, workerData: { data, dims, targets, inputLengths } }),
    );
    const answers = await Promise.all(workers.map((one) => once(one, 'message')));
    for (const [results] of answers) {
      assert.equal(results.length, 6);
      for (const { losses, gradient } of results) {
        assertBitwise(losses, expected.losses, 'losses');
        assertBitwise(gradient, expected.gradient, 'gradient');
      }
    }
    const codes = await Promise.all(workers.map((one) => one.terminate()));
    assert.equal(codes.length, 4);
  });

  it('terminate() during jobs neither aborts nor hangs the process', async () => {
    const body = `
      for (let i = 0; i < 12; i += 1) start().catch(() => {});
      for (let i = 0; i < 3; i += 1) start({ signal: new AbortController().signal }).catch(() => {});
      parentPort.postMessage('started');
    `;
    const { code, signal, stdout, stderr } = await runScript(`
      ${worker(body)}
      for (let round = 0; round < 4; round += 1) {
        const workers = await Promise.all([spawn(), spawn()]);
        // Some while jobs wait, some while they run.
        await new Promise((resolve) => setTimeout(resolve, 15 * round));
        await Promise.all(workers.map((one) => one.terminate()));
      }
      const mine = await start();
      const again = ctcLossSync({ data, shape: [T, N, C] }, targets);
      console.log(mine.loss === again.loss ? 'alive' : 'wrong');
    `);
    assert.deepEqual(
      { code, signal, stdout },
      { code: 0, signal: null, stdout: 'alive\n' },
      stderr,
    );
  });

  it('terminate() of a worker does not disturb the jobs of others', async () => {
    const body = `for (let i = 0; i < 6; i += 1) start().catch(() => {});
      parentPort.postMessage('started');`;
    const { code, signal, stdout, stderr } = await runScript(`
      ${worker(body)}
      const mine = [start(), start(), start({ signal: new AbortController().signal })];
      const one = await spawn();
      await one.terminate();
      const losses = (await Promise.all(mine)).map(({ loss }) => loss);
      const { loss } = ctcLossSync({ data, shape: [T, N, C] }, targets);
      console.log(losses.every((other) => other === loss) ? 'right' : 'wrong');
    `);
    assert.deepEqual(
      { code, signal, stdout },
      { code: 0, signal: null, stdout: 'right\n' },
      stderr,
    );
  });

  it('an error that ends a worker during jobs is only that', async () => {
    const body = `for (let i = 0; i < 6; i += 1) start().catch(() => {});
      parentPort.postMessage('started');
      setImmediate(() => { throw new Error('on purpose'); });`;
    const { code, signal, stdout, stderr } = await runScript(`
      ${worker(body)}
      const one = await spawn();
      await new Promise((resolve) => one.once('exit', resolve));
      console.log('alive');
    `);
    const expected = 'worker error on purpose\nalive\n';
    assert.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: expected }, stderr);
  });

  it('process.exit() during jobs ends the process with its code', async () => {
    for (const wait of [0, 20]) {
      const { code, signal, stdout, stderr } = await runScript(`
        for (let i = 0; i < 12; i += 1) start().then(() => {}, () => {});
        await new Promise((resolve) => setTimeout(resolve, ${wait}));
        process.exit(7);
      `);
      assert.deepEqual({ code, signal, stdout }, { code: 7, signal: null, stdout: '' }, stderr);
    }
  });

  it('process.exit() while workers have jobs ends the process with its code', async () => {
    const body = `for (let i = 0; i < 6; i += 1) start().catch(() => {});
      parentPort.postMessage('started');`;
    const { code, signal, stderr } = await runScript(`
      ${worker(body)}
      await Promise.all([spawn(), spawn()]);
      start().catch(() => {});
      process.exit(5);
    `);
    assert.deepEqual({ code, signal }, { code: 5, signal: null }, stderr);
  });

  it('a process whose jobs are done ends by itself', async () => {
    const { code, signal, stdout, stderr } = await runScript(`
      const { loss } = await start({ signal: new AbortController().signal });
      console.log(Number.isFinite(loss));
    `);
    assert.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: 'true\n' }, stderr);
  });
});
