// Many random jobs from several worker threads: the right answers, and no memory that stays.

import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { fillMemory } from './fill.js';
import { emulated } from './where.js';

const JOBS = 1000;
const WORKERS = 4;
/** Frames of a job at most: the emulation takes its time. */
const FRAMES = emulated ? 12 : 60;

const body = `
  const { parentPort, workerData } = require('node:worker_threads');
  const ctc = require('node-ctc');
  const { ctcLoss, ctcLossSync, DeviceTensor } = ctc;
  let state = workerData.seed;
  const below = (n) => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state % n; };
  async function job() {
    const T = 1 + below(workerData.frames), N = 1 + below(4), C = 2 + below(40);
    const data = Float32Array.from({ length: T * N * C }, () => (below(2000) - 1000) / 250);
    const targets = Array.from({ length: N }, () => Array.from({ length: below(1 + T / 2) }, () => 1 + below(C - 1)));
    const input = { data, shape: [T, N, C] };
    const cpu = ctcLossSync(input, targets, { threads: 1 });
    const source = below(2) ? input : await DeviceTensor.upload(input);
    const gpu = await ctcLoss(source, targets, { device: 'cuda' });
    const other = [
      (from, options) => ctc.greedyDecode(from, options),
      (from, options) => ctc.forcedAlign(from, targets, options),
      (from, options) => ctc.posteriors(from, targets, options),
    ][below(3)];
    const [found, wanted] = await Promise.all([other(source, { device: 'cuda' }), other(input, { threads: 1 })]);
    for (let n = 0; n < N; n++) {
      const [a, b] = [found.utterances[n], wanted.utterances[n]];
      if (a.status !== b.status || String(a.labels) !== String(b.labels)) throw new Error('labels ' + a.labels + ', not ' + b.labels);
    }
    if (source !== input && below(2)) source.dispose();
    for (let n = 0; n < N; n++) {
      const [a, b] = [gpu.losses[n], cpu.losses[n]];
      if (a !== b && !(Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b)))) throw new Error('loss ' + a + ', not ' + b);
    }
    gpu.gradient.forEach((g, i) => {
      if (!(Math.abs(g - cpu.gradient[i]) <= 2e-5)) throw new Error('gradient ' + g + ', not ' + cpu.gradient[i]);
    });
  }
  (async () => {
    for (let i = 0; i < workerData.jobs; i++) await job();
    parentPort.postMessage('done');
  })();`;

/** How much there is room for on the card, in parts of a 64th. */
function room(): number {
  const all = fillMemory();
  for (const tensor of all) tensor.dispose();
  return all.length;
}

/** Runs the jobs in worker threads; resolves when all have ended. */
async function round(seed: number, jobs: number): Promise<void> {
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, i) => {
      const workerData = { seed: seed * 100 + i, jobs: jobs / WORKERS, frames: FRAMES };
      const worker = new Worker(body, { eval: true, workerData, execArgv: [] });
      await new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('message', () => resolve());
      });
      await worker.terminate();
    }),
  );
}

describe('random jobs on a GPU from several worker threads', function () {
  this.timeout(600_000);

  it(`${JOBS} of them agree with the CPU and leave no memory behind`, async () => {
    await round(1, JOBS / 5);
    const before = process.memoryUsage().rss;
    const roomBefore = room();
    await round(2, JOBS);
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 150e6, `grew by ${grown} bytes`);
    assert.equal(room(), roomBefore);
  });
});
