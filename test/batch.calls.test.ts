// What forcedAlign and posteriors have in common as calls: what they refuse, whose memory they read,
// and how they stop.

import assert from 'node:assert/strict';
import { forcedAlign, forcedAlignSync, posteriors, posteriorsSync } from '../lib/index.js';
import { inputRows, lengthRows } from './support/badCalls/input.js';
import { good, type Row } from './support/badCalls/row.js';
import { targetRows } from './support/badCalls/targets.js';
import { normal, seeded } from './support/close.js';

const functions = {
  forcedAlign: { later: forcedAlign, now: forcedAlignSync },
  posteriors: { later: posteriors, now: posteriorsSync },
} as const;

type Later = (input: never, targets: never, options: never) => Promise<Answer>;
type Now = (input: never, targets: never, options: never) => Answer;
interface Answer {
  utterances: readonly { status: string }[];
  input?: Float32Array;
}

for (const [name, { later, now }] of Object.entries(functions) as [
  string,
  { later: Later; now: Now },
][]) {
  describe(name, () => {
    describe('refuses', () => {
      const tables: Row[][] = [inputRows, lengthRows, targetRows];
      for (const row of tables.flat()) {
        const { code, message } = row;
        const call = () => {
          const { input, targets, options } = { ...good(), ...row.change(good()) };
          const { reduction: _, ...rest } = options;
          return [input, targets, rest] as unknown as [never, never, never];
        };
        it(`${row.what}: ${message}`, async () => {
          const error = { name: row.name, code, message };
          if (row.only !== 'async') assert.throws(() => now(...call()), error);
          if (row.only !== 'sync') await assert.rejects(later(...call()), error);
        });
      }

      const rows: [what: string, options: object, code: string, message: RegExp][] = [
        ['a misspelled option', { blanck: 0 }, 'UNKNOWN_OPTION', /did you mean 'blank'/],
        [
          'options of the loss',
          { reduction: 'sum' },
          'UNKNOWN_OPTION',
          /unknown option 'reduction'/,
        ],
        ['a blank that is no class', { blank: 5 }, 'OUT_OF_RANGE', /^blank is 5/],
        ['an unknown kind of input', { input: 'logit' }, 'INVALID_ARG_VALUE', /mean 'logits'/],
        ['an unknown layout', { layout: 'CNT' }, 'INVALID_ARG_VALUE', /^layout is 'CNT'/],
        ['a device that is not there', { device: 'cuda' }, 'DEVICE', /cuda/],
        ['no threads', { threads: 0 }, 'OUT_OF_RANGE', /^threads is 0/],
        ['options that are a number', 5 as never, 'INVALID_ARG_TYPE', /options/],
      ];
      for (const [what, options, code, message] of rows) {
        it(what, async () => {
          const { input, targets } = good();
          const error = { code: `ERR_CTC_${code}`, message };
          const args = [input, targets, options] as unknown as [never, never, never];
          assert.throws(() => now(...args), error);
          await assert.rejects(later(...args), error);
        });
      }

      for (const options of [{ signal: new AbortController().signal }, { buffers: 'borrow' }]) {
        it(`${Object.keys(options)[0]} in the synchronous form`, () => {
          const { input, targets } = good();
          assert.throws(
            () => now(...([input, targets, options] as unknown as [never, never, never])),
            {
              code: 'ERR_CTC_INVALID_ARG_VALUE',
              message: new RegExp(`is an option of ${name}`),
            },
          );
        });
      }
    });

    describe('reads memory', () => {
      const [T, N, C] = [50, 4, 6];
      const targets = [[1, 2, 3], [4, 4], [], [5]];
      const fresh = (buffer: ArrayBufferLike = new ArrayBuffer(T * N * C * 4)) => {
        const random = seeded(60);
        const data = new Float32Array(buffer);
        for (let i = 0; i < data.length; i += 1) data[i] = 3 * normal(random);
        return data;
      };
      const args = (data: Float32Array, options: object = {}) =>
        [{ data, shape: [T, N, C] }, targets, options] as unknown as [never, never, never];
      const want = now(...args(fresh())).utterances;

      it("copies it under 'auto', so that later writes and transfers do not matter", async () => {
        const data = fresh();
        const promise = later(...args(data));
        data.fill(Number.NaN);
        structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
        const { utterances, input } = await promise;
        assert.deepEqual(utterances, want);
        assert.equal(input, undefined);
      });

      it('leaves it alone', async () => {
        const data = fresh();
        await later(...args(data));
        now(...args(data));
        assert.deepEqual(data, fresh());
      });

      it("in place under 'borrow' and in a SharedArrayBuffer", async () => {
        const data = fresh();
        assert.deepEqual((await later(...args(data, { buffers: 'borrow' }))).utterances, want);
        const shared = fresh(new SharedArrayBuffer(T * N * C * 4));
        assert.deepEqual((await later(...args(shared))).utterances, want);
        assert.deepEqual(now(...args(shared)).utterances, want);
      });

      it("taken over under 'transfer', and hands it back", async () => {
        const data = fresh();
        const promise = later(...args(data, { buffers: 'transfer' }));
        assert.equal(data.length, 0);
        const { utterances, input } = await promise;
        assert.deepEqual(utterances, want);
        assert.deepEqual(input, fresh());
      });

      it('in targets and lengths only before the call returns', async () => {
        const labels = Int32Array.of(1, 2, 3, 4, 4, 5);
        const targetLengths = [3, 2, 0, 1];
        const inputLengths = [50, 50, 50, 50];
        const rows = { data: fresh(), shape: [T, N, C] };
        const promise = later(
          rows as never,
          labels as never,
          { targetLengths, inputLengths } as never,
        );
        labels.fill(99);
        targetLengths.fill(-1);
        inputLengths.fill(10 ** 9);
        assert.deepEqual((await promise).utterances, want);
      });
    });

    describe('stops', () => {
      const large = () => {
        const [T, C] = [3000, 5];
        const random = seeded(61);
        const data = Float32Array.from({ length: T * C }, () => normal(random));
        const target = Array.from({ length: 300 }, (_, i) => 1 + (i % (C - 1)));
        return [{ data, shape: [T, C] }, target] as const;
      };

      it('before it starts, with the reason of the signal', async () => {
        const reason = new Error('not now');
        const [input, target] = large();
        const promise = later(
          input as never,
          target as never,
          { signal: AbortSignal.abort(reason) } as never,
        );
        await assert.rejects(promise, reason);
      });

      it('once it is under way, and hands the input back on the error', async () => {
        const [input, target] = large();
        const length = input.data.length;
        const control = new AbortController();
        const promise = later(
          input as never,
          target as never,
          { signal: control.signal, buffers: 'transfer', threads: 1 } as never,
        );
        control.abort();
        await assert.rejects(promise, (error: { name: string; input?: Float32Array }) => {
          assert.equal(error.name, 'AbortError');
          assert.equal(error.input?.length, length);
          return true;
        });
      });
    });
  });
}
