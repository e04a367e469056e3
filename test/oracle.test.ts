// The oracles against each other, against the published example, and against the golden cases: they
// must be right before anything is measured by them.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bruteForce, collapse, pathsOf } from './oracle/bruteforce.js';
import { logDomain } from './oracle/logdomain.js';
import { framesNeeded, gradientOf, type Utterance } from './oracle/problem.js';
import { assertClose, seeded } from './support/close.js';
import { goldenCases, oracleAnswer } from './support/golden.js';

const smallUtterance = fc
  .record({
    frames: fc.integer({ min: 0, max: 5 }),
    classes: fc.integer({ min: 1, max: 4 }),
    scale: fc.constantFrom(0, 1, 30),
    seed: fc.nat(),
    input: fc.constantFrom('logits' as const, 'logProbs' as const),
    masks: fc.boolean(),
  })
  .chain(({ frames, classes, scale, seed, input, masks }) =>
    fc
      .record({
        blank: fc.integer({ min: 0, max: classes - 1 }),
        picks: fc.array(fc.nat(), { maxLength: 4 }),
      })
      .map(({ blank, picks }): Utterance => {
        const random = seeded(seed);
        const values = new Float64Array(frames * classes).map(() =>
          masks && random() < 0.15 ? -Infinity : (random() - 0.5) * 2 * scale,
        );
        const others = Array.from({ length: classes }, (_, c) => c).filter((c) => c !== blank);
        const labels = others.length > 0 ? picks.map((pick) => others[pick % others.length]!) : [];
        return { values, frames, classes, labels, blank, input };
      }),
  );

describe('oracles', () => {
  it('collapse repeats and blanks as the paper does', () => {
    assert.deepEqual(collapse([1, 0, 1, 2, 0], 0), [1, 1, 2]);
    assert.deepEqual(collapse([0, 1, 1, 0, 0, 1, 2, 2], 0), [1, 1, 2]);
    assert.deepEqual(collapse([2, 2, 2], 2), []);
  });

  it('find the 28 paths of the tutorial', () => {
    // Four symbols are enough for CAT: the other letters are on no path.
    const paths = pathsOf([1, 2, 3], { frames: 5, classes: 4, blank: 0 });
    assert.equal(paths.length, 28);
  });

  it('agree with each other on random small cases', () => {
    fc.assert(
      fc.property(smallUtterance, (problem) => {
        const brute = bruteForce(problem);
        const recursion = logDomain(problem);
        assert.equal(recursion.status, brute.status);
        assertClose(recursion.loss, brute.loss, 1e-13, 'loss');
        for (const convention of ['input', 'softmax'] as const) {
          assertClose(
            gradientOf(problem, recursion, convention),
            gradientOf(problem, brute, convention),
            1e-12,
            `gradient of ${convention}`,
          );
        }
        if (problem.frames < framesNeeded(problem.labels) && brute.status !== 'nonfinite') {
          assert.equal(brute.status, 'infeasible');
        }
      }),
      { seed: 1, numRuns: 600 },
    );
  });

  it('give posteriors that sum to 1 in every frame', () => {
    const random = seeded(5);
    const [frames, classes] = [300, 12];
    const values = new Float64Array(frames * classes).map(() => (random() - 0.5) * 40);
    const labels = Array.from({ length: 90 }, () => 1 + Math.floor(random() * 11));
    const { posterior } = logDomain({ values, frames, classes, labels, blank: 0, input: 'logits' });
    for (let t = 0; t < frames; t += 1) {
      const row = posterior.subarray(t * classes, (t + 1) * classes);
      assertClose(
        row.reduce((sum, p) => sum + p),
        1,
        1e-10,
        `frame ${t}`,
      );
    }
  });

  for (const golden of goldenCases()) {
    it(`the log-domain oracle agrees with golden case ${golden.id}`, () => {
      const answer = oracleAnswer(golden, 'softmax');
      assertClose(answer.losses, golden.loss, 1e-12, 'loss');
      const stored = golden.gradient(golden.mode === 'logits' ? 'grad' : 'gradTorch');
      if (!golden.gradientsFromOracle) assertClose(answer.gradient, stored!, 1e-10, 'gradient');
    });
  }
});
