// AbortSignal before, during and after a call, and an event loop that keeps turning.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ctcLoss } from '../lib/index.js';
import { expectedOf, makeBatch, placed } from './support/batch.js';
import { assertBitwise } from './support/close.js';

// One call takes long enough that some of a dozen still wait when all have been made.
const shape = { T: 600, N: 8, C: 60, L: 120 };

describe('AbortSignal', () => {
  const { data, targets, shape: dims, inputLengths } = makeBatch(shape);
  const input = { data: placed(data, new SharedArrayBuffer(data.byteLength)), shape: dims };
  const options = { inputLengths, reduction: 'sum' as const };
  const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

  it('aborted before the call: nothing is done', async () => {
    const reason = new Error('too late');
    const signal = AbortSignal.abort(reason);
    const gradient = new Float32Array(data.length).fill(7);
    const mine = data.slice();
    const call = ctcLoss({ data: mine, shape: dims }, targets, {
      signal,
      gradient,
      buffers: 'transfer',
    });
    await assert.rejects(call, (error) => error === reason);
    assert.ok(gradient.every((g) => g === 7));
    assert.equal(mine.length, data.length, 'the input was not taken');
    assert.equal(listeners(signal), 0);
  });

  it('aborted before the call, a bad argument comes first', async () => {
    const call = ctcLoss(input, [[1]], { signal: AbortSignal.abort() });
    await assert.rejects(call, { code: 'ERR_CTC_INVALID_SHAPE' });
  });

  it('aborted during the call: rejects with the reason, whatever that is', async () => {
    for (const reason of [undefined, new Error('enough'), 'a word', 42, null]) {
      const controller = new AbortController();
      const { signal } = controller;
      const job = ctcLoss(input, targets, { ...options, signal });
      assert.equal(listeners(signal), 1);
      controller.abort(reason);
      await assert.rejects(
        job.catch((error) => {
          assert.equal(error, signal.reason);
          throw new Error('rejected as it should');
        }),
        /as it should/,
      );
      assert.equal(listeners(signal), 0);
    }
  });

  it('aborted after the start of the work: the job stops and the next call works', async () => {
    const controller = new AbortController();
    const job = ctcLoss(input, targets, { ...options, threads: 1, signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort();
    // On a fast machine it may have ended before.
    const outcome = await job.then(
      () => 'done',
      (error: Error) => error.name,
    );
    assert.ok(['done', 'AbortError'].includes(outcome), outcome);
    const next = await ctcLoss(input, targets, options);
    assertBitwise(next.gradient, expectedOf(shape).gradient, 'gradient');
  });

  it('aborted after the end: nothing happens', async () => {
    const controller = new AbortController();
    const result = await ctcLoss(input, targets, { ...options, signal: controller.signal });
    assert.equal(listeners(controller.signal), 0);
    controller.abort();
    await new Promise(setImmediate);
    assertBitwise(result.gradient, expectedOf(shape).gradient, 'gradient');
  });

  it('one signal stops many jobs, with one listener and no warning', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    const controller = new AbortController();
    const { signal } = controller;
    const jobs = Array.from({ length: 40 }, () => ctcLoss(input, targets, { ...options, signal }));
    assert.equal(listeners(signal), 1);
    const bystander = ctcLoss(input, targets, options);
    controller.abort();
    const outcomes = await Promise.allSettled(jobs);
    for (const outcome of outcomes) {
      assert.equal(outcome.status, 'rejected');
      assert.equal(outcome.reason, signal.reason);
    }
    assertBitwise((await bystander).gradient, expectedOf(shape).gradient, 'gradient');
    assert.equal(listeners(signal), 0);
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    assert.deepEqual(warnings, []);
  });

  it('a job that took its input over hands it back, on the reason or beside it', async () => {
    const abort = (reason: unknown) => {
      const controller = new AbortController();
      const job = ctcLoss({ data: data.slice(), shape: dims }, targets, {
        ...options,
        signal: controller.signal,
        buffers: 'transfer',
      });
      controller.abort(reason);
      return job.then(
        () => assert.fail('must be rejected'),
        (error): Error & { input: Float32Array } => error,
      );
    };
    const reason = new Error('enough');
    const one = await abort(reason);
    assert.equal(one, reason);
    assertBitwise(one.input, data, 'input');
    for (const shared of [reason, 'a word', Object.freeze(new Error('frozen'))]) {
      const other = await abort(shared);
      assert.equal(other.name, 'AbortError');
      assert.equal(other.cause, shared);
      assertBitwise(other.input, data, 'input');
    }
  });

  it('AbortSignal.timeout ends a batch of jobs', async () => {
    const signal = AbortSignal.timeout(1);
    const jobs = Array.from({ length: 30 }, () =>
      ctcLoss(input, targets, { ...options, threads: 1, signal }),
    );
    const outcomes = await Promise.allSettled(jobs);
    const last = outcomes.at(-1);
    assert.equal(last?.status, 'rejected');
    assert.equal((last as PromiseRejectedResult).reason.name, 'TimeoutError');
  });
});

describe('the event loop', () => {
  it('keeps turning during a large asynchronous batch', async function () {
    this.timeout(120_000);
    // In shared memory, so that there is no copy to wait for; grown until it takes its time.
    let T = 500;
    for (;;) {
      const { data, targets, shape: dims } = makeBatch({ T, N: 8, C: 100, L: T / 4 });
      const input = { data: placed(data, new SharedArrayBuffer(data.byteLength)), shape: dims };
      const delay = monitorEventLoopDelay({ resolution: 1 });
      let turns = 0;
      const timer = setInterval(() => {
        turns += 1;
      }, 1);
      delay.enable();
      const start = performance.now();
      const job = ctcLoss(input, targets, { threads: 1 });
      const returned = performance.now() - start;
      await job;
      const took = performance.now() - start;
      delay.disable();
      clearInterval(timer);
      if (took < 300) {
        T *= 2;
        continue;
      }
      // A call that blocked would leave one turn, and one delay as long as all of it. A loaded machine
      // gives us less than every millisecond, but far more than that.
      assert.ok(turns >= 15, `${turns} turns in ${took} ms`);
      assert.ok(returned < took / 2, `returned after ${returned} of ${took} ms`);
      assert.ok(delay.max / 1e6 < took / 2, `stood still for ${delay.max / 1e6} of ${took} ms`);
      return;
    }
  });

  it('is not held up by small calls, one after another', async () => {
    const small = { data: Float32Array.of(0.5, -0.5), shape: [1, 1, 2] };
    const events: string[] = [];
    setTimeout(() => events.push('timer'), 1);
    setImmediate(() => events.push('immediate'));
    while (events.length < 2) await ctcLoss(small, [[1]]);
    assert.deepEqual(events.sort(), ['immediate', 'timer']);
  });

  it('a small call is computed from the numbers at the call, and an abort still rejects it', async () => {
    const data = Float32Array.of(0.5, -0.5);
    const call = ctcLoss({ data, shape: [1, 1, 2] }, [[1]]);
    data.fill(NaN);
    const expected = Math.log(Math.exp(0.5) + Math.exp(-0.5)) + 0.5;
    assert.ok(Math.abs((await call).loss - expected) < 1e-6);

    const controller = new AbortController();
    const aborted = ctcLoss({ data: Float32Array.of(0.5, -0.5), shape: [1, 1, 2] }, [[1]], {
      signal: controller.signal,
    });
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(aborted, (error) => error === reason);
  });
});
