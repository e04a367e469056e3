// A GPU whose memory is full: calls say so, or make do with what there is, and work again afterwards.

import assert from 'node:assert/strict';
import {
  ctcLoss,
  ctcLossSync,
  DeviceTensor,
  forcedAlign,
  greedyDecode,
  posteriors,
} from '../../lib/index.js';
import { makeBatch } from '../support/batch.js';
import { assertBitwise } from '../support/close.js';
import { fillMemory } from './fill.js';
import { emulated } from './where.js';

const shape = emulated ? { T: 60, N: 8, C: 50, L: 9 } : { T: 400, N: 64, C: 500, L: 50 };

describe('a GPU without free memory', function () {
  this.timeout(600_000);

  it('refuses what does not fit, and works again when there is room', async () => {
    const { data, shape: dims, targets, inputLengths } = makeBatch(shape);
    const input = { data, shape: dims };
    const options = { inputLengths, device: 'cuda' } as const;
    const expected = ctcLossSync(input, targets, options);
    const all = fillMemory();
    assert.ok(all.length > 0);
    const calls = [
      () => ctcLoss(input, targets, options),
      () => greedyDecode(input, options),
      () => forcedAlign(input, targets, options),
      () => posteriors(input, targets, options),
      () =>
        DeviceTensor.upload({ data: new Float32Array(all[0]!.bytes / 4), shape: all[0]!.shape }),
    ];
    try {
      // The next tensor was refused. A call may still find room for its smallest parts, and an upload the room
      // that another call's kept memory gives way to.
      for (const outcome of await Promise.allSettled(calls.map((call) => call()))) {
        if (outcome.status === 'rejected') {
          assert.equal(outcome.reason.code, 'ERR_CTC_OUT_OF_MEMORY');
        } else if (outcome.value instanceof DeviceTensor) outcome.value.dispose();
      }
    } finally {
      for (const tensor of all) tensor.dispose();
    }
    const again = await ctcLoss(input, targets, options);
    assertBitwise(again.losses, expected.losses, 'losses');
    assertBitwise(again.gradient, expected.gradient, 'the gradient');
  });
});
