// The loss on device 'cuda', a GPU or its emulation, on the cases of the CPU's tests: golden, real and
// random ones. CPU and GPU must agree, and both with the references.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ctcLoss, ctcLossSync, type LossResult } from '../../lib/index.js';
import { bruteForce } from '../oracle/bruteforce.js';
import { logDomain } from '../oracle/logdomain.js';
import { assertBitwise, assertClose } from '../support/close.js';
import { goldenCases } from '../support/golden.js';
import { numberToHalf } from '../support/half.js';
import { check } from '../support/lossCheck.js';
import { randomCase } from '../support/randomCase.js';
import { corpora, earlyBatch, finalBatch } from '../support/real.js';
import { emulated } from './where.js';

type Result = LossResult<Float32Array | Float64Array, 'sum', boolean>;

function assertAgree(gpu: Result, cpu: Result, what: string): void {
  assert.deepEqual(gpu.status, cpu.status, what);
  assertClose(gpu.losses, cpu.losses, 1e-6, `${what}: loss`);
  if (cpu.gradient === undefined) return;
  assertClose(gpu.gradient as Float32Array, cpu.gradient, 2e-5, `${what}: gradient`);
}

describe('the loss on a GPU', function () {
  this.timeout(600_000);

  for (const golden of goldenCases()) {
    it(`golden case ${golden.id}: ${golden.description}`, async () => {
      const { T, N, V, targets, inputLengths, blank, mode } = golden;
      // The emulation takes minutes for the longest ones: there once, in float32.
      const brief = emulated && T * N >= 1000;
      for (const View of brief ? [Float32Array] : [Float32Array, Float64Array]) {
        const tensor = { data: new View(golden.input), shape: [T, N, V] };
        const conventions =
          mode === 'logits'
            ? [{}]
            : [{ gradientOf: 'input' as const }, { gradientOf: 'softmax' as const }];
        for (const convention of conventions) {
          const options = {
            inputLengths,
            blank,
            input: mode,
            reduction: 'sum',
            ...convention,
          } as const;
          const gpu = await ctcLoss(tensor, targets, { ...options, device: 'cuda' });
          assertClose(gpu.losses, golden.loss, 1e-6, 'loss');
          assertAgree(gpu, ctcLossSync(tensor, targets, options), golden.id);
          if (brief) continue;
          const again = ctcLossSync(tensor, targets, { ...options, device: 'cuda' });
          assertBitwise(again.losses, gpu.losses, 'losses of a second run');
          assertBitwise(again.gradient, gpu.gradient, 'the gradient of a second run');
        }
      }
    });
  }

  for (const corpus of corpora) {
    for (const [name, batch] of [
      ['final', () => finalBatch(corpus, 'final')],
      ['wrong transcripts', () => finalBatch(corpus, 'final_shuffled')],
      ['half trained', () => earlyBatch(corpus, 'mid')],
      ['hardly trained', () => earlyBatch(corpus, 'early')],
    ] as const) {
      it(`real outputs: ${corpus.name}, ${name}`, async () => {
        const { data, shape, targets, losses, blank, inputLengths } = batch();
        const tensor = { data: new Float32Array(data), shape };
        const options = { blank, inputLengths, reduction: 'sum' } as const;
        const gpu = await ctcLoss(tensor, targets, { ...options, device: 'cuda' });
        assertClose(gpu.losses, losses, 1e-6, 'loss');
        assertAgree(gpu, ctcLossSync(tensor, targets, options), corpus.name);
      });
    }

    it(`real outputs: ${corpus.name}, rounded to float16`, () => {
      const real = finalBatch(corpus, 'final_f16');
      const tensor = {
        data: Uint16Array.from(real.data, numberToHalf),
        shape: real.shape,
        type: 'float16',
      };
      const { blank, inputLengths } = real;
      const options = { blank, inputLengths, gradient: false, device: 'cuda' } as const;
      const { losses } = ctcLossSync(tensor, real.targets, options);
      assertClose(losses, real.losses, 1e-6, 'loss');
    });
  }

  it('small random calls agree with the enumeration of every path', async () => {
    const sizes = { frames: 5, utterances: 3, classes: 4, labels: 4 };
    await fc.assert(
      fc.asyncProperty(randomCase(sizes), (random) => check(random, bruteForce, 'cuda')),
      { seed: 40, numRuns: emulated ? 600 : 6000 },
    );
  });

  it('larger random calls agree with the log-domain recursion', async () => {
    const sizes = { frames: 60, utterances: 4, classes: 90, labels: 40 };
    await fc.assert(
      fc.asyncProperty(randomCase(sizes), (random) => check(random, logDomain, 'cuda')),
      { seed: 41, numRuns: emulated ? 100 : 1500 },
    );
  });
});
