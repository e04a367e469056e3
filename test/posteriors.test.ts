// Lattice posteriors against the enumeration of every walk, against the loss, and on real models.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  ctcLossSync,
  forcedAlignSync,
  type Posterior,
  posteriors,
  posteriorsSync,
} from '../lib/index.js';
import { solveLattice } from './oracle/walks.js';
import { assertBitwise, assertClose, normal, seeded } from './support/close.js';
import { goldenCases } from './support/golden.js';
import { build, type RandomCase, randomCase } from './support/randomCase.js';
import { batchOptions, utterancesOf } from './support/randomLattice.js';
import { corpora, finalBatch } from './support/real.js';

async function check(random: RandomCase): Promise<void> {
  const { values, call } = build(random);
  const options = { ...batchOptions(call.options), recursions: true };
  const { utterances } = random.synchronous
    ? posteriorsSync(call.tensor, call.targets, options)
    : await posteriors(call.tensor, call.targets, options);
  utterancesOf(random, values).forEach((problem, n) => {
    const want = solveLattice(problem);
    const got = utterances[n]!;
    assert.equal(got.status, want.status);
    assert.deepEqual(
      [got.frames, got.states],
      [problem.frames, 2 * problem.labels.length + 1],
      'frames and states',
    );
    assertClose(got.loss, want.loss, 1e-12, 'loss');
    const masks = { ...want };
    if (want.status !== 'ok') {
      masks.alpha.fill(-Infinity);
      masks.beta.fill(-Infinity);
    }
    assertClose(got.occupancy, want.occupancy, 1e-12, 'occupancy');
    assertClose(got.alpha!, masks.alpha, 1e-12, 'alpha');
    assertClose(got.beta!, masks.beta, 1e-12, 'beta');
    assertClose(got.starts, want.starts, 1e-12, 'starts');
    assertClose(got.ends, want.ends, 1e-12, 'ends');
  });
}

/** Of all rows, how far the sum is from 1. */
function worstRow({ occupancy, frames, states }: Posterior): number {
  let worst = 0;
  for (let t = 0; t < frames; t += 1) {
    const row = occupancy.subarray(t * states, (t + 1) * states);
    worst = Math.max(worst, Math.abs(row.reduce((sum, p) => sum + p, 0) - 1));
  }
  return worst;
}

describe('posteriors', () => {
  it('agree with the enumeration of all walks in random calls', async () => {
    const sizes = { frames: 5, utterances: 3, classes: 4, labels: 3 };
    await fc.assert(fc.asyncProperty(randomCase(sizes), check), { seed: 50, numRuns: 2000 });
  });

  it('leave out alpha and beta unless they are asked for', () => {
    const rows = { data: new Float32Array(6), shape: [2, 3] };
    const [plain] = posteriorsSync(rows, [1]).utterances as [Posterior];
    assert.deepEqual([plain.alpha, plain.beta], [undefined, undefined]);
    assert.deepEqual(Object.keys(plain).sort(), [
      'ends',
      'frames',
      'loss',
      'occupancy',
      'starts',
      'states',
      'status',
    ]);
  });

  it('have the losses of the golden cases, and gradients follow from them', () => {
    let cases = 0;
    for (const golden of goldenCases()) {
      const { id, mode, T, N, V, blank, targets, inputLengths, input } = golden;
      const gradient = golden.gradient(mode === 'logits' ? 'grad' : 'gradTrue');
      const options = { blank, inputLengths, input: mode };
      const { utterances } = posteriorsSync({ data: input, shape: [T, N, V] }, targets, options);
      const aligned = forcedAlignSync({ data: input, shape: [T, N, V] }, targets, options);
      assertClose(
        utterances.map(({ loss }) => loss),
        golden.loss,
        1e-12,
        `${id}: loss`,
      );
      utterances.forEach((lattice, n) => {
        const { status, score } = aligned.utterances[n]!;
        assert.equal(status, lattice.status, id);
        if (status !== 'ok') return;
        assert.ok(worstRow(lattice) < 1e-12, id);
        // No path is more probable than all of them together.
        const tolerance = 1e-12 * Math.max(1, lattice.loss);
        assert.ok(score <= -lattice.loss + tolerance, `${id}: ${score}, ${lattice.loss}`);
        if (mode === 'logits' || gradient === undefined) return;
        for (let t = 0; t < lattice.frames; t += 1) {
          const classes = new Float64Array(V);
          for (let s = 0; s < lattice.states; s += 1) {
            const label = s % 2 === 1 ? targets[n]![(s - 1) / 2]! : blank;
            classes[label]! -= lattice.occupancy[t * lattice.states + s]!;
          }
          const at = (t * N + n) * V;
          assertClose(classes, gradient.subarray(at, at + V), 1e-10, `${id}, frame ${t}`);
        }
      });
      cases += 1;
    }
    assert.equal(cases, 115);
  });

  it('have rows that sum to 1 where float32 sums underflow', () => {
    const random = seeded(51);
    const [T, C, L] = [2000, 12, 400];
    const data = Float32Array.from({ length: T * C }, () => 300 * normal(random));
    const target = Array.from({ length: L }, () => 1 + Math.floor(random() * (C - 1)));
    const [lattice] = posteriorsSync({ data, shape: [T, C] }, target).utterances as [Posterior];
    assert.ok(worstRow(lattice) < 1e-12);
    for (let i = 0; i < L; i += 1) {
      assert.ok(lattice.ends[i]! >= lattice.starts[i]! + 1 - 1e-9);
      if (i > 0) assert.ok(lattice.starts[i]! >= lattice.ends[i - 1]! - 1e-9);
    }
  });

  for (const corpus of corpora) {
    for (const transcripts of ['final', 'final_shuffled'] as const) {
      it(`${corpus.name}, ${transcripts}: rows sum to 1, and the loss and gradient follow`, () => {
        const { data, shape, targets, ...options } = finalBatch(corpus, transcripts);
        const { blank, inputLengths, losses } = options;
        const { utterances } = posteriorsSync({ data, shape }, targets, { blank, inputLengths });
        const double = { data: Float64Array.from(data), shape };
        const { gradient } = ctcLossSync(double, targets, {
          blank,
          inputLengths,
          reduction: 'sum',
        });
        const [, N, C] = shape;
        utterances.forEach((lattice, n) => {
          assertClose(lattice.loss, losses[n]!, 1e-12, 'loss');
          assert.ok(worstRow(lattice) < 1e-12);
          // softmax - gradient is the posterior of each class.
          for (let t = 0; t < lattice.frames; t += 1) {
            const at = (t * N + n) * C;
            const row = data.subarray(at, at + C);
            const norm = row.reduce((sum, x) => sum + Math.exp(x), 0);
            const classes = new Float64Array(C);
            for (let s = 0; s < lattice.states; s += 1) {
              const label = s % 2 === 1 ? targets[n]![(s - 1) / 2]! : blank;
              classes[label]! += lattice.occupancy[t * lattice.states + s]!;
            }
            const want = Float64Array.from(row, (x, c) => Math.exp(x) / norm - gradient[at + c]!);
            assertClose(classes, want, 1e-9, `utterance ${n}, frame ${t}`);
          }
        });
      });
    }
  }

  it('give the same bits for any number of threads, alone and in a batch', async () => {
    const random = seeded(52);
    const [T, N, C] = [80, 9, 7];
    const data = Float32Array.from({ length: T * N * C }, () => 4 * normal(random));
    const targets = Array.from({ length: N }, (_, n) =>
      Array.from({ length: 3 * n }, () => 1 + Math.floor(random() * (C - 1))),
    );
    const batch = { data, shape: [T, N, C] };
    const options = { recursions: true };
    const want = posteriorsSync(batch, targets, { ...options, threads: 1 }).utterances;
    const compare = (got: Posterior, n: number) => {
      assert.equal(got.loss, want[n]!.loss);
      for (const field of ['occupancy', 'alpha', 'beta', 'starts', 'ends'] as const) {
        assertBitwise(got[field]!, want[n]![field]!, field);
      }
    };
    for (const threads of [2, 7]) {
      (await posteriors(batch, targets, { ...options, threads })).utterances.forEach(compare);
    }
    targets.forEach((target, n) => {
      const column = { data: data.subarray(n * C), shape: [T, C], strides: [N * C, 1] };
      compare(posteriorsSync(column, target, options).utterances[0]!, n);
    });
  });
});
