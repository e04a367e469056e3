// What the fuzzers found in calls of the API, each by itself.

import assert from 'node:assert/strict';
import {
  beamDecodeSync,
  collapse,
  countPaths,
  errorRate,
  explainSync,
  explanationHtml,
  explanationSvg,
  explanationText,
  greedyDecodeSync,
  Lexicon,
  latticePaths,
  loadLanguageModelSync,
  parseLanguageModel,
  wordSpans,
} from '../lib/index.js';
import { detached } from './support/badCalls/row.js';

/** Holes, and more of them than can be walked. */
const endless = new Array(2 ** 32 - 1) as never[];
// biome-ignore lint/suspicious/noSparseArray: holes are what this is about
const holes = [, 'a'] as string[];
const input = () => ({ data: new Float32Array(8), shape: [2, 4] });
const lm = parseLanguageModel('\\data\\\nngram 1=1\n\\1-grams:\n-1 a\n\\end\\\n');
const explanation = explainSync(input(), [1]);

const calls: [what: string, call: () => unknown, name: string, code: string][] = [
  ['words with holes', () => lm.score(holes), 'TypeError', 'INVALID_ARG_TYPE'],
  ['endless words', () => lm.score(endless), 'TypeError', 'INVALID_ARG_TYPE'],
  [
    'a URL of no file',
    () => loadLanguageModelSync(new URL('https://example.org/lm.arpa')),
    'RangeError',
    'INVALID_ARG_VALUE',
  ],
  ['endless labels', () => errorRate([endless], [endless]), 'TypeError', 'INVALID_ARG_TYPE'],
  ['an endless path', () => collapse(endless), 'TypeError', 'INVALID_ARG_TYPE'],
  ['a path of symbols', () => collapse([Symbol()] as never), 'TypeError', 'INVALID_ARG_TYPE'],
  ['an endless target', () => countPaths(3, endless), 'TypeError', 'INVALID_ARG_TYPE'],
  ['two billion frames', () => latticePaths(2 ** 31 - 1, [1]), 'RangeError', 'OUT_OF_RANGE'],
  ['no spans', () => wordSpans(undefined as never, 1), 'TypeError', 'INVALID_ARG_TYPE'],
  ['empty spans', () => wordSpans([null] as never, 1), 'TypeError', 'INVALID_ARG_TYPE'],
  [
    'tokens with holes',
    () => greedyDecodeSync({ data: new Float32Array(4), shape: [2, 2] }, { tokens: holes }),
    'TypeError',
    'INVALID_ARG_TYPE',
  ],
  [
    'endless hotwords',
    () => beamDecodeSync(input(), { hotwords: endless }),
    'TypeError',
    'INVALID_ARG_TYPE',
  ],
  [
    'symbols with holes',
    () => explainSync({ data: new Float32Array(4), shape: [2, 2] }, [1], { symbols: holes }),
    'TypeError',
    'INVALID_ARG_TYPE',
  ],
  [
    'endless tokens',
    () => new Lexicon(['a'], { tokens: endless }),
    'TypeError',
    'INVALID_ARG_TYPE',
  ],
  ['an endless spelling', () => new Lexicon([['a', endless]]), 'RangeError', 'INVALID_LABEL'],
  [
    'to explain what a getter takes away',
    () => {
      const tensor = input();
      const options = {
        get blank() {
          detached(tensor.data);
          return 0;
        },
      };
      return explainSync(tensor, [1], options);
    },
    'RangeError',
    'BUFFER',
  ],
  [
    'a lexicon of detached numbers',
    () => new Lexicon(detached(Int32Array.of(1)) as never),
    'TypeError',
    'INVALID_ARG_TYPE',
  ],
  ...[explanationText, explanationSvg, explanationHtml].flatMap(
    (show): [string, () => unknown, string, string][] => [
      [`${show.name} of nothing`, () => show(null as never), 'TypeError', 'INVALID_ARG_TYPE'],
      [
        `${show.name} of a path without states`,
        () => show({ ...explanation, bestPath: {} as never }),
        'TypeError',
        'INVALID_ARG_TYPE',
      ],
    ],
  ),
];

describe('what fuzzing found', () => {
  for (const [what, call, name, code] of calls) {
    it(`refuses ${what}`, () => {
      assert.throws(call, { name, code: `ERR_CTC_${code}` });
    });
  }

  it('shows an explanation that another thread sent', () => {
    const copy = structuredClone(explanation);
    assert.equal(explanationText(copy), explanationText(explanation));
  });

  it('spells a word with a hundred thousand labels', () => {
    assert.equal(new Lexicon([['a', new Array(200_000).fill(1)]]).size, 1);
  });

  it('normalises enormous logits', () => {
    const data = Float64Array.of(0, 1e30, 1e30, 0, 1e30, 1e30);
    const input = { data, shape: [2, 3] };
    // Half of the mass on each of two classes, in both frames.
    const expected = 2 * Math.log(0.5);
    assert.ok(Math.abs(greedyDecodeSync(input).utterances[0]!.logProb - expected) < 1e-12);
    const { paths } = beamDecodeSync(input, { topPaths: 4 }).utterances[0]!;
    const total = paths.reduce((sum, { logProb }) => sum + Math.exp(logProb), 0);
    assert.ok(Math.abs(total - 1) < 1e-12, String(total));
  });
});
