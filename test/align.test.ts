// Forced alignment against the enumeration of every walk through the lattice: the best path, ties,
// spans and scores, over all element types, layouts and options; and what is promised beyond that.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { type Alignment, forcedAlign, forcedAlignSync, type Star } from '../lib/index.js';
import { type Lattice, solveLattice } from './oracle/walks.js';
import { assertBitwise, assertClose, normal, seeded } from './support/close.js';
import { root } from './support/paths.js';
import { build, type RandomCase, randomCase } from './support/randomCase.js';
import { batchOptions, utterancesOf } from './support/randomLattice.js';

/** What the best walk comes to, in the terms of the result. */
function assertBest(got: Alignment, want: Lattice, logProbOf: (t: number) => number): void {
  assert.equal(got.status, want.status);
  if (want.status !== 'ok') {
    assert.equal(got.score, want.status === 'nonfinite' ? Number.NaN : -Infinity);
    assert.deepEqual([got.spans.length, got.labels.length, got.logProbs.length], [0, 0, 0]);
    return;
  }
  assertClose(got.score, want.score, 1e-12, 'score');
  const logProbs = want.best.map((_, t) => logProbOf(t));
  assertClose(got.logProbs, logProbs, 1e-12, 'logProbs');
  got.spans.forEach((span, i) => {
    const start = want.best.indexOf(2 * i + 1);
    const end = want.best.lastIndexOf(2 * i + 1) + 1;
    assert.deepEqual([span.start, span.end], [start, end], `span ${i}`);
    const probabilities = logProbs.slice(start, end).map(Math.exp);
    const mean = probabilities.reduce((sum, p) => sum + p, 0) / probabilities.length;
    assertClose(span.score, mean, 1e-12, `score of span ${i}`);
  });
}

async function check(random: RandomCase): Promise<void> {
  const { values, call } = build(random);
  const options = batchOptions(call.options);
  const { utterances } = random.synchronous
    ? forcedAlignSync(call.tensor, call.targets, options)
    : await forcedAlign(call.tensor, call.targets, options);
  utterancesOf(random, values).forEach((problem, n) => {
    const { labels, blank } = problem;
    const want = solveLattice(problem);
    const got = utterances[n]!;
    const path = want.best.map((s) => (s % 2 === 1 ? labels[(s - 1) / 2]! : blank));
    assertBest(got, want, (t) => problem.logProbs()[t * problem.classes + path[t]!]!);
    assert.deepEqual([...got.labels], path);
    if (want.status === 'ok')
      assert.deepEqual(
        got.spans.map(({ token }) => token),
        labels,
      );
  });
}

describe('forcedAlign', () => {
  describe('is the best of all paths', () => {
    it('in random calls', async () => {
      const sizes = { frames: 5, utterances: 3, classes: 4, labels: 4 };
      await fc.assert(fc.asyncProperty(randomCase(sizes), check), { seed: 40, numRuns: 3000 });
    });

    it('in every small case of two or three classes, with scores that tie', () => {
      const random = seeded(41);
      let cases = 0;
      for (let frames = 0; frames <= 6; frames += 1) {
        for (const classes of [2, 3]) {
          for (const labels of allTargets(classes, Math.min(frames + 1, 3))) {
            const values = Float64Array.from({ length: frames * classes }, () =>
              Math.floor(3 * random()),
            );
            const problem = { values, frames, classes, labels, blank: 0, input: 'logits' } as const;
            const want = solveLattice(problem);
            const [got] = forcedAlignSync({ data: values, shape: [frames, classes] }, labels)
              .utterances as [Alignment];
            assert.equal(got.status, want.status);
            const path = want.best.map((s) => (s % 2 === 1 ? labels[(s - 1) / 2]! : 0));
            assert.deepEqual(
              [...got.labels],
              path,
              JSON.stringify({ labels, values: [...values] }),
            );
            cases += 1;
          }
        }
      }
      assert.equal(cases, 110);
    });

    it('with labels that are as many as the frames', () => {
      const data = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
      const [{ spans }] = forcedAlignSync({ data, shape: [4, 3] }, [1, 2, 1, 2]).utterances as [
        Alignment,
      ];
      assert.deepEqual(
        spans.map(({ start, end }) => [start, end]),
        [
          [0, 1],
          [1, 2],
          [2, 3],
          [3, 4],
        ],
      );
    });
  });

  describe('breaks ties', () => {
    const flat = (frames: number, labels: number[]) =>
      Array.from(
        forcedAlignSync({ data: new Float32Array(frames * 4), shape: [frames, 4] }, labels)
          .utterances[0]!.labels,
      );

    it('by staying rather than advancing, and by ending in the last label', () => {
      assert.deepEqual(flat(6, [1, 2]), [1, 2, 2, 2, 2, 2]);
      assert.deepEqual(flat(5, [3]), [3, 3, 3, 3, 3]);
      assert.deepEqual(flat(5, [1, 1]), [1, 0, 1, 1, 1]);
    });

    it('by advancing one state rather than skipping a blank', () => {
      // Frame 0 must be label 1 and frame 2 label 2; frame 1 is the blank or label 1.
      const data = Float32Array.of(-9, 0, -9, 0, 0, -9, -9, -9, 0);
      const rows = { data, shape: [3, 3] };
      assert.deepEqual([...forcedAlignSync(rows, [1, 2]).utterances[0]!.labels], [1, 0, 2]);
    });

    it('the same way in every element type, layout and instruction set', async () => {
      const random = seeded(42);
      const [T, N, C, L] = [60, 3, 5, 9];
      const small = Array.from({ length: T * N * C }, () => Math.floor(random() * 3));
      const targets = Array.from({ length: N }, () =>
        Array.from({ length: L }, () => 1 + Math.floor(random() * (C - 1))),
      );
      const shape = [T, N, C];
      const want = paths(forcedAlignSync({ data: Float32Array.from(small), shape }, targets));
      assert.deepEqual(
        paths(forcedAlignSync({ data: Float64Array.from(small), shape }, targets)),
        want,
      );
      const batchMajor = Float32Array.from(small, (_, i) => {
        const [n, t, c] = [Math.floor(i / (T * C)), Math.floor(i / C) % T, i % C];
        return small[(t * N + n) * C + c]!;
      });
      const other = { data: batchMajor, shape: [N, T, C] };
      assert.deepEqual(paths(forcedAlignSync(other, targets, { layout: 'NTC' })), want);
      const script = `
        const { forcedAlignSync } = await import('./dist/esm/index.js');
        const { small, shape, targets } = JSON.parse(process.argv[1]);
        const { utterances } = forcedAlignSync({ data: Float32Array.from(small), shape }, targets);
        console.log(JSON.stringify(utterances.map(({ labels }) => [...labels])));`;
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '-e', script, JSON.stringify({ small, shape, targets })],
        { cwd: root, env: { ...process.env, NODE_CTC_ISA: 'baseline' } },
      );
      assert.deepEqual(JSON.parse(stdout), want);
    });
  });

  describe('stars', () => {
    for (const star of ['anything', 'label'] as const) {
      it(`that are ${star} agree with the enumeration`, () => {
        const random = seeded(star.length);
        for (let i = 0; i < 400; i += 1) {
          const [frames, classes] = [1 + Math.floor(random() * 5), 2 + Math.floor(random() * 3)];
          const blank = Math.floor(random() * classes);
          const others = [...Array(classes + 1).keys()].filter((c) => c !== blank);
          const labels = Array.from(
            { length: 1 + Math.floor(random() * 3) },
            () => others[Math.floor(random() * others.length)]!,
          );
          const values = Float64Array.from({ length: frames * classes }, () =>
            random() < 0.1 ? -Infinity : normal(random),
          );
          const input = i % 2 === 0 ? ('logits' as const) : ('logProbs' as const);
          const problem = { values, frames, classes, labels, blank, input };
          const want = solveLattice(problem, star);
          const [got] = forcedAlignSync({ data: values, shape: [frames, classes] }, labels, {
            blank,
            input,
            star,
          }).utterances as [Alignment];
          assert.equal(got.status, want.status, JSON.stringify({ labels, frames, classes }));
          assertClose(got.score, want.score, 1e-12, 'score');
          if (got.status !== 'ok') continue;
          assert.deepEqual(
            got.spans.map(({ token }) => token),
            labels,
          );
          if (star === 'label') continue; // its sums are rounded, so ties are open
          const path = want.best.map((s) => (s % 2 === 1 ? labels[(s - 1) / 2]! : blank));
          assert.deepEqual([...got.labels], path);
        }
      });
    }

    it('cover what a transcript leaves out', () => {
      const spoken = [0, 1, 1, 0, 3, 0, 3, 2, 0, 4, 4, 0];
      const data = new Float32Array(spoken.length * 5);
      spoken.forEach((label, t) => {
        data[t * 5 + label] = 8;
      });
      const rows = { data, shape: [spoken.length, 5] };
      const [any] = forcedAlignSync(rows, [1, 5, 4], { star: 'anything' }).utterances as [
        Alignment,
      ];
      assert.deepEqual([any.spans[0]!.start, any.spans[0]!.end], [1, 3]);
      assert.deepEqual([any.spans[2]!.start, any.spans[2]!.end], [9, 11]);
      // No frame of the blanks and labels around it, which score the same there.
      assert.deepEqual([any.spans[1]!.start, any.spans[1]!.end], [4, 8]);
      const [one] = forcedAlignSync(rows, [1, 3, 5, 2, 4], { star: 'label' }).utterances as [
        Alignment,
      ];
      assert.deepEqual([one.spans[2]!.start, one.spans[2]!.end], [6, 7]);
    });

    it('are refused unless they are asked for, and are one label only', () => {
      const rows = { data: new Float32Array(15), shape: [5, 3] };
      const message = /is 3; classes are 0 to 2/;
      assert.throws(() => forcedAlignSync(rows, [1, 3]), {
        code: 'ERR_CTC_INVALID_LABEL',
        message,
      });
      const star: Star = 'anything';
      assert.throws(() => forcedAlignSync(rows, [1, 4], { star }), {
        code: 'ERR_CTC_INVALID_LABEL',
      });
      assert.throws(() => forcedAlignSync(rows, [1], { star: 'any' as never }), {
        code: 'ERR_CTC_INVALID_ARG_VALUE',
        message: /'anything', 'label'/,
      });
    });
  });

  it('gives the same bits for any number of threads, alone and in a batch', async () => {
    const random = seeded(43);
    const [T, N, C] = [3000, 3, 12];
    const data = Float32Array.from({ length: T * N * C }, () => 3 * normal(random));
    const targets = [900, 40, 1500].map((length) =>
      Int32Array.from({ length }, () => 1 + Math.floor(random() * (C - 1))),
    );
    const inputLengths = [3000, 2500, 2900];
    const batch = { data, shape: [T, N, C] };
    const want = forcedAlignSync(batch, targets, { inputLengths, threads: 1 }).utterances;
    for (const threads of [2, 3, 7]) {
      const got = (await forcedAlign(batch, targets, { inputLengths, threads })).utterances;
      got.forEach((alignment, n) => {
        assertSame(alignment, want[n]!);
      });
    }
    targets.forEach((target, n) => {
      const column = { data: data.subarray(n * C), shape: [T, C], strides: [N * C, 1] };
      const alone = forcedAlignSync(column, target, { inputLengths: [inputLengths[n]!] });
      assertSame(alone.utterances[0]!, want[n]!);
    });
  });

  it('aligns an hour of speech, T = 200,000 and L = 20,000, within 2 GiB', async function () {
    this.timeout(600_000); // it takes a few seconds; the machine may be busy
    const script = `
      const { forcedAlign } = await import('./dist/esm/index.js');
      const [T, L, C] = [200_000, 20_000, 32];
      // Every label lasts 2 frames, and 3 to 13 of blank follow; noise makes it no copy of the truth.
      let seed = 1;
      const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
      const data = Float32Array.from({ length: T * C }, () => 3 * random());
      const target = Int32Array.from({ length: L }, (_, i) => 1 + ((7 * i) % (C - 1)));
      const starts = [];
      for (let i = 0, t = 0; i < L; i++) {
        starts.push(t);
        for (let k = 0; k < 10; k++) data[(t + k) * C + (k < 2 ? target[i] : 0)] += 6;
        t += 10;
      }
      const before = process.resourceUsage().maxRSS;
      const { utterances } = await forcedAlign({ data, shape: [T, C] }, target);
      const { status, spans } = utterances[0];
      const wrong = spans.filter(({ start, end }, i) => start !== starts[i] || end !== start + 2);
      const { maxRSS } = process.resourceUsage();
      console.log(JSON.stringify({ status, spans: spans.length, wrong: wrong.length, before, maxRSS }));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', script],
      { cwd: root },
    );
    const { status, spans, wrong, maxRSS } = JSON.parse(stdout);
    assert.deepEqual({ status, spans, wrong }, { status: 'ok', spans: 20_000, wrong: 0 });
    assert.ok(maxRSS * 1024 < 2 ** 31, `the process took ${maxRSS} KiB`);
  });
});

function assertSame(got: Alignment, want: Alignment): void {
  assert.equal(got.status, want.status);
  assert.equal(got.score, want.score);
  assertBitwise(got.labels, want.labels, 'labels');
  assertBitwise(got.logProbs, want.logProbs, 'logProbs');
  assert.deepEqual(got.spans, want.spans);
}

function paths({ utterances }: { utterances: readonly Alignment[] }): number[][] {
  return utterances.map(({ labels }) => [...labels]);
}

/** All targets of up to `most` labels. */
function allTargets(classes: number, most: number): number[][] {
  let row: number[][] = [[]];
  const targets = [...row];
  for (let length = 1; length <= most; length += 1) {
    row = row.flatMap((target) =>
      Array.from({ length: classes - 1 }, (_, c) => [...target, c + 1]),
    );
    targets.push(...row);
  }
  return targets;
}
