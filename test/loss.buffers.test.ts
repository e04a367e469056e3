// Asynchronous calls while JavaScript does its worst with the memory: the right result or a clear error,
// and the process lives. What is done to a buffer happens while the job is queued or runs.

import assert from 'node:assert/strict';
import { MessageChannel, markAsUntransferable } from 'node:worker_threads';
import { ctcLoss } from '../lib/index.js';
import { resizableBuffer } from './support/badCalls/row.js';
import { collectGarbage, detach, expectedOf, makeBatch, placed } from './support/batch.js';
import { assertBitwise } from './support/close.js';

const shape = { T: 220, N: 6, C: 30, L: 40 };
type Resizable = ArrayBuffer & { resize(bytes: number): void };
type Transferable = ArrayBuffer & { transfer?(bytes?: number): ArrayBuffer };
const hasTransfer = 'transfer' in ArrayBuffer.prototype;

function collect(): void {
  assert.ok(collectGarbage, 'run with --expose-gc');
  collectGarbage();
  // What was freed is handed out again and overwritten.
  for (let i = 0; i < 4; i += 1) new Float32Array(shape.T * shape.N * shape.C).fill(Number.NaN);
}

/** Ways to take memory away, or to spoil it. */
const harm: Record<string, (data: Float32Array) => void> = {
  'detached by structuredClone': detach,
  'moved through a MessageChannel': (data) => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(data, [data.buffer as ArrayBuffer]);
    port1.close();
    port2.close();
  },
  'overwritten with NaN': (data) => {
    data.fill(Number.NaN);
  },
};
if (hasTransfer) {
  harm['moved by transfer()'] = (data) => {
    (data.buffer as Transferable).transfer?.();
  };
  harm['shrunk by transfer(8)'] = (data) => {
    (data.buffer as Transferable).transfer?.(8);
  };
}

describe('buffers of asynchronous calls', () => {
  const expected = expectedOf(shape);
  const options = () => ({
    inputLengths: makeBatch(shape).inputLengths,
    reduction: 'sum' as const,
  });
  const assertRight = (result: { losses: Float64Array; gradient: Float32Array }) => {
    assertBitwise(result.losses, expected.losses, 'losses');
    assertBitwise(result.gradient, expected.gradient, 'gradient');
  };

  describe("'auto' (default)", () => {
    for (const [what, spoil] of Object.entries(harm)) {
      it(`the input is ${what}: the result is as if it had not been`, async () => {
        const { data, targets, shape: dims } = makeBatch(shape);
        const jobs = Array.from({ length: 6 }, () =>
          ctcLoss({ data, shape: dims }, targets, options()),
        );
        spoil(data);
        collect();
        for (const result of await Promise.all(jobs)) assertRight(result);
      });
    }

    it('a resizable input is shrunk to nothing', async () => {
      const { data, targets, shape: dims } = makeBatch(shape);
      const buffer = resizableBuffer(data.byteLength) as Resizable;
      const job = ctcLoss({ data: placed(data, buffer), shape: dims }, targets, options());
      buffer.resize(0);
      collect();
      assertRight(await job);
    });

    it('labels and lengths are changed after the call, in shared memory too', async () => {
      const { data, targets, shape: dims, inputLengths } = makeBatch(shape);
      const shared = new Int32Array(new SharedArrayBuffer(4 * shape.N * shape.L));
      shared.set(targets.flat());
      const lengths = Int32Array.from(inputLengths);
      const targetLengths = new Array(shape.N).fill(shape.L);
      const job = ctcLoss({ data, shape: dims }, shared, {
        ...options(),
        inputLengths: lengths,
        targetLengths,
      });
      shared.fill(0x7fffffff);
      lengths.fill(-1);
      targetLengths.length = 0;
      assertRight(await job);
    });

    it('a SharedArrayBuffer is read in place', async () => {
      const { data, targets, shape: dims } = makeBatch(shape);
      const shared = placed(data, new SharedArrayBuffer(data.byteLength));
      assertRight(await ctcLoss({ data: shared, shape: dims }, targets, options()));
      // Written during the job: any numbers may come out, from labels that are still the checked ones.
      const job = ctcLoss({ data: shared, shape: dims }, targets, options());
      shared.fill(Number.NaN);
      const { status } = await job;
      assert.equal(status.length, shape.N);
    });
  });

  for (const buffers of ['auto', 'borrow', 'transfer'] as const) {
    it(`'${buffers}': input, targets and gradient are dropped and collected during the job`, async () => {
      const start = (own: boolean) => {
        const { data, targets, shape: dims } = makeBatch(shape);
        const gradient = own ? new Float32Array(data.length) : true;
        return ctcLoss({ data, shape: dims }, targets, { ...options(), buffers, gradient });
      };
      const jobs = Array.from({ length: 8 }, (_, i) => start(i % 2 === 0));
      for (let i = 0; i < 3; i += 1) {
        collect();
        await new Promise(setImmediate);
      }
      for (const result of await Promise.all(jobs)) {
        assertRight(result as { losses: Float64Array; gradient: Float32Array });
      }
    });

    it(`'${buffers}': a Node Buffer, from the pool and of its own`, async () => {
      const small = { T: 8, N: 1, C: 10, L: 2 };
      const wanted = expectedOf(small);
      for (const alone of [false, true]) {
        const { data, targets, shape: dims, inputLengths } = makeBatch(small);
        const bytes = Buffer.from(data.buffer as ArrayBuffer);
        // Buffer.allocUnsafe hands out pieces of a pool, at multiples of 8 bytes.
        const held = alone ? Buffer.alloc(bytes.length) : Buffer.allocUnsafe(bytes.length);
        bytes.copy(held);
        const pooled = held.buffer.byteLength > held.length;
        assert.equal(pooled, !alone);
        const input = { data: held, shape: dims, type: 'float32' };
        const result = await ctcLoss(input, targets, { inputLengths, reduction: 'sum', buffers });
        assertBitwise(result.losses, wanted.losses, 'losses');
        assert.ok(result.gradient instanceof Float32Array);
        assertBitwise(result.gradient, wanted.gradient, 'gradient');
        if (buffers !== 'transfer') {
          assert.equal('input' in result, false);
          continue;
        }
        const back = result.input as Buffer;
        assert.ok(Buffer.isBuffer(back));
        assert.ok(back.equals(bytes));
        // The pool belongs to others as well: it stays where it is.
        assert.equal(held.length, pooled ? bytes.length : 0);
      }
    });
  }

  describe("'transfer'", () => {
    it('takes the buffer over and hands it back, without a copy of its own', async () => {
      const { data, targets, shape: dims } = makeBatch(shape);
      const copy = data.slice();
      const other = new Uint8Array(data.buffer, 16, 8);
      const job = ctcLoss({ data, shape: dims }, targets, { ...options(), buffers: 'transfer' });
      assert.equal(data.length, 0);
      assert.equal(other.length, 0, 'other views of the buffer see the same');
      const result = await job;
      assertRight(result);
      assert.ok(result.input instanceof Float32Array);
      assertBitwise(result.input, copy, 'input');
      const again = await ctcLoss({ data: result.input, shape: dims }, targets, {
        ...options(),
        buffers: 'transfer',
      });
      assertRight(again);
    });

    it('copies what it cannot take: a part of a buffer, resizable and untransferable ones', async () => {
      const { data, targets, shape: dims } = makeBatch(shape);
      const long = new Float32Array(data.length + 4);
      const part = long.subarray(4);
      part.set(data);
      const resizable = placed(data, resizableBuffer(data.byteLength));
      const marked = data.slice();
      markAsUntransferable(marked.buffer);
      for (const input of [part, resizable, marked]) {
        const job = ctcLoss({ data: input, shape: dims }, targets, {
          ...options(),
          buffers: 'transfer',
        });
        assert.equal(input.length, data.length);
        const result = await job;
        assertRight(result);
        assert.equal(result.input, input);
      }
    });

    it('leaves a SharedArrayBuffer where it is and hands the same view back', async () => {
      const { data, targets, shape: dims } = makeBatch(shape);
      const shared = placed(data, new SharedArrayBuffer(data.byteLength));
      const job = ctcLoss({ data: shared, shape: dims }, targets, {
        ...options(),
        buffers: 'transfer',
      });
      const result = await job;
      assertRight(result);
      assert.equal(result.input, shared);
    });

    it('a refused call takes nothing', async () => {
      const { data, shape: dims } = makeBatch(shape);
      const call = ctcLoss({ data, shape: dims }, [[1]], { buffers: 'transfer' });
      await assert.rejects(call, { code: 'ERR_CTC_INVALID_SHAPE' });
      assert.equal(data.length, shape.T * shape.N * shape.C);
    });

    it('an error after the start has the input on it', async () => {
      const { data, targets, shape: dims } = makeBatch(shape);
      // Masked out, which only computing tells.
      data.fill(0);
      for (let i = 0; i < data.length; i += shape.C) data.fill(-Infinity, i + 1, i + shape.C);
      const call = ctcLoss({ data, shape: dims }, targets, {
        buffers: 'transfer',
        infeasible: 'throw',
      });
      await assert.rejects(call, (error: Error & { code?: string; input?: Float32Array }) => {
        assert.equal(error.code, 'ERR_CTC_INFEASIBLE');
        assert.equal(error.input?.length, shape.T * shape.N * shape.C);
        return true;
      });
    });
  });

  describe("the caller's gradient array", () => {
    for (const buffers of ['auto', 'transfer'] as const) {
      it(`'${buffers}': detached or shrunk during the job, it is a clear error`, async () => {
        const resizable = () => {
          const buffer = resizableBuffer(4 * shape.T * shape.N * shape.C) as Resizable;
          return { gradient: new Float32Array(buffer), take: () => buffer.resize(8) };
        };
        const ordinary = () => {
          const gradient = new Float32Array(shape.T * shape.N * shape.C);
          return { gradient, take: () => detach(gradient) };
        };
        for (const make of [ordinary, resizable]) {
          const { data, targets, shape: dims } = makeBatch(shape);
          const { gradient, take } = make();
          const job = ctcLoss({ data, shape: dims }, targets, { ...options(), buffers, gradient });
          take();
          collect();
          await assert.rejects(job, (error: Error & { code?: string; input?: Float32Array }) => {
            assert.equal(error.name, 'RangeError');
            assert.equal(error.code, 'ERR_CTC_BUFFER');
            assert.match(error.message, /^gradient was detached or shrunk during the call/);
            const length = shape.T * shape.N * shape.C;
            assert.equal(error.input?.length, buffers === 'auto' ? undefined : length);
            return true;
          });
        }
      });
    }

    it('a resizable one that grows is written', async () => {
      const { data, targets, shape: dims } = makeBatch(shape);
      const buffer = resizableBuffer(data.byteLength) as Resizable;
      const gradient = new Float32Array(buffer, 0, data.length);
      const job = ctcLoss({ data, shape: dims }, targets, { ...options(), gradient });
      buffer.resize(2 * data.byteLength);
      assertRight((await job) as never);
    });

    it('one array for several jobs ends with one whole result', async () => {
      const { data, targets, shape: dims } = makeBatch(shape);
      const gradient = new Float32Array(data.length);
      const jobs = Array.from({ length: 5 }, () =>
        ctcLoss({ data, shape: dims }, targets, { ...options(), gradient }),
      );
      await Promise.all(jobs);
      assertBitwise(gradient, expected.gradient, 'gradient');
    });
  });
});
