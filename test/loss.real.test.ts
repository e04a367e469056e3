// Two real models at three stages of training, their true transcripts and wrong ones, against
// PyTorch's float64 losses.

import assert from 'node:assert/strict';
import { ctcLoss, ctcLossSync } from '../lib/index.js';
import { logDomain } from './oracle/logdomain.js';
import { solveBatch } from './oracle/problem.js';
import { assertClose } from './support/close.js';
import { numberToHalf } from './support/half.js';
import { corpora, earlyBatch, finalBatch, type RealBatch } from './support/real.js';

const batches = corpora.flatMap((corpus) => [
  { name: `${corpus.name}, final`, batch: () => finalBatch(corpus, 'final') },
  { name: `${corpus.name}, wrong transcripts`, batch: () => finalBatch(corpus, 'final_shuffled') },
  { name: `${corpus.name}, half trained`, batch: () => earlyBatch(corpus, 'mid') },
  { name: `${corpus.name}, hardly trained`, batch: () => earlyBatch(corpus, 'early') },
]);

function optionsOf({ blank, inputLengths }: RealBatch) {
  return { blank, inputLengths };
}

describe('real models', () => {
  for (const { name, batch } of batches) {
    describe(name, () => {
      for (const [View, lossTolerance, gradientTolerance] of [
        [Float32Array, 1e-6, 2e-5],
        [Float64Array, 1e-12, 1e-9],
      ] as const) {
        it(`${View.name}: losses, reductions and gradient`, async () => {
          const real = batch();
          const { shape, targets } = real;
          const tensor = { data: new View(real.data), shape };
          const result = await ctcLoss(tensor, targets, { ...optionsOf(real), reduction: 'sum' });
          assertClose(result.losses, real.losses, lossTolerance, 'loss');
          assert.ok(result.status.every((status) => status === 'ok'));
          const mean = ctcLossSync(tensor, targets, { ...optionsOf(real), gradient: false });
          if (real.reduced) {
            assertClose(result.loss, real.reduced.sum, lossTolerance, 'sum');
            assertClose(mean.loss, real.reduced.mean, lossTolerance, 'mean');
          }
          const oracle = solveBatch(
            { ...optionsOf(real), values: real.data, shape, targets, input: 'logits' },
            logDomain,
          );
          assertClose(oracle.losses, real.losses, 1e-12, "the oracle's loss");
          assertClose(result.gradient, oracle.gradient, gradientTolerance, 'gradient');
        });
      }
    });
  }

  for (const corpus of corpora) {
    it(`${corpus.name}, final, rounded to float16`, () => {
      const real = finalBatch(corpus, 'final_f16');
      const data = Uint16Array.from(real.data, numberToHalf);
      const { loss, losses } = ctcLossSync(
        { data, shape: real.shape, type: 'float16' },
        real.targets,
        { ...optionsOf(real), reduction: 'sum', gradient: false },
      );
      assertClose(losses, real.losses, 1e-6, 'loss');
      assertClose(loss, real.reduced!.sum, 1e-6, 'sum');
    });
  }
});
