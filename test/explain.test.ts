// The explanation of one utterance: the CTC tutorial's worked example to its printed digits, every
// small case against enumeration, and what is said of large, infeasible and broken ones.

import assert from 'node:assert/strict';
import {
  collapse,
  countPaths,
  type Explanation,
  explain,
  explainSync,
  latticePaths,
} from '../lib/index.js';
import { collapse as collapseByHand, pathsOf } from './oracle/bruteforce.js';
import { lattice, solveLattice } from './oracle/walks.js';
import { assertClose, normal, seeded } from './support/close.js';
import { encode } from './support/half.js';
import { tutorial } from './support/tutorial.js';

const symbols = ['-', ...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

// Table 2 of the tutorial, and the probabilities under it in units of 1e-8.
const tutorialPaths: [path: string, printed: string][] = [
  ['--CAT', '4.5374'],
  ['-C-AT', '5.6482'],
  ['-CCAT', '4.7006'],
  ['-CA-T', '6.6003'],
  ['-CAAT', '4.7014'],
  ['-CAT-', '5.1401'],
  ['-CATT', '6.8965'],
  ['C--AT', '5.0050'],
  ['C-A-T', '5.8487'],
  ['C-AAT', '4.1660'],
  ['C-AT-', '4.5547'],
  ['C-ATT', '6.1111'],
  ['CC-AT', '5.1850'],
  ['CCCAT', '4.3151'],
  ['CCA-T', '6.0590'],
  ['CCAAT', '4.3158'],
  ['CCAT-', '4.7185'],
  ['CCATT', '6.3309'],
  ['CA--T', '4.8163'],
  ['CA-T-', '3.7508'],
  ['CA-TT', '5.0324'],
  ['CAA-T', '4.0090'],
  ['CAAAT', '2.8556'],
  ['CAAT-', '3.1220'],
  ['CAATT', '4.1889'],
  ['CAT--', '4.0583'],
  ['CATT-', '4.2404'],
  ['CATTT', '5.6894'],
];

describe('explain', () => {
  describe('the tutorial', () => {
    const shape = [5, 27];
    const given = {
      logits: explainSync({ data: Float64Array.from(tutorial.logits), shape }, tutorial.target, {
        symbols,
      }),
      probabilities: explainSync(
        { data: Float64Array.from(tutorial.probabilities), shape },
        tutorial.target,
        { symbols, input: 'probabilities' },
      ),
    };
    for (const [input, cat] of Object.entries(given)) {
      it(`has 28 paths in its order, to the digits that it prints, from ${input}`, () => {
        assert.equal(cat.pathCount, 28n);
        assert.equal(tutorialPaths.length, 28);
        assert.deepEqual(
          cat.paths!.map(({ labels, probability }) => [
            labels.map((label) => symbols[label]).join(''),
            (probability * 1e8).toFixed(4),
          ]),
          tutorialPaths,
        );
      });

      it(`has its total and its loss, from ${input}`, () => {
        assert.equal(cat.probability.toExponential(3), '1.366e-6');
        assert.equal(cat.loss.toFixed(4), '13.5036');
        const total = cat.paths!.reduce((sum, { probability }) => sum + probability, 0);
        assertClose(total, cat.probability, 1e-12, 'sum of the paths');
        assert.equal(cat.status, 'ok');
      });
    }

    it('differs in 13 of the 28 when computed from its rounded table', () => {
      const data = Float64Array.from(tutorial.probabilities, (p) => Number(p.toFixed(6)));
      const cat = explainSync({ data, shape }, tutorial.target, { input: 'probabilities' });
      const off = cat.paths!.filter(
        ({ probability }, i) => (probability * 1e8).toFixed(4) !== tutorialPaths[i]![1],
      );
      assert.equal(off.length, 13);
    });

    it('has its lattice', () => {
      const cat = given.probabilities;
      assert.equal(cat.states.map(({ symbol }) => symbol).join(''), '-C-A-T-');
      assert.deepEqual(
        cat.states.map(({ position }) => position),
        [undefined, 0, undefined, 1, undefined, 2, undefined],
      );
      assertClose(cat.emissions[0]!, 0.0319533345695271, 1e-15, 'y of the blank at frame 0');
      assertClose(cat.emissions[4 * 7 + 5]!, 0.0368492548068844, 1e-15, 'y of T at frame 4');
      assert.equal(cat.bestPath.labels.map((label) => symbols[label]).join(''), '-CATT');
      const best = Math.max(...cat.paths!.map(({ probability }) => probability));
      assertClose(cat.bestPath.probability, best, 1e-12, 'the best path');
      assert.deepEqual(
        cat.spans.map(({ token, start, end }) => [token, start, end]),
        [
          [3, 1, 2],
          [1, 2, 3],
          [20, 3, 5],
        ],
      );
      assert.equal(cat.readings, undefined, '27^5 paths are too many to read them all');
    });
  });

  it('equals the enumeration in small cases of every shape', async () => {
    const random = seeded(90);
    for (let i = 0; i < 150; i += 1) {
      const [frames, classes] = [1 + Math.floor(random() * 5), 2 + Math.floor(random() * 3)];
      const blank = Math.floor(random() * classes);
      const others = [...Array(classes).keys()].filter((c) => c !== blank);
      const labels = Array.from(
        { length: Math.floor(random() * 4) },
        () => others[Math.floor(random() * others.length)]!,
      );
      const values = Float64Array.from({ length: frames * classes }, () =>
        random() < 0.05 ? -Infinity : 2 * normal(random),
      );
      const problem = { values, frames, classes, labels, blank, input: 'logits' } as const;
      const want = solveLattice(problem);
      const input = { data: values, shape: [frames, classes] };
      const options = { blank, maxPaths: 2000 };
      const got =
        i % 2 === 0 ? explainSync(input, labels, options) : await explain(input, labels, options);
      assert.equal(got.status, want.status);
      assertClose(got.loss, want.loss, 1e-12, 'loss');
      assertClose(got.posteriors, want.occupancy, 1e-12, 'posteriors');
      const paths = pathsOf(labels, problem);
      assert.equal(got.pathCount, BigInt(paths.length));
      if (want.status !== 'ok') {
        assert.deepEqual([got.paths, got.readings], [undefined, undefined]);
        assert.deepEqual([got.bestPath.labels, got.spans], [[], []]);
        continue;
      }
      assertClose(got.alpha, want.alpha, 1e-12, 'alpha');
      assertClose(got.beta, want.beta, 1e-12, 'beta');
      assertClose(got.starts, want.starts, 1e-12, 'starts');
      assertClose(got.ends, want.ends, 1e-12, 'ends');
      assert.deepEqual(got.bestPath.states, want.best);
      assert.deepEqual(
        got.paths!.map(({ labels: path }) => path.join()).sort(),
        paths.map((path) => path.join()).sort(),
      );
      for (const { labels: path, states, probability } of got.paths!) {
        assert.deepEqual(collapse(path, blank), labels);
        assert.deepEqual(
          states.map((s) => got.states[s]!.label),
          path,
        );
        assert.ok(probability >= 0 && probability <= got.probability * (1 + 1e-12));
      }
      checkReadings(got, want.loss);
    }
  });

  /** All C^T paths, told apart by what they read as. */
  function checkReadings(got: Explanation, loss: number): void {
    const { frames, classes, blank, target } = got;
    const readings = got.readings!;
    assert.equal(
      readings.reduce((sum, { paths }) => sum + paths, 0),
      classes ** frames,
    );
    assertClose(
      readings.reduce((sum, { probability }) => sum + probability, 0),
      1,
      1e-12,
      'sum',
    );
    const mine = readings.find(({ labels }) => labels.join() === target.join())!;
    assertClose(mine.probability, Math.exp(-loss), 1e-12, 'the target among all readings');
    assert.equal(BigInt(mine.paths), got.pathCount);
    readings.forEach(({ labels, paths, probability }, i) => {
      assert.equal(paths, pathsOf(labels, { frames, classes, blank }).length);
      if (i > 0) assert.ok(probability <= readings[i - 1]!.probability);
    });
  }

  it('reads every element type and stride, in float64', () => {
    const random = seeded(91);
    const [T, C] = [6, 4];
    const small = Array.from({ length: T * C }, () => Math.round(8 * normal(random)) / 8);
    const want = explainSync({ data: Float64Array.from(small), shape: [T, C] }, [1, 2]);
    for (const type of ['float32', 'float16', 'bfloat16'] as const) {
      const got = explainSync({ data: encode(small, type), shape: [T, C], type }, [1, 2]);
      assert.deepEqual(got, want);
    }
    const byClass = Float32Array.from(
      { length: T * C },
      (_, i) => small[(i % T) * C + Math.floor(i / T)]!,
    );
    assert.deepEqual(
      explainSync({ data: byClass, shape: [T, C], strides: [1, T] }, BigInt64Array.of(1n, 2n)),
      want,
    );
  });

  it('explains large lattices, without listing what is too much', async () => {
    const random = seeded(92);
    const [T, C] = [400, 30];
    const data = Float32Array.from({ length: T * C }, () => 4 * normal(random));
    const target = Array.from({ length: 60 }, (_, i) => 1 + (i % (C - 1)));
    const got = await explain({ data, shape: [T, C] }, target);
    assert.deepEqual([got.paths, got.readings], [undefined, undefined]);
    assert.equal(got.pathCount, countPaths(T, target));
    assert.ok(got.pathCount > 10n ** 90n);
    assert.equal(got.posteriors.length, 400 * 121);
    assert.equal(got.bestPath.states.length, 400);
    assert.deepEqual(collapse(got.bestPath.labels), target);
    assert.ok(got.bestPath.logProbability <= -got.loss);
  });

  it('says what is infeasible, nonfinite or nothing', () => {
    const rows = (data: number[], C: number) => ({
      data: Float64Array.from(data),
      shape: [data.length / C, C],
    });
    const short = explainSync(rows([0, 0, 0, 0], 2), [1, 1]);
    assert.deepEqual(
      [short.status, short.loss, short.probability, short.pathCount],
      ['infeasible', Infinity, 0, 0n],
    );
    const broken = explainSync(rows([0, Number.NaN], 2), [1]);
    assert.deepEqual(
      [broken.status, broken.loss, broken.probability],
      ['nonfinite', Number.NaN, Number.NaN],
    );
    assert.equal(broken.paths, undefined);
    const unread = explainSync(rows([-1, -1, Number.NaN], 3), [1], { input: 'logProbs' });
    assert.equal(unread.status, 'ok', 'a class that no path reads');
    const nothing = explainSync({ data: new Float32Array(0), shape: [0, 3] }, []);
    assert.deepEqual([nothing.status, nothing.loss, nothing.probability], ['ok', 0, 1]);
    assert.deepEqual(
      nothing.paths!.map(({ labels }) => labels),
      [[]],
    );
    const silent = explainSync(rows([0, 0, 0, 0], 2), []);
    assert.deepEqual(
      silent.paths!.map(({ labels }) => labels),
      [[0, 0]],
    );
  });

  it('lists paths up to maxPaths', () => {
    const rows = { data: new Float32Array(5 * 27), shape: [5, 27] };
    assert.equal(explainSync(rows, [3, 1, 20], { maxPaths: 28 }).paths?.length, 28);
    assert.equal(explainSync(rows, [3, 1, 20], { maxPaths: 27 }).paths, undefined);
  });

  it('stops when the signal says so', async () => {
    const reason = new Error('enough');
    const rows = { data: new Float32Array(6), shape: [2, 3] };
    await assert.rejects(explain(rows, [1], { signal: AbortSignal.abort(reason) }), reason);
    const control = new AbortController();
    const promise = explain(rows, [1], { signal: control.signal });
    control.abort(reason);
    await assert.rejects(promise, reason);
  });

  it('copies the input before the call returns', async () => {
    const data = Float32Array.from({ length: 15 }, (_, i) => Math.sin(i));
    const want = explainSync({ data, shape: [5, 3] }, [1, 2]);
    const promise = explain({ data, shape: [5, 3] }, [1, 2]);
    data.fill(Number.NaN);
    assert.deepEqual(await promise, want);
  });

  it('refuses what it cannot explain', async () => {
    const rows = { data: new Float32Array(6), shape: [2, 3] };
    const bad: [args: unknown[], code: string, message: RegExp][] = [
      [[undefined, []], 'INVALID_ARG_TYPE', /^input must be/],
      [
        [{ ...rows, shape: [2, 1, 3] }, [[1]]],
        'INVALID_SHAPE',
        /one utterance: shape must be \[T, C\]/,
      ],
      [[rows, [0]], 'INVALID_LABEL', /blank/],
      [[rows, [3]], 'INVALID_LABEL', /classes are 0 to 2/],
      [[rows, 'CAT'], 'INVALID_ARG_TYPE', /^targets must be/],
      [[rows, [1], { symbol: [] }], 'UNKNOWN_OPTION', /did you mean 'symbols'/],
      [
        [rows, [1], { symbols: 'ab' }],
        'INVALID_ARG_TYPE',
        /an array of strings, one for each class, not 'ab'/,
      ],
      [
        [rows, [1], { symbols: ['a', 'b'] }],
        'INVALID_LENGTH',
        /symbols has 2 entries; there are 3 classes/,
      ],
      [
        [rows, [1], { symbols: ['a', 'b', 5] }],
        'INVALID_ARG_TYPE',
        /symbols\[2\] must be a string/,
      ],
      [[rows, [1], { maxPaths: -1 }], 'OUT_OF_RANGE', /^maxPaths is -1/],
      [[rows, [1], { input: 'probs' }], 'INVALID_ARG_VALUE', /^input is 'probs'/],
      [[rows, [1], { blank: 3 }], 'OUT_OF_RANGE', /^blank is 3/],
      [
        [
          { data: Float32Array.of(0.5, 0.5, 2, -1), shape: [2, 2] },
          [1],
          { input: 'probabilities' },
        ],
        'OUT_OF_RANGE',
        /^input\[1\]\[0\] is 2, which is no probability/,
      ],
    ];
    for (const [args, code, message] of bad) {
      const error = { code: `ERR_CTC_${code}`, message };
      assert.throws(() => explainSync(...(args as [never, never])), error);
      await assert.rejects(explain(...(args as [never, never])), error);
    }
    assert.throws(() => explainSync(rows, [1], { signal: new AbortController().signal } as never), {
      code: 'ERR_CTC_UNKNOWN_OPTION',
    });
  });
});

describe('paths', () => {
  it('collapse as the map B does', () => {
    // The tutorial's own examples.
    const read = (path: string) =>
      collapse([...path].map((c) => symbols.indexOf(c.toUpperCase())))
        .map((l) => symbols[l])
        .join('');
    assert.equal(read('a-ab-'), 'AAB');
    assert.equal(read('-aa--abb'), 'AAB');
    assert.equal(read('C-AT-'), 'CAT');
    assert.equal(read('CC-AT'), 'CAT');
    assert.deepEqual(collapse([]), []);
    assert.deepEqual(collapse(Int32Array.of(2, 2, 0, 0), 2), [0]);
    const random = seeded(93);
    for (let i = 0; i < 200; i += 1) {
      const path = Array.from({ length: 8 }, () => Math.floor(random() * 3));
      assert.deepEqual(collapse(path, i % 3), collapseByHand(path, i % 3));
    }
  });

  it('are as many as there are, and each comes once, in order', () => {
    for (const target of [[], [1], [1, 1], [1, 2], [1, 1, 1], [1, 2, 1], [2, 2, 1]]) {
      for (let frames = 0; frames <= 7; frames += 1) {
        const paths = [...latticePaths(frames, target)];
        assert.equal(countPaths(frames, target), BigInt(paths.length), `${target} in ${frames}`);
        const { next, begin, isEnd } = lattice(target);
        const order = (path: number[]) => path.map((s, t) => rank(path[t - 1], s));
        paths.forEach((path, i) => {
          path.forEach((s, t) => {
            assert.ok((t === 0 ? begin : next(path[t - 1]!)).includes(s));
          });
          if (frames > 0) assert.ok(isEnd(path.at(-1)!));
          if (i > 0) assert.ok(order(paths[i - 1]!).join() < order(path).join(), 'order');
        });
        const classes = frames === 0 ? [] : pathsOf(target, { frames, classes: 3, blank: 0 });
        if (frames > 0) assert.equal(paths.length, classes.length);
      }
    }
  });

  /** Blank before label, then label position. */
  function rank(before: number | undefined, s: number): number {
    if (s % 2 === 0) return 0;
    return before === undefined || s > before ? 2 : 1;
  }

  it('are counted where there are too many to list', () => {
    // 28 for CAT in 5 frames, by the formula that the tutorial's table confirms.
    assert.equal(countPaths(5, [3, 1, 20]), 28n);
    assert.equal(countPaths(100, [1]), 5050n);
    const target = Array.from({ length: 100 }, (_, i) => 1 + (i % 2));
    assert.equal(countPaths(100, target), 1n);
    assert.equal(countPaths(99, target), 0n);
    const binomial = (n: bigint, k: bigint): bigint =>
      k === 0n ? 1n : (binomial(n - 1n, k - 1n) * n) / k;
    assert.equal(countPaths(1000, target), binomial(1100n, 200n));
  });

  it('refuse what makes no sense', () => {
    assert.throws(() => countPaths(-1, [1]), { code: 'ERR_CTC_OUT_OF_RANGE' });
    assert.throws(() => countPaths(1.5, [1]), { code: 'ERR_CTC_OUT_OF_RANGE' });
    assert.throws(() => countPaths(5, 'CAT' as never), { code: 'ERR_CTC_INVALID_ARG_TYPE' });
    assert.throws(() => latticePaths('5' as never, [1]), { code: 'ERR_CTC_INVALID_ARG_TYPE' });
    assert.throws(() => collapse(5 as never), { code: 'ERR_CTC_INVALID_ARG_TYPE' });
    assert.throws(() => collapse([1], -1), { code: 'ERR_CTC_OUT_OF_RANGE' });
  });
});
