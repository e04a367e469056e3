// Error rates: known cases, a plain table of edit distances, graphemes, corpora, bad input.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type ErrorRateOptions, errorRate } from '../lib/index.js';
import { countErrors } from '../lib/metrics.js';
import { seeded } from './support/close.js';

type Counts = [substitutions: number, deletions: number, insertions: number, hits: number];

/** Levenshtein's table in full, with the documented choice among equally short alignments. */
function plain<U>(a: readonly U[], b: readonly U[]): { counts: Counts; steps: string } {
  const distance = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : i)),
  );
  for (let i = 1; i <= a.length; i += 1) {
    for (let j = 1; j <= b.length; j += 1) {
      distance[i]![j] = Math.min(
        distance[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
        distance[i - 1]![j]! + 1,
        distance[i]![j - 1]! + 1,
      );
    }
  }
  const counts: Counts = [0, 0, 0, 0];
  let steps = '';
  let [i, j] = [a.length, b.length];
  while (i > 0 || j > 0) {
    const here = distance[i]![j]!;
    const same = a[i - 1] === b[j - 1];
    if (i > 0 && j > 0 && distance[i - 1]![j - 1]! + (same ? 0 : 1) === here) {
      counts[same ? 3 : 0] += 1;
      steps = (same ? '=' : 'S') + steps;
      i -= 1;
      j -= 1;
    } else if (i > 0 && distance[i - 1]![j]! + 1 === here) {
      counts[1] += 1;
      steps = `D${steps}`;
      i -= 1;
    } else {
      counts[2] += 1;
      steps = `I${steps}`;
      j -= 1;
    }
  }
  return { counts, steps };
}

const letters = { hit: '=', substitution: 'S', deletion: 'D', insertion: 'I' } as const;

function countsOf(
  reference: string | number[],
  hypothesis: string | number[],
  options: ErrorRateOptions = {},
): Counts {
  const { substitutions, deletions, insertions, hits } = errorRate(reference, hypothesis, options);
  return [substitutions, deletions, insertions, hits];
}

describe('errorRate', () => {
  it('knows the textbook cases', () => {
    const { rate, errors, referenceLength, hypothesisLength } = errorRate('kitten', 'sitting');
    assert.deepEqual([rate, errors, referenceLength, hypothesisLength], [0.5, 3, 6, 7]);
    assert.deepEqual(countsOf('kitten', 'sitting'), [2, 0, 1, 4]);
    assert.equal(errorRate('intention', 'execution').errors, 5);
    assert.equal(errorRate('saturday', 'sunday').errors, 3);
    assert.equal(errorRate('flaw', 'lawn').errors, 2);
    assert.deepEqual(countsOf('abc', 'abc'), [0, 0, 0, 3]);
    assert.deepEqual(countsOf('abc', ''), [0, 3, 0, 0]);
    assert.deepEqual(countsOf('', 'abc'), [0, 0, 3, 0]);
  });

  it('counts words between any white space', () => {
    const word = { unit: 'word' } as const;
    const { rate } = errorRate('the cat sat on the mat', 'the cat sat on mat', word);
    assert.equal(rate, 1 / 6);
    assert.deepEqual(
      countsOf('the cat  sat\non\tthe mat ', ' the cat sit on the the mat', word),
      [1, 0, 1, 5],
    );
    assert.deepEqual(countsOf('  ', ' a ', word), [0, 0, 1, 0]);
    assert.equal(errorRate('', '', word).rate, 0);
  });

  it('is 0 of nothing for nothing, and Infinity for something', () => {
    assert.equal(errorRate('', '').rate, 0);
    assert.equal(errorRate('', 'a').rate, Infinity);
    assert.deepEqual(errorRate([], [1, 2]).insertions, 2);
    assert.deepEqual(errorRate([1, 2], []).deletions, 2);
    assert.deepEqual(errorRate([], []).utterances, []);
  });

  it('equals the full table on random texts, whatever the band', () => {
    const random = seeded(80);
    for (let i = 0; i < 1500; i += 1) {
      const letter = () => 'abcd'[Math.floor(random() * (1 + (i % 4)))]!;
      const a = Array.from({ length: Math.floor(random() * 60) }, letter);
      // Sometimes a near copy, sometimes another text.
      const b =
        i % 2 === 0
          ? a.flatMap((c) => (random() < 0.2 ? (random() < 0.5 ? [] : [letter(), c]) : [c]))
          : Array.from({ length: Math.floor(random() * 60) }, letter);
      const want = plain(a, b);
      const got = errorRate(a.join(''), b.join(''), { alignment: true });
      const { substitutions, deletions, insertions, hits } = got;
      assert.deepEqual([substitutions, deletions, insertions, hits], want.counts);
      const [{ alignment }] = got.utterances as [(typeof got.utterances)[0]];
      assert.equal(alignment.map(({ type }) => letters[type]).join(''), want.steps);
      const side = (name: 'reference' | 'hypothesis') =>
        alignment.map((unit) => unit[name] ?? '').join('');
      assert.deepEqual([side('reference'), side('hypothesis')], [a.join(''), b.join('')]);
    }
  });

  it('counts as the full table does without an alignment, whatever the lengths', () => {
    const random = seeded(84);
    // Lengths about the 32 rows that are counted at a time, and labels of any size.
    const sizes = [1, 2, 31, 32, 33, 63, 64, 65, 96, 97, 130];
    const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]!;
    const alphabets: readonly (string | number)[][] = [
      [...'ab'],
      [...'abcdefgh'],
      [0, 1, -5, 70000],
      ['a', 'é', '語', '👍', '👩‍👩‍👧', 'e\u0301x'],
    ];
    for (let i = 0; i < 1200; i += 1) {
      const alphabet = alphabets[i % 4]!;
      const unit = () => pick(alphabet);
      const a = Array.from({ length: pick(sizes) }, unit);
      const b =
        random() < 0.6
          ? a.flatMap((c) => (random() < 0.3 ? pick([[], [unit()], [unit(), c], [c, c]]) : [c]))
          : Array.from({ length: pick(sizes) }, unit);
      const { counts: want } = plain(a, b);
      if (typeof alphabet[0] === 'number') {
        assert.deepEqual(countsOf(a as number[], b as number[]), want);
        continue;
      }
      const words = countsOf(a.join(' '), b.join(' '), { unit: 'word', normalize: 'none' });
      assert.deepEqual(words, want);
      if (i % 4 < 2) assert.deepEqual(countsOf(a.join(''), b.join('')), want);
    }
  });

  it('counts few units in a long reference whose units are all different', () => {
    const reference = Int32Array.from({ length: 100_000 }, (_, i) => i + 1);
    const { substitutions, deletions, insertions, hits } = errorRate(reference, [7, 90_000, 5]);
    assert.deepEqual([substitutions, deletions, insertions, hits], [1, 99_997, 0, 2]);
  });

  it('counts where the lengths are beyond what is counted by bits', () => {
    const random = seeded(85);
    const a = Array.from({ length: 1500 }, () => 'abc'[Math.floor(random() * 3)]!);
    const b = a.flatMap((c) => (random() < 0.1 ? ['a', c] : random() < 0.1 ? [] : [c]));
    assert.deepEqual(countsOf(a.join(''), b.join('')), plain(a, b).counts);
    assert.deepEqual(countsOf(a.join(''), ''), [0, 1500, 0, 0]);
    // One side long, the other short.
    assert.deepEqual(countsOf('b', a.join('')), plain(['b'], a).counts);
  });

  it('counts both units of two texts as errorRate does', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'a',
        'b',
        ' ',
        '  ',
        'é',
        'e\u0301',
        '\u3000',
        '語',
        '👍🏽',
        '\u0387',
        '\t',
        '\u00a0',
      ),
      fc.string({ maxLength: 4 }),
    );
    const text = fc.array(piece, { maxLength: 40 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, text, (reference, hypothesis) => {
        const { utterances: _, ...characters } = errorRate(reference, hypothesis);
        const { utterances: __, ...words } = errorRate(reference, hypothesis, { unit: 'word' });
        assert.deepEqual(countErrors(reference, hypothesis), { characters, words });
      }),
      { seed: 86, numRuns: 2000 },
    );
  });

  for (const [alphabet, length] of [
    ['ab ', 200],
    ['abcdefghijklmnopqrstuvwxyz ', 130],
    ['ab\u3000', 64],
    // Beyond what the addon counts: by rows times columns, by its memory for a text, and by units.
    ['abc ', 1500],
    ['abcdefgh ', 2050],
    [String.fromCharCode(...Array.from({ length: 2000 }, (_, i) => 0x4e00 + i)), 1600],
  ] as const) {
    it(`counts both units of texts of ${length} from ${alphabet.length} characters`, () => {
      const random = seeded(87);
      const pick = () => alphabet[Math.floor(random() * alphabet.length)]!;
      for (let run = 0; run < (length > 1000 ? 2 : 300); run++) {
        const rate = random();
        const size = length > 1000 ? length : Math.floor(random() * length);
        const units = Array.from({ length: size }, pick);
        const reference = units.join('');
        const hypothesis = units
          .flatMap((unit) => (random() > rate ? unit : [[], pick(), [pick(), unit]][run % 3]!))
          .join('');
        const { utterances: _, ...characters } = errorRate(reference, hypothesis);
        const { utterances: __, ...words } = errorRate(reference, hypothesis, { unit: 'word' });
        assert.deepEqual(countErrors(reference, hypothesis), { characters, words });
      }
    });
  }

  it('has the properties of a distance', () => {
    const label = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(label, label, label, (a, b, c) => {
        const distance = (x: number[], y: number[]) => errorRate(x, y).errors;
        assert.equal(distance(a, a), 0);
        assert.equal(distance(a, b), distance(b, a));
        assert.ok(distance(a, c) <= distance(a, b) + distance(b, c));
        const { substitutions, deletions, hits, insertions } = errorRate(a, b);
        assert.equal(substitutions + deletions + hits, a.length);
        assert.equal(substitutions + insertions + hits, b.length);
      }),
      { seed: 81, numRuns: 500 },
    );
  });

  it('shows the alignment when it is asked for', () => {
    const { utterances } = errorRate('the cat sat', 'a cat sat down', {
      unit: 'word',
      alignment: true,
    });
    assert.deepEqual(utterances[0]!.alignment, [
      { type: 'substitution', reference: 'the', hypothesis: 'a' },
      { type: 'hit', reference: 'cat', hypothesis: 'cat' },
      { type: 'hit', reference: 'sat', hypothesis: 'sat' },
      { type: 'insertion', reference: undefined, hypothesis: 'down' },
    ]);
    assert.equal(errorRate('a', 'b').utterances[0]!.alignment, undefined);
  });

  describe('counts what a reader sees as one character', () => {
    const cases: [what: string, text: string, length: number][] = [
      ['a letter and its accent', 'cafe\u0301', 4],
      ['a flag', '🇨🇦', 1],
      ['a family', '👩‍👩‍👧', 1],
      ['a skin tone', '👍🏽', 1],
      ['Hindi conjuncts', 'नमस्ते', 0],
      ['Hangul jamo', '\u1112\u1161\u11ab', 1],
      ['Chinese', '你好吗', 3],
    ];
    for (const [what, text, length] of cases) {
      it(what, () => {
        const { referenceLength } = errorRate(text, text);
        const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
        // How many syllables that is depends on the version of Unicode.
        assert.equal(referenceLength, length || [...segmenter.segment(text)].length);
        assert.ok(referenceLength < text.length || what === 'Chinese');
      });
    }

    it('and not how it is encoded, unless told so', () => {
      const [composed, combined] = ['caf\u00e9', 'cafe\u0301'];
      assert.equal(errorRate(composed, combined).errors, 0);
      assert.equal(errorRate(composed, combined, { normalize: 'NFD' }).errors, 0);
      assert.equal(errorRate(composed, combined, { normalize: 'none' }).errors, 1);
      assert.equal(errorRate('ﬁ', 'fi').errors, 2);
      assert.equal(errorRate('ﬁ', 'fi', { normalize: 'NFKC' }).errors, 0);
    });

    it('also where lone surrogates and line ends are among it', () => {
      assert.equal(errorRate('a\ud800b', 'ab').errors, 1);
      assert.equal(errorRate('a\r\nb', 'a\r\nb').referenceLength, 3);
    });
  });

  it('totals a corpus from sums, not from rates', () => {
    const references = ['aaaa', 'b', 'cc'];
    const hypotheses = ['aaab', 'x', 'ccc'];
    const total = errorRate(references, hypotheses);
    assert.equal(total.rate, 3 / 7);
    assert.deepEqual(
      [total.errors, total.substitutions, total.deletions, total.insertions, total.hits],
      [3, 2, 0, 1, 5],
    );
    assert.deepEqual([total.referenceLength, total.hypothesisLength], [7, 8]);
    assert.deepEqual(
      total.utterances.map(({ rate }) => rate),
      [0.25, 1, 0.5],
    );
  });

  it('takes labels of any kind', () => {
    const want = errorRate([3, 1, 20], [3, 20]).deletions;
    assert.equal(want, 1);
    assert.equal(errorRate(Int32Array.of(3, 1, 20), Uint8Array.of(3, 20)).deletions, 1);
    assert.equal(errorRate(BigInt64Array.of(3n, 1n, 20n), [3, 20]).deletions, 1);
    const { errors, utterances } = errorRate([[1, 2], []], [[1], [5]]);
    assert.deepEqual([errors, utterances.length], [2, 2]);
  });

  it('is quick on long texts that are nearly right', () => {
    const text = 'the quick brown fox jumps over the lazy dog '.repeat(5000);
    const broken = `${text.slice(0, 1000)}x${text.slice(1001, 100_000)}${text.slice(100_002)}`;
    assert.deepEqual(countsOf(text, broken), [1, 2, 0, text.length - 3]);
  });

  it('refuses what it cannot compare', () => {
    const bad: [args: unknown[], code: string, message: string][] = [
      [
        [5, 'a'],
        'INVALID_ARG_TYPE',
        'reference must be a string, an array of labels, or an array of those, not 5',
      ],
      [
        ['a', undefined],
        'INVALID_ARG_TYPE',
        'hypothesis must be a string, an array of labels, or an array of those, not undefined',
      ],
      [
        [
          ['a', 5],
          ['a', 'b'],
        ],
        'INVALID_ARG_TYPE',
        'reference[1] must be a string or an array of labels, not 5',
      ],
      [[[1, 'b'], [1]], 'INVALID_ARG_TYPE', "reference[0][1] must be a number, not 'b'"],
      [[['a', 'b'], ['a']], 'INVALID_LENGTH', 'there are 2 references and 1 hypotheses'],
      [
        ['a', 'b', { unit: 'words' }],
        'INVALID_ARG_VALUE',
        "unit is 'words'; it must be one of 'character', 'word'; did you mean 'word'?",
      ],
      [
        ['a', 'b', { normalize: true }],
        'INVALID_ARG_TYPE',
        "normalize must be one of 'NFC', 'NFD', 'NFKC', 'NFKD', 'none', not true",
      ],
      [['a', 'b', { alignment: 1 }], 'INVALID_ARG_TYPE', 'alignment must be true or false, not 1'],
      [
        ['a', 'b', { units: 'word' }],
        'UNKNOWN_OPTION',
        "unknown option 'units'; did you mean 'unit'?",
      ],
    ];
    for (const [args, code, message] of bad) {
      assert.throws(() => errorRate(...(args as [string, string])), {
        code: `ERR_CTC_${code}`,
        message,
      });
    }
  });
});
