// Bad input: what is said about it, with which code, and that nothing was written. The tables are in
// test/support/badCalls.

import assert from 'node:assert/strict';
import { ctcLoss, ctcLossSync } from '../lib/index.js';
import { inputRows, lengthRows } from './support/badCalls/input.js';
import { optionRows, outputRows } from './support/badCalls/options.js';
import { good, type Row } from './support/badCalls/row.js';
import { infeasibleRows, targetRows } from './support/badCalls/targets.js';

const tables: Record<string, Row[]> = {
  'the input': inputRows,
  'the lengths of the input': lengthRows,
  'the targets': targetRows,
  'the options': optionRows,
  'the output': outputRows,
  "infeasible: 'throw'": infeasibleRows,
};

describe('errors', () => {
  it('the good call is good', () => {
    const { input, targets: labels, options: given } = good();
    const { status } = ctcLossSync(input as never, labels as never, given as never);
    assert.deepEqual(status, ['ok', 'ok']);
  });

  for (const [what, rows] of Object.entries(tables)) {
    describe(what, () => {
      for (const row of rows) {
        const { name, code, message } = row;
        const call = () => ({ ...good(), ...row.change(good()) });
        if (row.only !== 'async') {
          it(`${row.what} (sync): ${message}`, () => {
            const { input, targets: labels, options: given } = call();
            assert.throws(() => ctcLossSync(input as never, labels as never, given as never), {
              name,
              code,
              message,
            });
          });
        }
        if (row.only !== 'sync') {
          it(`${row.what} (async): ${message}`, async () => {
            const { input, targets: labels, options: given } = call();
            const promise = ctcLoss(input as never, labels as never, given as never);
            await assert.rejects(promise, { name, code, message });
          });
        }
      }
    });
  }

  it('a refused call writes nothing', async () => {
    const gradient = new Float32Array(40).fill(7);
    for (const rows of Object.values(tables)) {
      for (const row of rows) {
        const { input, targets: labels, options: given } = { ...good(), ...row.change(good()) };
        // Rows about the gradient itself, and about masks found out only by computing.
        if (given?.gradient !== undefined || row.what === 'masks on what is needed') continue;
        if (typeof given !== 'object' || given === null) continue;
        const all = { ...given, gradient };
        if (row.only !== 'async') {
          assert.throws(() => ctcLossSync(input as never, labels as never, all as never));
        }
        if (row.only !== 'sync') {
          await assert.rejects(ctcLoss(input as never, labels as never, all as never));
        }
        assert.ok(
          gradient.every((g) => g === 7),
          row.what,
        );
      }
    }
  });

  it('a CUDA device fails with the reason, and auto falls back to the CPU', async () => {
    const { input, targets: labels } = good();
    for (const device of ['cuda', 'cuda:1'] as const) {
      await assert.rejects(
        ctcLoss(input as never, labels as never, { device }),
        (error: Error & { code?: string }) =>
          error.name === 'CtcError' &&
          error.code === 'ERR_CTC_DEVICE' &&
          error.message.startsWith(`device '${device}' cannot be used: `),
      );
    }
    const { status } = await ctcLoss(input as never, labels as never, { device: 'auto' });
    assert.deepEqual(status, ['ok', 'ok']);
  });
});
