// Guided beam search: language models, lexicons, hotwords and word delimiters, against the sum over
// all paths and the definition of each guide.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type BeamSyncOptions,
  beamDecode,
  beamDecodeSync,
  greedyDecodeSync,
  Lexicon,
  parseLanguageModel,
} from '../lib/index.js';
import { inOrder, type Reading, readings } from './oracle/decoding.js';
import { assertClose, normal, seeded } from './support/close.js';
import { arpaText, modelScore, type Ngrams, occurrences } from './support/guideOracle.js';

const model: Ngrams = {
  order: 2,
  prob: {
    '<s>': -99,
    '</s>': -0.7,
    '<unk>': -1.5,
    a: -0.6,
    ab: -0.9,
    b: -1.2,
    'a b': -0.3,
    '<s> ab': -0.2,
    'ab </s>': -0.1,
    'a a': -0.8,
  },
  backoff: { '<s>': -0.4, a: -0.2, ab: -0.5, b: -0.1 },
};
const exact = { beamWidth: Infinity, topPaths: Infinity };
const tokens = ['<blank>', ' ', 'a', 'b'];

/** One utterance of random logits over the tokens, and what all of its paths read as. */
function problem(seed: number, frames: number, classes: number) {
  const random = seeded(seed);
  const values = Float64Array.from({ length: frames * classes }, () => 2 * normal(random));
  const all = readings({ values, frames, classes, blank: 0, input: 'logits' })!;
  return { tensor: { data: values, shape: [frames, classes] }, all };
}

const spell = (labels: number[], symbols = tokens) => labels.map((c) => symbols[c]).join('');
const split = (text: string) => text.split(' ').filter((word) => word !== '');

/** Checks all hypotheses against all readings that `score` allows (undefined: forbidden). */
function compare(
  { tensor, all }: ReturnType<typeof problem>,
  options: BeamSyncOptions,
  score: (labels: number[]) => number | undefined,
): void {
  const { paths, status } = beamDecodeSync(tensor, { tokens, ...options, ...exact }).utterances[0]!;
  const wanted = all.flatMap((reading: Reading) => {
    const added = score(reading.labels);
    return added === undefined || added === -Infinity
      ? []
      : [{ ...reading, total: reading.logProb + added }];
  });
  assert.equal(status, wanted.length > 0 ? 'ok' : 'infeasible');
  assert.equal(paths.length, wanted.length);
  const byLabels = new Map(wanted.map((each) => [each.labels.join(), each]));
  for (const path of paths) {
    const each = byLabels.get(path.labels.join());
    assert.ok(each, `${path.labels} is not allowed`);
    assertClose(path.logProb, each.logProb, 1e-10, 'logProb');
    assertClose(path.score, each.total, 1e-6, `score of '${path.text}'`);
  }
  assert.deepEqual(
    paths,
    inOrder(paths, (path) => path.score),
  );
}

const weights = fc.record({
  alpha: fc.constantFrom(0, 0.5, 2),
  beta: fc.constantFrom(-1, 0, 1.5),
  unkScore: fc.constantFrom(-10, -1, 0, 2, -Infinity),
  sentenceBoundary: fc.boolean(),
});

describe('guided beamDecode', () => {
  describe('with a language model of words', () => {
    for (const [what, ngrams] of Object.entries({
      'with <unk>': model,
      'without <unk>': {
        ...model,
        prob: Object.fromEntries(Object.entries(model.prob).filter(([gram]) => gram !== '<unk>')),
      },
      'without <s> and </s>': {
        order: 1,
        prob: { a: -0.5, ab: -0.25, '<unk>': -1 },
        backoff: {},
      },
    })) {
      it(`${what}: score = logProb + alpha ln p + beta words + unkScore unknown words (property)`, () => {
        const lm = parseLanguageModel(arpaText(ngrams));
        fc.assert(
          fc.property(fc.nat(), fc.integer({ min: 0, max: 6 }), weights, (seed, frames, given) => {
            compare(problem(seed, frames, 4), { lm, ...given }, (labels) =>
              modelScore(ngrams, split(spell(labels)), given),
            );
          }),
          { numRuns: 40 },
        );
      });
    }

    it('defaults: alpha 0.5, beta 1.5, unkScore -10, sentences', () => {
      const lm = parseLanguageModel(arpaText(model));
      compare(problem(1, 5, 4), { lm }, (labels) =>
        modelScore(model, split(spell(labels)), {
          alpha: 0.5,
          beta: 1.5,
          unkScore: -10,
          sentenceBoundary: true,
        }),
      );
    });

    it('changes what is heard', () => {
      // 'a' and 'ab' sound nearly alike; the model prefers 'ab' at the start.
      const lm = parseLanguageModel(arpaText(model));
      const data = Float64Array.of(0.1, 0, 0.9, 0, 0.5, 0, 0.01, 0.49).map((p) =>
        Math.log(p + 1e-9),
      );
      const best = (options: BeamSyncOptions) =>
        beamDecodeSync({ data, shape: [2, 4] }, { input: 'logProbs', tokens, ...options })
          .utterances[0]!.paths[0]!.text;
      assert.equal(best({}), 'a');
      assert.equal(best({ lm }), 'ab');
      assert.equal(best({ lm, alpha: 0 }), 'a');
    });
  });

  it('a model of tokens scores every label, the delimiter as <space> (property)', () => {
    const letters: Ngrams = {
      order: 2,
      prob: {
        '<s>': -99,
        '</s>': -0.5,
        '<unk>': -3,
        a: -0.3,
        '<space>': -0.9,
        'a <space>': -0.2,
        'a </s>': -0.6,
      },
      backoff: { a: -0.3, '<s>': -0.1 },
    };
    const lm = parseLanguageModel(arpaText(letters));
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 5 }), weights, (seed, frames, given) => {
        // b is outside of this model.
        const names = ['', '<space>', 'a', 'b'];
        compare(problem(seed, frames, 4), { lm, lmUnit: 'token', ...given }, (labels) =>
          modelScore(
            letters,
            labels.map((c) => names[c]!),
            given,
          ),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('beta alone counts words (property)', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(-2, 0.5, 3), (seed, beta) => {
        compare(problem(seed, 5, 4), { beta }, (labels) => beta * split(spell(labels)).length);
      }),
      { numRuns: 20 },
    );
  });

  describe('with a lexicon', () => {
    const legal = (words: string[]) => (labels: number[]) =>
      split(spell(labels)).every((word) => words.includes(word)) ? 0 : undefined;

    it('writes its words and no others (property)', () => {
      fc.assert(
        fc.property(
          fc.nat(),
          fc.integer({ min: 0, max: 6 }),
          fc.uniqueArray(fc.constantFrom('a', 'b', 'ab', 'ba', 'aab', 'bbb'), { minLength: 1 }),
          (seed, frames, words) => {
            compare(problem(seed, frames, 4), { lexicon: words }, legal(words));
            compare(problem(seed, frames, 4), { lexicon: new Lexicon(words) }, legal(words));
          },
        ),
        { numRuns: 30 },
      );
    });

    it('and a language model: both (property)', () => {
      const lm = parseLanguageModel(arpaText(model));
      fc.assert(
        fc.property(fc.nat(), weights, (seed, given) => {
          const words = ['ab', 'b', 'ba'];
          compare(problem(seed, 6, 4), { lm, lexicon: words, ...given }, (labels) =>
            legal(words)(labels) === 0 ? modelScore(model, split(spell(labels)), given) : undefined,
          );
        }),
        { numRuns: 30 },
      );
    });

    it('without a delimiter an utterance is one word, or none', () => {
      const symbols = ['<blank>', 'c', 'a', 'b'];
      const words = ['cab', 'ab', 'a'];
      compare(
        problem(3, 5, 4),
        { lexicon: words, tokens: symbols, wordDelimiter: null },
        (labels) => (labels.length === 0 || words.includes(spell(labels, symbols)) ? 0 : undefined),
      );
    });

    it('no word ends in the beam: infeasible', () => {
      const { utterances } = beamDecodeSync(
        { data: Float32Array.of(0, 0, 9, 0), shape: [1, 4] },
        { tokens, lexicon: ['abab'], beamWidth: 1 },
      );
      assert.deepEqual(utterances, [{ status: 'infeasible', paths: [] }]);
    });

    it('words may be split into tokens in any way', () => {
      const symbols = ['<blank>', '▁ab', 'a', 'b', '▁a', '▁'];
      const { tensor, all } = problem(11, 4, 6);
      const { paths } = beamDecodeSync(tensor, {
        ...{ tokens: symbols, wordDelimiter: '▁', lexicon: ['ab', 'b'], ...exact },
      }).utterances[0]!;
      const text = (labels: number[]) => split(spell(labels, symbols).replaceAll('▁', ' '));
      const allowed = all.filter(({ labels }) =>
        text(labels).every((word) => ['ab', 'b'].includes(word)),
      );
      assert.equal(paths.length, allowed.length);
      const ways = paths
        .filter((path) => path.text === 'ab')
        .map(({ tokens: t }) => t.map((x) => x.text).join('+'));
      for (const way of ['▁ab', '▁a+b', '▁+a+b', 'a+b']) assert.ok(ways.includes(way), way);
    });

    it('spellings: several for a word, and homophones, of which the model chooses', () => {
      // Phonemes; 'read' has two pronunciations, one of them is that of 'red'.
      const phones = ['<blank>', '|', 'R', 'IY', 'EH', 'D'];
      const lexicon = new Lexicon(
        [
          ['read', ['R', 'IY', 'D']],
          ['read', ['R', 'EH', 'D']],
          ['red', [2, 4, 5]],
        ],
        { tokens: phones },
      );
      assert.equal(lexicon.size, 2);
      const say = (labels: number[], options: BeamSyncOptions) => {
        const data = new Float32Array(labels.length * 6);
        labels.forEach((label, t) => {
          data[t * 6 + label] = 20;
        });
        const given = { tokens: phones, wordDelimiter: '|', lexicon, ...options };
        return beamDecodeSync({ data, shape: [labels.length, 6] }, given).utterances[0]!.paths[0]!;
      };
      const lm = parseLanguageModel(
        arpaText({
          order: 2,
          prob: { '<s>': -99, '</s>': -1, read: -1.2, red: -1, 'red read': -0.1, 'red red': -2 },
          backoff: { red: -1 },
        }),
      );
      const red = [2, 4, 5];
      const reed = [2, 3, 5];
      // Without a model the first in the lexicon.
      assert.equal(say(red, {}).text, 'read');
      assert.equal(say(red, { lm }).text, 'red');
      const twice = say([...red, 1, ...red], { lm });
      assert.equal(twice.text, 'red read');
      assert.deepEqual(
        twice.words!.map(({ text, start, end }) => [text, start, end]),
        [
          ['red', 0, 3],
          ['read', 4, 7],
        ],
      );
      assert.equal(say(reed, { lm }).text, 'read');
      // Without tokens the class numbers will do, and the words are there all the same.
      const numbers = new Lexicon([['x', [1, 2]]]);
      const [found] = beamDecodeSync(
        { data: Float32Array.of(0, 9, 0, 0, 0, 9), shape: [2, 3] },
        { lexicon: numbers },
      ).utterances;
      assert.deepEqual([...found!.paths[0]!.labels], [1, 2]);
    });
  });

  it('counts words alike that UTF-8 cannot tell apart', () => {
    assert.equal(new Lexicon(['a\ud800', 'a\udfff', 'a\ufffd', 'b']).size, 2);
  });

  describe('with hotwords', () => {
    it('each whole-word occurrence adds its weight (property)', () => {
      fc.assert(
        fc.property(
          fc.nat(),
          fc.integer({ min: 0, max: 6 }),
          fc.uniqueArray(fc.constantFrom('a', 'ab', 'b', 'a b', 'b a', 'ba'), {
            minLength: 1,
            maxLength: 3,
          }),
          fc.constantFrom(5, 0.5, -3),
          (seed, frames, hotwords, hotwordWeight) => {
            const added = (labels: number[]) =>
              hotwords.reduce(
                (sum, phrase) => sum + hotwordWeight * occurrences(split(spell(labels)), phrase),
                0,
              );
            // A doubled delimiter is a boundary twice: phrases across it do not occur.
            const single = (labels: number[]) => !/ {2}|^ | $/.test(spell(labels));
            const { tensor, all } = problem(seed, frames, 4);
            const { paths } = beamDecodeSync(tensor, { tokens, hotwords, hotwordWeight, ...exact })
              .utterances[0]!;
            assert.equal(paths.length, all.length);
            for (const path of paths) {
              if (!single([...path.labels])) continue;
              assertClose(
                path.score - path.logProb,
                added([...path.labels]),
                1e-9,
                `'${path.text}'`,
              );
            }
          },
        ),
        { numRuns: 40 },
      );
    });

    it('own weights, and without words anywhere in the text', () => {
      const { tensor } = problem(4, 4, 4);
      const added = (options: BeamSyncOptions, text: string) => {
        const { paths } = beamDecodeSync(tensor, { tokens, ...options, ...exact }).utterances[0]!;
        const path = paths.find((each) => each.text === text)!;
        return path.score - path.logProb;
      };
      assertClose(added({ hotwords: { ab: 2, b: -1 } }, 'ab'), 2, 1e-12, 'a word');
      assertClose(added({ hotwords: { b: 3 } }, 'ab'), 0, 1e-12, 'a part of a word');
      assertClose(added({ hotwords: { b: 3 }, wordDelimiter: null }, 'ab'), 3, 1e-12, 'anywhere');
      assertClose(added({ hotwords: ['b', 'ab'], wordDelimiter: null }, 'ab'), 20, 1e-12, 'both');
      assertClose(added({ hotwords: ['  a   b '] }, 'a b'), 10, 1e-12, 'spaces');
    });

    it('keep a word in a narrow beam while it is being spelled', () => {
      // Every frame prefers b a little; the word aaa needs its credit before its end.
      const row = [0.02, 0.02, 0.4, 0.56].map(Math.log);
      const blank = [0.9, 0.02, 0.04, 0.04].map(Math.log);
      const data = Float64Array.from([row, blank, row, blank, row].flat());
      const text = (options: BeamSyncOptions) =>
        beamDecodeSync(
          { data, shape: [5, 4] },
          { input: 'logProbs', tokens, beamWidth: 2, ...options },
        ).utterances[0]!.paths[0]!.text;
      assert.equal(text({}), 'bbb');
      assert.equal(text({ hotwords: ['aaa'], hotwordWeight: 3 }), 'aaa');
    });
  });

  describe('word delimiters', () => {
    /** Greedy and beam say the same of a confident path. */
    function say(path: number[], symbols: string[], wordDelimiter?: string | null) {
      const C = symbols.length;
      const data = new Float32Array(path.length * C);
      path.forEach((label, t) => {
        data[t * C + label] = 20;
      });
      const tensor = { data, shape: [path.length, C] };
      const options = { tokens: symbols, wordDelimiter };
      const [greedy] = greedyDecodeSync(tensor, options).utterances;
      const beam = beamDecodeSync(tensor, options).utterances[0]!.paths[0]!;
      assert.equal(beam.text, greedy!.text);
      assert.deepEqual(
        beam.words?.map(({ text }) => text),
        greedy!.words?.map(({ text }) => text),
      );
      return {
        text: greedy!.text,
        words: greedy!.words?.map(({ text, start, end }) => [text, start, end]),
      };
    }
    const C = ['', ' ', 'a', 'b'];

    it("' ' is found by itself", () => {
      assert.deepEqual(say([2, 3, 1, 1, 0, 3], C), {
        text: 'ab b',
        words: [
          ['ab', 0, 2],
          ['b', 5, 6],
        ],
      });
      // The text has what the labels spell, spaces at its ends included.
      assert.deepEqual(say([1, 2, 1], C), { text: ' a ', words: [['a', 1, 2]] });
      assert.deepEqual(say([0], C), { text: '', words: [] });
    });

    it("'|' becomes a space", () => {
      assert.deepEqual(say([1, 2, 1, 3, 1], ['', '|', 'a', 'b'], '|'), {
        text: 'a b',
        words: [
          ['a', 1, 2],
          ['b', 3, 4],
        ],
      });
      assert.deepEqual(say([2, 1, 3], ['', '|', 'a', 'b']), { text: 'a|b', words: undefined });
    });

    it("'▁' begins words, alone or on a piece", () => {
      const pieces = ['', '▁', '▁the', 're', '▁a'];
      assert.deepEqual(say([2, 3, 4, 1, 3], pieces, '▁'), {
        text: 'there a re',
        words: [
          ['there', 0, 2],
          ['a', 2, 3],
          ['re', 4, 5],
        ],
      });
    });

    it('null: there are no words', () => {
      assert.deepEqual(say([2, 1, 3], C, null), { text: 'a b', words: undefined });
    });

    it('a word is scored by the mean of its tokens', () => {
      const data = Float64Array.of(0, 0, 1, 2, 0, 0, 2, 3);
      const [found] = greedyDecodeSync({ data, shape: [2, 4] }, { tokens: C }).utterances;
      assert.equal(found!.text, 'b');
      assertClose(found!.words![0]!.score, found!.tokens[0]!.score, 1e-15, 'score');
    });
  });

  it('a guided search does not depend on threads or batches, with everything at once', async () => {
    const lm = parseLanguageModel(arpaText(model));
    const random = seeded(77);
    const [T, N] = [40, 9];
    const data = Float32Array.from({ length: T * N * 4 }, () => 2 * normal(random));
    const options = {
      ...{ tokens, lm, lexicon: ['a', 'ab', 'ba', 'b', 'abba'], hotwords: { 'ab a': 2 } },
      ...{ beamWidth: 20, topPaths: 5, inputLengths: Array.from({ length: N }, (_, n) => T - n) },
    };
    const reference = beamDecodeSync({ data, shape: [T, N, 4] }, { ...options, threads: 1 });
    for (const threads of [2, 7]) {
      assert.deepEqual(
        await beamDecode({ data, shape: [T, N, 4] }, { ...options, threads }),
        reference,
      );
    }
    for (let n = 0; n < N; n += 1) {
      const alone = beamDecodeSync(
        { data: data.subarray(n * 4), shape: [T, 1, 4], strides: [N * 4, 4, 1] },
        { ...options, inputLengths: [T - n] },
      );
      assert.deepEqual(alone.utterances[0], reference.utterances[n]);
    }
  });
});
