// Random calls over all options against the oracles: the enumeration of every path for small ones,
// the log-domain recursion for larger ones, and finite differences. fast-check prints the seed and the
// smallest counterexample that it finds.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ctcLossSync } from '../lib/index.js';
import { bruteForce } from './oracle/bruteforce.js';
import { logDomain } from './oracle/logdomain.js';
import { assertClose, normal, seeded } from './support/close.js';
import { check } from './support/lossCheck.js';
import { randomCase } from './support/randomCase.js';

describe('random calls', () => {
  it('small ones agree with the enumeration of every path', async () => {
    const sizes = { frames: 5, utterances: 3, classes: 4, labels: 4 };
    await fc.assert(
      fc.asyncProperty(randomCase(sizes), (random) => check(random, bruteForce)),
      { seed: 20, numRuns: 6000 },
    );
  });

  it('larger ones agree with the log-domain recursion', async () => {
    const sizes = { frames: 45, utterances: 5, classes: 70, labels: 20 };
    await fc.assert(
      fc.asyncProperty(randomCase(sizes), (random) => check(random, logDomain)),
      { seed: 21, numRuns: 1500 },
    );
  });

  it('many repeats in few classes agree with the log-domain recursion', async () => {
    const sizes = { frames: 80, utterances: 2, classes: 3, labels: 40 };
    await fc.assert(
      fc.asyncProperty(randomCase(sizes), (random) => check(random, logDomain)),
      { seed: 22, numRuns: 2000 },
    );
  });

  it('gradients agree with finite differences', () => {
    const problem = fc.record({
      seed: fc.nat(),
      T: fc.integer({ min: 1, max: 8 }),
      N: fc.integer({ min: 1, max: 2 }),
      C: fc.integer({ min: 2, max: 6 }),
      labels: fc.integer({ min: 0, max: 4 }),
      input: fc.constantFrom('logits' as const, 'logProbs' as const),
      reduction: fc.constantFrom(
        'sum' as const,
        'mean' as const,
        'meanBatch' as const,
        'meanVolume' as const,
      ),
      blankLast: fc.boolean(),
    });
    fc.assert(
      fc.property(problem, ({ seed, T, N, C, labels, input, reduction, blankLast }) => {
        const random = seeded(seed);
        const data = new Float64Array(T * N * C).map(() => 2 * normal(random));
        const targets = Array.from({ length: N }, () =>
          Array.from(
            { length: labels },
            () => Math.floor(random() * (C - 1)) + (blankLast ? 0 : 1),
          ),
        );
        const tensor = { data, shape: [T, N, C] };
        const options = {
          input,
          reduction,
          blank: blankLast ? -1 : 0,
          infeasible: 'zero' as const,
        };
        const { gradient } = ctcLossSync(tensor, targets, options);
        const at = () => ctcLossSync(tensor, targets, { ...options, gradient: false }).loss;
        const h = 1e-5;
        const differences = new Float64Array(data.length);
        for (let i = 0; i < data.length; i += 1) {
          const x = data[i]!;
          data[i] = x + h;
          const above = at();
          data[i] = x - h;
          const below = at();
          data[i] = x;
          differences[i] = (above - below) / (2 * h);
        }
        assertClose(gradient, differences, 1e-8, 'gradient');
      }),
      { seed: 23, numRuns: 150 },
    );
  });

  it('parts of a split batch add up to the whole', () => {
    const random = seeded(24);
    const [T, N, C] = [30, 7, 12];
    const data = new Float64Array(N * T * C).map(() => 3 * normal(random));
    const targets = Array.from({ length: N }, (_, n) =>
      Array.from({ length: n }, () => 1 + Math.floor(random() * (C - 1))),
    );
    for (const reduction of ['sum', 'mean', 'meanBatch', 'meanVolume'] as const) {
      const options = { layout: 'NTC' as const, reduction };
      const whole = ctcLossSync({ data, shape: [N, T, C] }, targets, options);
      const denominators = { sum: undefined, mean: N, meanBatch: N, meanVolume: whole.sums.labels };
      let loss = 0;
      const sums = { loss: 0, lossPerLabel: 0, utterances: 0, labels: 0 };
      const gradient = new Float64Array(data.length);
      for (const [from, to] of [
        [0, 3],
        [3, 4],
        [4, 7],
      ] as const) {
        const part = ctcLossSync(
          { data: data.subarray(from * T * C, to * T * C), shape: [to - from, T, C] },
          targets.slice(from, to),
          { ...options, denominator: denominators[reduction] },
        );
        loss += part.loss;
        gradient.set(part.gradient, from * T * C);
        for (const key of ['loss', 'lossPerLabel', 'utterances', 'labels'] as const) {
          sums[key] += part.sums[key];
        }
      }
      assertClose(loss, whole.loss, 1e-13, `${reduction}: loss`);
      assertClose(gradient, whole.gradient, 1e-14, `${reduction}: gradient`);
      assertClose(Object.values(sums), Object.values(whole.sums), 1e-13, `${reduction}: sums`);
    }
  });

  it('a frame of the logits gradient sums to 0: posteriors sum to 1', () => {
    const random = seeded(25);
    for (const View of [Float32Array, Float64Array]) {
      const [T, C] = [600, 40];
      const data = new View(T * C).map(() => 12 * normal(random));
      const target = Array.from({ length: 150 }, () => 1 + Math.floor(random() * (C - 1)));
      const { gradient } = ctcLossSync({ data, shape: [T, C] }, target, { reduction: 'none' });
      for (let t = 0; t < T; t += 1) {
        const row = gradient.subarray(t * C, (t + 1) * C);
        let sum = 0;
        for (const g of row) sum += g;
        assert.ok(Math.abs(sum) < (View === Float32Array ? 2e-5 : 1e-11), `frame ${t}: ${sum}`);
      }
    }
  });

  it('large alphabets agree with the log-domain recursion', () => {
    for (const [T, N, C, L] of [
      [40, 2, 7000, 12],
      [6, 1, 70_001, 3],
    ] as const) {
      const random = seeded(C);
      const data = new Float32Array(T * N * C).map(() => 3 * normal(random));
      const targets = Array.from({ length: N }, () =>
        Array.from({ length: L }, () => 1 + Math.floor(random() * (C - 1))),
      );
      const { losses, gradient } = ctcLossSync({ data, shape: [T, N, C] }, targets, {
        reduction: 'none',
      });
      for (let n = 0; n < N; n += 1) {
        const values = new Float64Array(T * C);
        const rows = new Float32Array(T * C);
        for (let t = 0; t < T; t += 1) {
          values.set(data.subarray((t * N + n) * C, (t * N + n + 1) * C), t * C);
          rows.set(gradient.subarray((t * N + n) * C, (t * N + n + 1) * C), t * C);
        }
        const single = ctcLossSync({ data: values, shape: [T, C] }, targets[n]!, {
          reduction: 'none',
        });
        assertClose(losses[n]!, single.losses[0]!, 1e-6, 'loss');
        assertClose(rows, single.gradient, 2e-5, 'gradient');
        const oracle = logDomain({
          values,
          frames: T,
          classes: C,
          labels: targets[n]!,
          blank: 0,
          input: 'logits',
        });
        assertClose(single.losses[0]!, oracle.loss, 1e-12, 'loss in float64');
      }
    }
  });
});
