// Greedy decoding against its definition, frame by frame.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { greedyPaths } from '../lib/decode.js';
import { greedyDecode, greedyDecodeSync } from '../lib/index.js';
import { isNonfinite, logProbabilities, type Utterance } from './oracle/problem.js';
import { assertClose } from './support/close.js';
import { buildDecode, decodeCase } from './support/decodeCase.js';

function expected(problem: Omit<Utterance, 'labels'>, merge: boolean) {
  const { frames, classes, blank } = problem;
  const labels = Array.from({ length: classes }, (_, c) => c);
  if (isNonfinite({ ...problem, labels })) return undefined;
  const logProbs = logProbabilities({ ...problem, labels });
  const tokens: { label: number; start: number; end: number; sum: number }[] = [];
  let logProb = 0;
  let blanks = 0;
  let previous = -1;
  for (let t = 0; t < frames; t += 1) {
    const row = problem.values.subarray(t * classes, (t + 1) * classes);
    let best = 0;
    for (let c = 1; c < classes; c += 1) if (row[c]! > row[best]!) best = c;
    const p = logProbs[t * classes + best]!;
    logProb += p;
    if (best === blank) blanks += 1;
    else if (merge && best === previous) {
      tokens.at(-1)!.end = t + 1;
      tokens.at(-1)!.sum += Math.exp(p);
    } else tokens.push({ label: best, start: t, end: t + 1, sum: Math.exp(p) });
    previous = best;
  }
  return { tokens, logProb, blankRatio: blanks / frames };
}

describe('greedyDecode', () => {
  for (const merge of [true, false]) {
    it(`is the best class of every frame, mergeRepeated: ${merge} (property)`, async () => {
      await fc.assert(
        fc.asyncProperty(decodeCase({ T: 9, N: 3, C: 21 }), async (random) => {
          const { tensor, options, utterances } = buildDecode(random);
          const all = { ...options, mergeRepeated: merge };
          const sync = greedyDecodeSync(tensor, all);
          assert.deepEqual(await greedyDecode(tensor, all), sync);
          assert.equal(sync.utterances.length, utterances.length);
          utterances.forEach((problem, n) => {
            const found = sync.utterances[n]!;
            const wanted = expected(problem, merge);
            if (wanted === undefined) {
              assert.deepEqual(
                [found.status, [...found.labels], found.tokens, found.text, found.words],
                ['nonfinite', [], [], undefined, undefined],
              );
              assert.deepEqual([found.logProb, found.blankRatio], [Number.NaN, Number.NaN]);
              return;
            }
            assert.equal(found.status, 'ok');
            assert.deepEqual(
              found.tokens.map(({ label, text, start, end }) => ({ label, text, start, end })),
              wanted.tokens.map(({ label, start, end }) => ({
                label,
                text: undefined,
                start,
                end,
              })),
            );
            assert.deepEqual(
              [...found.labels],
              wanted.tokens.map(({ label }) => label),
            );
            assertClose(
              found.tokens.map(({ score }) => score),
              wanted.tokens.map(({ sum, start, end }) => sum / (end - start)),
              1e-12,
              'score',
            );
            assertClose(found.logProb, wanted.logProb, 1e-12, 'logProb');
            assertClose(found.blankRatio, wanted.blankRatio, 0, 'blankRatio');
          });
        }),
        { numRuns: 400 },
      );
    });
  }

  it('the example of its documentation', () => {
    // Frames: C C blank C A A blank blank
    const path = [1, 1, 0, 1, 2, 2, 0, 0];
    const data = Float32Array.from(
      path.flatMap((best) => [0, 1, 2].map((c) => (c === best ? 4 : 0))),
    );
    const tokens = ['', 'C', 'A'];
    const { utterances } = greedyDecodeSync({ data, shape: [8, 3] }, { tokens });
    const p = 1 / (1 + 2 * Math.exp(-4));
    const [found] = utterances;
    assert.equal(found!.text, 'CCA');
    assert.equal(found!.words, undefined);
    assert.deepEqual([...found!.labels], [1, 1, 2]);
    assert.deepEqual(
      found!.tokens.map(({ text, start, end }) => [text, start, end]),
      [
        ['C', 0, 2],
        ['C', 3, 4],
        ['A', 4, 6],
      ],
    );
    for (const { score } of found!.tokens) assertClose(score, p, 1e-12, 'score');
    assertClose(found!.logProb, 8 * Math.log(p), 1e-12, 'logProb');
    assert.equal(found!.blankRatio, 3 / 8);
    const every = greedyDecodeSync({ data, shape: [8, 3] }, { tokens, mergeRepeated: false });
    assert.equal(every.utterances[0]!.text, 'CCCAA');
  });

  it('takes the lowest of equally probable classes, also when it is not the blank', () => {
    const data = new Float32Array(6);
    const labels = (blank: number) => [
      ...greedyDecodeSync({ data, shape: [2, 3] }, { blank }).utterances[0]!.labels,
    ];
    assert.deepEqual(labels(0), []);
    assert.deepEqual(labels(1), [0]);
    assert.deepEqual(labels(-1), [0]);
  });

  it('takes empty batches and utterances without frames', () => {
    assert.deepEqual(
      greedyDecodeSync({ data: new Float32Array(0), shape: [4, 0, 3] }).utterances,
      [],
    );
    const { utterances } = greedyDecodeSync({ data: new Float32Array(0), shape: [0, 2, 3] });
    for (const { status, labels, logProb, blankRatio } of utterances) {
      assert.deepEqual([status, [...labels], logProb, blankRatio], ['ok', [], 0, Number.NaN]);
    }
  });

  it('takes one class, which is the blank', () => {
    const [found] = greedyDecodeSync({ data: new Float32Array(3), shape: [3, 1] }).utterances;
    assert.deepEqual([[...found!.labels], found!.logProb, found!.blankRatio], [[], 0, 1]);
  });

  it('sums probabilities over frames, whatever the number of classes', () => {
    const [T, C] = [3, 5003];
    const data = new Float32Array(T * C);
    data[17] = 9;
    const [found] = greedyDecodeSync({ data, shape: [T, C] }).utterances;
    const p = Math.exp(9) / (Math.exp(9) + C - 1);
    assertClose(found!.tokens[0]!.score, p, 1e-12, 'score');
    assertClose(found!.logProb, Math.log(p) - 2 * Math.log(C), 1e-12, 'logProb');
  });

  it('takes the lowest of equal classes at any place of any number of classes', () => {
    for (let classes = 1; classes <= 150; classes += 1) {
      for (const first of [0, classes >> 1, classes - 1]) {
        for (const Elements of [Float32Array, Float64Array]) {
          const row = new Elements(classes).fill(-1);
          row.fill(2, first);
          const shape = [1, classes];
          const [found] = greedyDecodeSync({ data: row, shape }, { blank: -1 }).utterances;
          const expected = first === classes - 1 ? [] : [first];
          assert.deepEqual([...found!.labels], expected, `${first} of ${classes}`);
          for (const poison of [Number.NaN, Number.POSITIVE_INFINITY]) {
            row[first] = poison;
            const [poisoned] = greedyDecodeSync({ data: row, shape }).utterances;
            assert.equal(poisoned!.status, 'nonfinite', `${poison} at ${first} of ${classes}`);
          }
          row.fill(Number.NEGATIVE_INFINITY);
          assert.equal(greedyDecodeSync({ data: row, shape }).utterances[0]!.status, 'nonfinite');
        }
      }
    }
  });

  it('gives the same labels and confidences without scores, in any layout', async () => {
    const [T, N, C] = [40, 3, 29];
    const data = Float32Array.from({ length: T * N * C }, (_, i) => 9 * Math.sin(i * i));
    for (const input of ['logits', 'logProbs'] as const) {
      for (const strides of [
        [N * C, C, 1],
        [N, 1, T * N],
      ] as const) {
        const tensor = { data, shape: [T, N, C], strides };
        const paths = await greedyPaths(tensor, { input });
        const { utterances } = greedyDecodeSync(tensor, { input });
        const tokens = utterances.flatMap((utterance) => utterance.tokens);
        assert.ok(tokens.length > 20);
        assert.deepEqual(
          Array.from(paths.labels),
          tokens.map(({ label }) => label),
        );
        assert.deepEqual(
          Array.from(paths.confidences),
          tokens.map(({ score }) => score),
        );
        assert.deepEqual(
          Array.from(paths.blankFrames, (count) => count / T),
          utterances.map(({ blankRatio }) => blankRatio),
        );
      }
    }
  });
});
