// Beam search without guides, against the enumeration of every path.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type BeamPath,
  beamDecode,
  beamDecodeSync,
  ctcLossSync,
  greedyDecodeSync,
} from '../lib/index.js';
import { collapse } from './oracle/bruteforce.js';
import { inOrder, pathOfSpans, type Reading, readings } from './oracle/decoding.js';
import type { Utterance } from './oracle/problem.js';
import { assertClose, normal, seeded } from './support/close.js';
import { buildDecode, decodeCase } from './support/decodeCase.js';

const exact = { beamWidth: Infinity, topPaths: Infinity };

/** Everything that is true of a hypothesis whose sequence has this reading. */
function checkPath(path: BeamPath, reading: Reading, problem: Omit<Utterance, 'labels'>): void {
  assertClose(path.logProb, reading.logProb, 1e-11, `logProb of ${reading.labels}`);
  assert.deepEqual(
    path.tokens.map(({ label }) => label),
    [...path.labels],
  );
  const spans = pathOfSpans(problem, path.tokens);
  assert.deepEqual(collapse(spans.path, problem.blank), [...path.labels]);
  assertClose(spans.logProb, reading.bestPath, 1e-11, `best path of ${reading.labels}`);
}

describe('beamDecode', () => {
  it('unbounded, it finds every label sequence with its exact probability (property)', async () => {
    await fc.assert(
      fc.asyncProperty(decodeCase({ T: 5, N: 3, C: 4 }), async (random) => {
        const { tensor, options, utterances } = buildDecode(random);
        const sync = beamDecodeSync(tensor, { ...options, ...exact });
        assert.deepEqual(await beamDecode(tensor, { ...options, ...exact }), sync);
        utterances.forEach((problem, n) => {
          const { status, paths } = sync.utterances[n]!;
          const wanted = readings(problem);
          if (wanted === undefined) {
            assert.deepEqual([status, paths], ['nonfinite', []]);
            return;
          }
          assert.equal(status, 'ok');
          const byLabels = new Map(wanted.map((reading) => [reading.labels.join(), reading]));
          assert.equal(paths.length, byLabels.size);
          for (const path of paths) {
            const reading = byLabels.get(path.labels.join());
            assert.ok(reading, `no path reads as ${path.labels}`);
            checkPath(path, reading, problem);
            assert.equal(path.score, path.logProb);
          }
          const sorted = inOrder(paths, ({ score }) => score);
          assert.deepEqual(paths, sorted, 'best first, equal ones by their labels');
        });
      }),
      { numRuns: 300 },
    );
  });

  it('the tutorial: CAT has 28 paths over 5 frames', () => {
    const C = 27;
    const { utterances } = beamDecodeSync(
      { data: new Float32Array(5 * C), shape: [5, C] },
      { beamWidth: 2 ** 18, topPaths: 2 ** 18 },
    );
    const cat = utterances[0]!.paths.find(({ labels }) => labels.join() === '3,1,20');
    // 28 of the 27^5 equally probable paths read as it.
    if (cat) assertClose(cat.logProb, Math.log(28 / C ** 5), 1e-12, 'CAT');
    else assert.fail('not found');
  }).timeout(60_000);

  it('bounded, scores never exceed the exact sums and are sorted (property)', () => {
    fc.assert(
      fc.property(
        decodeCase({ T: 6, N: 2, C: 4 }),
        fc.integer({ min: 1, max: 12 }),
        (random, beamWidth) => {
          const { tensor, options, utterances } = buildDecode(random);
          const found = beamDecodeSync(tensor, { ...options, beamWidth, topPaths: beamWidth });
          utterances.forEach((problem, n) => {
            const all = readings(problem);
            const { paths } = found.utterances[n]!;
            if (all === undefined) {
              assert.equal(paths.length, 0);
              return;
            }
            assert.ok(paths.length >= 1 && paths.length <= beamWidth);
            for (const { labels, logProb } of paths) {
              const reading = all.find((each) => each.labels.join() === labels.join())!;
              assert.ok(logProb <= reading.logProb + 1e-10 * Math.max(1, Math.abs(logProb)));
            }
            assert.deepEqual(
              paths,
              inOrder(paths, ({ score }) => score),
            );
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('topPaths only cuts the list', () => {
    const random = seeded(5);
    const data = Float64Array.from({ length: 40 * 12 }, () => 2 * normal(random));
    const tensor = { data, shape: [40, 12] };
    const all = beamDecodeSync(tensor, { beamWidth: 30, topPaths: 30 }).utterances[0]!.paths;
    assert.equal(all.length, 30);
    for (const topPaths of [1, 2, 29]) {
      const some = beamDecodeSync(tensor, { beamWidth: 30, topPaths }).utterances[0]!.paths;
      assert.deepEqual(some, all.slice(0, topPaths));
    }
  });

  it('a path of the n-best is worth minus the CTC loss of its labels, for a wide beam', () => {
    const random = seeded(8);
    const [T, C] = [25, 6];
    const data = Float64Array.from({ length: T * C }, () => 4 * normal(random));
    const { paths } = beamDecodeSync({ data, shape: [T, C] }, { beamWidth: 5000, topPaths: 20 })
      .utterances[0]!;
    for (const { labels, logProb } of paths) {
      const { losses } = ctcLossSync({ data, shape: [T, C] }, labels, { gradient: false });
      assert.ok(logProb <= -losses[0]! + 1e-9);
      assertClose(logProb, -losses[0]!, 1e-3, 'logProb');
    }
  });

  it('finds what greedy decoding misses', () => {
    // Hannun (2017): the best path is blank, blank; the sum over paths prefers the label.
    const data = Float64Array.of(0.6, 0.4, 0.6, 0.4).map(Math.log);
    const tensor = { data, shape: [2, 2] };
    assert.deepEqual(
      [...greedyDecodeSync(tensor, { input: 'logProbs' }).utterances[0]!.labels],
      [],
    );
    const { paths } = beamDecodeSync(tensor, { input: 'logProbs', ...exact }).utterances[0]!;
    assert.deepEqual(
      paths.map(({ labels }) => [...labels]),
      [[1], []],
    );
    assertClose(
      paths.map(({ logProb }) => Math.exp(logProb)),
      [0.64, 0.36],
      1e-12,
      'p',
    );
    // The best of the three paths that read as the label, and the lowest frame of equals.
    assert.deepEqual([paths[0]!.tokens[0]!.start, paths[0]!.tokens[0]!.end], [0, 1]);
    assertClose(paths[0]!.tokens[0]!.score, 0.4, 1e-12, 'score');
  });

  it('breaks ties by the order of labels, at the end and in the beam', () => {
    const tensor = { data: new Float32Array(5), shape: [1, 5] };
    const order = (options: object) =>
      beamDecodeSync(tensor, options).utterances[0]!.paths.map(({ labels }) => [...labels]);
    assert.deepEqual(order({ topPaths: 5 }), [[], [1], [2], [3], [4]]);
    assert.deepEqual(order({ beamWidth: 3, topPaths: 3 }), [[], [1], [2]]);
    assert.deepEqual(order({ topPaths: 5, blank: 2 }), [[], [0], [1], [3], [4]]);
    assert.deepEqual(order({ topPaths: 3, beamWidth: 3, blank: -1 }), [[], [0], [1]]);
  });

  describe('pruning', () => {
    const logProbs = Float64Array.of(0.5, 0.25, 0.15, 0.1).map(Math.log);
    const tensor = { data: logProbs, shape: [1, 4] };
    const labels = (options: object, data = logProbs) =>
      beamDecodeSync(
        { ...tensor, data },
        { input: 'logProbs', topPaths: 100, ...options },
      ).utterances[0]!.paths.map((path) => path.labels.join());

    it('cutoffTopN looks at so many most probable classes, and at the blank', () => {
      assert.deepEqual(labels({ cutoffTopN: 4 }), ['', '1', '2', '3']);
      assert.deepEqual(labels({ cutoffTopN: 2 }), ['', '1']);
      assert.deepEqual(labels({ cutoffTopN: 1 }), ['']);
      assert.deepEqual(labels({ cutoffTopN: 2, blank: 3 }), ['0', '1', '']);
      assert.deepEqual(labels({ cutoffTopN: Infinity }), ['', '1', '2', '3']);
      // Of equal ones the lower.
      const equal = new Float64Array(4).fill(Math.log(0.25));
      assert.deepEqual(labels({ cutoffTopN: 2 }, equal), ['', '1']);
    });

    it('cutoffProb stops once the sum is reached', () => {
      assert.deepEqual(labels({ cutoffProb: 1 }), ['', '1', '2', '3']);
      assert.deepEqual(labels({ cutoffProb: 0.8 }), ['', '1', '2']);
      assert.deepEqual(labels({ cutoffProb: 0.75 }), ['', '1']);
      assert.deepEqual(labels({ cutoffProb: 0.5 }), ['']);
      assert.deepEqual(labels({ cutoffProb: 0.01, blank: 1 }), ['0', '']);
    });

    it('tokenMinLogp drops improbable classes, but never the best', () => {
      assert.deepEqual(labels({ tokenMinLogp: Math.log(0.12) }), ['', '1', '2']);
      assert.deepEqual(labels({ tokenMinLogp: -1 }), ['']);
      assert.deepEqual(labels({ tokenMinLogp: 0 }), ['']);
      assert.deepEqual(labels({ tokenMinLogp: 0, blank: 3 }), ['0', '']);
    });

    it('beamThreshold drops hypotheses that are far behind', () => {
      assert.deepEqual(labels({ beamThreshold: Infinity }), ['', '1', '2', '3']);
      assert.deepEqual(labels({ beamThreshold: 1.3 }), ['', '1', '2']);
      assert.deepEqual(labels({ beamThreshold: 0.7 }), ['', '1']);
      assert.deepEqual(labels({ beamThreshold: 0 }), ['']);
      const equal = new Float64Array(4).fill(Math.log(0.25));
      assert.deepEqual(labels({ beamThreshold: 0 }, equal), ['', '1', '2', '3']);
    });

    it('together they prune what each prunes, and scores of what is left stay exact sums', () => {
      fc.assert(
        fc.property(
          decodeCase({ T: 5, N: 1, C: 4 }).filter(({ N, fault }) => N === 1 && fault === 'none'),
          fc.integer({ min: 1, max: 4 }),
          (random, cutoffTopN) => {
            const { tensor, options, utterances } = buildDecode(random);
            const found = beamDecodeSync(tensor, { ...options, ...exact, cutoffTopN });
            const problem = utterances[0]!;
            // The same with the classes masked, as log-probabilities.
            const masked = maskAllBut(problem, cutoffTopN);
            const wanted = readings(masked);
            const { paths } = found.utterances[0]!;
            assert.equal(paths.length, wanted!.length);
            for (const path of paths) {
              const reading = wanted!.find(({ labels }) => labels.join() === path.labels.join());
              assertClose(path.logProb, reading!.logProb, 1e-11, 'logProb');
            }
          },
        ),
        { numRuns: 150 },
      );
    });
  });

  it('-Infinity masks leave what they allow', () => {
    const data = Float64Array.of(-Infinity, 0, -Infinity, -Infinity, -Infinity, 0);
    const { paths, status } = beamDecodeSync({ data, shape: [2, 3] }, { input: 'logProbs' })
      .utterances[0]!;
    assert.deepEqual([status, [...paths[0]!.labels], paths[0]!.logProb], ['ok', [1, 2], 0]);
  });

  it('probabilities far below what numbers hold stay exact', () => {
    const [T, C] = [3000, 3];
    const data = new Float64Array(T * C).fill(-50_000);
    const { paths } = beamDecodeSync({ data, shape: [T, C] }, { input: 'logProbs', beamWidth: 8 })
      .utterances[0]!;
    const best = paths[0]!;
    const { losses } = ctcLossSync({ data, shape: [T, C] }, best.labels, { input: 'logProbs' });
    assert.ok(best.logProb <= -losses[0]! * (1 - 1e-12));
    assert.ok(Math.abs(best.logProb + 50_000 * T) < 2 * T);
  });

  it('a million frames do not pile up memory', () => {
    const T = 200_000;
    const data = new Float32Array(T * 3);
    for (let t = 0; t < T; t += 1) data[t * 3 + [0, 1, 0, 2][t % 4]!] = 8;
    const before = process.memoryUsage().rss;
    const { paths } = beamDecodeSync({ data, shape: [T, 3] }, { beamWidth: 4 }).utterances[0]!;
    assert.equal(paths[0]!.labels.length, T / 2);
    assert.ok(process.memoryUsage().rss - before < 300 * 2 ** 20);
  }).timeout(60_000);

  it('takes empty batches, no frames, one class', () => {
    assert.deepEqual(
      beamDecodeSync({ data: new Float32Array(0), shape: [4, 0, 3] }).utterances,
      [],
    );
    const [none] = beamDecodeSync({ data: new Float32Array(0), shape: [0, 1, 3] }).utterances;
    assert.deepEqual([none!.status, none!.paths.length, none!.paths[0]!.score], ['ok', 1, 0]);
    const [one] = beamDecodeSync({ data: new Float32Array(3), shape: [3, 1] }, exact).utterances;
    assert.deepEqual(
      one!.paths.map(({ labels, score }) => [[...labels], score]),
      [[[], 0]],
    );
  });

  it('an unbounded search that outgrows memory is an error, not a crash', async () => {
    const tensor = { data: new Float32Array(40 * 40), shape: [40, 40] };
    await assert.rejects(beamDecode(tensor, { beamWidth: Infinity }), {
      code: 'ERR_CTC_OUT_OF_MEMORY',
      message:
        'not enough memory for a beam of Infinity: lower beamWidth, split the batch, or use fewer threads',
    });
    assert.equal((await beamDecode(tensor)).utterances[0]!.status, 'ok');
  }).timeout(60_000);
});

function maskAllBut(problem: Omit<Utterance, 'labels'>, kept: number): Omit<Utterance, 'labels'> {
  const { frames, classes, blank, input } = problem;
  const values = new Float64Array(frames * classes);
  for (let t = 0; t < frames; t += 1) {
    const row = problem.values.subarray(t * classes, (t + 1) * classes);
    const max = Math.max(...row);
    const sum = row.reduce((total, x) => total + Math.exp(x - max), 0);
    const shift = input === 'logits' ? max + Math.log(sum) : 0;
    const order = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]! || a - b);
    order.forEach((c, rank) => {
      values[t * classes + c] = rank < kept || c === blank ? row[c]! - shift : -Infinity;
    });
  }
  return { ...problem, values, input: 'logProbs' };
}
