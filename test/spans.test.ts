// Spans from frame-by-frame paths, and words from spans.

import assert from 'node:assert/strict';
import { forcedAlignSync, mergeTokens, wordSpans } from '../lib/index.js';
import { seeded } from './support/close.js';

describe('mergeTokens', () => {
  // As torchaudio's tutorial on forced alignment and the docstring of merge_tokens have it: a span is
  // a run of one token, its end is exclusive, its score the mean of the run's scores, blanks are left out.
  it('merges runs and drops blanks', () => {
    const tokens = [0, 3, 3, 0, 3, 1, 1, 1, 0, 0];
    const scores = [-0.5, -1, -2, -0.25, -4, -3, -6, -9, 0, 0];
    assert.deepEqual(mergeTokens(tokens, scores), [
      { token: 3, start: 1, end: 3, score: -1.5 },
      { token: 3, start: 4, end: 5, score: -4 },
      { token: 1, start: 5, end: 8, score: -6 },
    ]);
  });

  it('takes any blank, and arrays of any kind', () => {
    const want = [
      { token: 0, start: 0, end: 2, score: 0.5 },
      { token: 1, start: 3, end: 4, score: 1 },
    ];
    const tokens = [0, 0, 2, 1];
    const scores = [0.25, 0.75, 0.5, 1];
    for (const View of [Int32Array, Uint8Array, Int16Array]) {
      assert.deepEqual(mergeTokens(View.from(tokens), Float32Array.from(scores), 2), want);
    }
    const int64 = BigInt64Array.from(tokens, BigInt);
    assert.deepEqual(mergeTokens(int64, Float64Array.from(scores), 2), want);
    assert.deepEqual(mergeTokens([], []), []);
    assert.deepEqual(mergeTokens([2, 2], [1, 1], 2), []);
  });

  it('gives the spans of forcedAlign from its labels', () => {
    const random = seeded(70);
    const [T, C] = [80, 6];
    const data = Float32Array.from({ length: T * C }, () => 5 * random());
    const target = [1, 1, 2, 5, 5, 5, 3, 1];
    for (const blank of [0, 4]) {
      const labels = target.map((label) => (label === blank ? 0 : label));
      const [{ spans, labels: path, logProbs }] = forcedAlignSync(
        { data, shape: [T, C] },
        blank === 0 ? target : labels,
        { blank },
      ).utterances as [ReturnType<typeof forcedAlignSync>['utterances'][0]];
      const merged = mergeTokens(path, logProbs.map(Math.exp), blank);
      assert.equal(merged.length, spans.length);
      merged.forEach(({ score, ...span }, i) => {
        const { score: expected, ...rest } = spans[i]!;
        assert.deepEqual(span, rest);
        assert.ok(Math.abs(score - expected) < 1e-12);
      });
    }
  });

  it('refuses what it cannot read', () => {
    const bad: [args: unknown[], code: string, message: string][] = [
      [
        ['CAT', [1]],
        'INVALID_ARG_TYPE',
        "tokens must be an array of labels, one for each frame, not 'CAT'",
      ],
      [
        [[1], undefined],
        'INVALID_ARG_TYPE',
        'scores must be an array of numbers, one for each frame, not undefined',
      ],
      [
        [[1], Int32Array.of(1)],
        'INVALID_ARG_TYPE',
        'scores must be an array of numbers, one for each frame, not a Int32Array',
      ],
      [
        [[1, 2], [1]],
        'INVALID_LENGTH',
        'there are 2 tokens and 1 scores; there must be one for each frame',
      ],
      [
        [
          [1, -1],
          [1, 1],
        ],
        'INVALID_LABEL',
        'tokens[1] is -1; labels are integers from 0',
      ],
      [[[1.5], [1]], 'INVALID_LABEL', 'tokens[0] is 1.5; labels are integers from 0'],
      [[['a'], [1]], 'INVALID_LABEL', "tokens[0] must be an integer, not 'a'"],
      [[[1], ['a']], 'INVALID_ARG_TYPE', "scores[0] must be a number, not 'a'"],
      [[[1], [1], -1], 'OUT_OF_RANGE', 'blank is -1; it must be an integer from 0 to 2147483647'],
    ];
    for (const [args, code, message] of bad) {
      assert.throws(() => mergeTokens(...(args as [number[], number[]])), {
        code: `ERR_CTC_${code}`,
        message,
      });
    }
  });
});

describe('wordSpans', () => {
  const span = (token: number, start: number, score: number) => ({
    token,
    start,
    end: start + 2,
    score,
  });

  it('groups spans between delimiters', () => {
    const spans = [span(1, 0, 0.5), span(2, 3, 1), span(9, 6, 0.1), span(1, 9, 0.25)];
    assert.deepEqual(wordSpans(spans, 9), [
      { start: 0, end: 5, score: 0.75, spans: spans.slice(0, 2) },
      { start: 9, end: 11, score: 0.25, spans: spans.slice(3) },
    ]);
  });

  it('makes no words of delimiters at the ends or side by side', () => {
    const [a, b, gap] = [span(1, 2, 1), span(2, 8, 1), span(9, 0, 1)];
    const words = wordSpans([gap, gap, a, gap, gap, b, gap], 9);
    assert.deepEqual(
      words.map(({ spans }) => spans),
      [[a], [b]],
    );
    assert.deepEqual(wordSpans([], 9), []);
    assert.deepEqual(wordSpans([gap], 9), []);
  });

  it('refuses a delimiter that is no label', () => {
    assert.throws(() => wordSpans([], undefined as never), { code: 'ERR_CTC_INVALID_ARG_TYPE' });
    assert.throws(() => wordSpans([], '|' as never), { code: 'ERR_CTC_INVALID_ARG_TYPE' });
    assert.throws(() => wordSpans([], -1), { code: 'ERR_CTC_OUT_OF_RANGE' });
  });
});
