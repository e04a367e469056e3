// Bad input of the decoders: what is said about it, and with which code.

import assert from 'node:assert/strict';
import {
  beamDecode,
  beamDecodeSync,
  greedyDecode,
  greedyDecodeSync,
  Lexicon,
  parseLanguageModel,
} from '../lib/index.js';

const [T, N, C] = [4, 2, 5];
const tokens = ['<blank>', ' ', 'a', 'b', 'c'];
const input = () => ({ data: new Float32Array(T * N * C), shape: [T, N, C] });
const lm = parseLanguageModel('\\data\\\nngram 1=2\n\\1-grams:\n-1 a\n-1 <unk>\n\\end\\\n');

interface Row {
  what: string;
  input?: unknown;
  options?: unknown;
  name: 'TypeError' | 'RangeError' | 'CtcError';
  code: string;
  message: string | RegExp;
}

const row =
  (name: Row['name'], code: string) =>
  (what: string, options: unknown, message: string | RegExp): Row => ({
    what,
    options,
    name,
    code: `ERR_CTC_${code}`,
    message,
  });
const type = row('TypeError', 'INVALID_ARG_TYPE');
const value = row('RangeError', 'INVALID_ARG_VALUE');
const range = row('RangeError', 'OUT_OF_RANGE');
const length = row('RangeError', 'INVALID_LENGTH');
const label = row('RangeError', 'INVALID_LABEL');
const unknown = row('TypeError', 'UNKNOWN_OPTION');

/** Refused by both decoders. */
const common: Row[] = [
  {
    ...type('no input', undefined, 'input must be an object with data and shape, not undefined'),
    input: undefined,
  },
  {
    ...row('RangeError', 'INVALID_SHAPE')('a shape of four', undefined, /^input\.shape/),
    input: { data: new Float32Array(40), shape: [1, 4, 2, 5] },
  },
  {
    ...row('RangeError', 'INVALID_SHAPE')(
      'too little data',
      undefined,
      'input.data has 39 elements; shape [4, 2, 5] needs 40',
    ),
    input: { data: new Float32Array(39), shape: [T, N, C] },
  },
  {
    ...row('RangeError', 'INVALID_SHAPE')('no classes', undefined, /^input\.shape/),
    input: { data: new Float32Array(0), shape: [4, 2, 0] },
  },
  type('options that are no object', 5, 'options must be an object, not 5'),
  unknown('a misspelled option', { blnk: 0 }, "unknown option 'blnk'; did you mean 'blank'?"),
  unknown('an option of the loss', { reduction: 'sum' }, /^unknown option 'reduction'/),
  range(
    'a blank that is no class',
    { blank: 5 },
    'blank is 5; it must be a class, 0 to 4, or -1 for the last one',
  ),
  range(
    'a blank below -1',
    { blank: -2 },
    'blank is -2; it must be a class, 0 to 4, or -1 for the last one',
  ),
  value('an unknown layout', { layout: 'CTN' }, /^layout is 'CTN'; it must be one of 'TNC', 'NTC'/),
  value(
    'an unknown kind of input',
    { input: 'logprobs' },
    /^input is 'logprobs'; .*did you mean 'logProbs'\?/,
  ),
  range('no threads', { threads: 0 }, 'threads is 0; it must be an integer from 1 to 1024'),
  length('too few lengths', { inputLengths: [4] }, /^inputLengths/),
  length('a length beyond T', { inputLengths: [4, 5] }, /^inputLengths\[1\] is 5/),
  row('CtcError', 'DEVICE')(
    'a device that does not decode',
    { device: 'cuda' },
    /^device 'cuda' cannot be used: /,
  ),
  value('an unknown device', { device: 'gpu' }, /^device/),
  type(
    'tokens that are no array',
    { tokens: 'abc' },
    "tokens must be an array of strings, one for each class, not 'abc'",
  ),
  length(
    'too few tokens',
    { tokens: ['a', 'b'] },
    'tokens has 2 entries; the input has 5 classes, the blank included',
  ),
  type(
    'a token that is no string',
    { tokens: ['', 'a', 3, 'b', 'c'] },
    'tokens[2] must be a string, not 3',
  ),
  type(
    'a delimiter that is no token',
    { tokens, wordDelimiter: 1 },
    'wordDelimiter must be a token or null, not 1',
  ),
  value(
    'a delimiter that is not among the tokens',
    { tokens, wordDelimiter: '|' },
    "wordDelimiter is '|', and no token is that or begins with it",
  ),
  value(
    'an empty delimiter',
    { tokens, wordDelimiter: '' },
    'wordDelimiter is empty; null says that there are no words',
  ),
  value(
    'a delimiter without tokens',
    { wordDelimiter: '|' },
    'wordDelimiter needs tokens to be found in',
  ),
];

const greedy: Row[] = [
  type(
    'mergeRepeated that is no boolean',
    { mergeRepeated: 1 },
    'mergeRepeated must be true or false, not 1',
  ),
  unknown('an option of the beam', { beamWidth: 5 }, /^unknown option 'beamWidth'/),
];

const beam: Row[] = [
  unknown(
    'an option of greedy decoding',
    { mergeRepeated: true },
    /^unknown option 'mergeRepeated'/,
  ),
  range(
    'no beam',
    { beamWidth: 0 },
    'beamWidth is 0; it must be an integer from 1 to 4194304, or Infinity',
  ),
  range(
    'a negative beam',
    { beamWidth: -1 },
    'beamWidth is -1; it must be an integer from 1 to 4194304, or Infinity',
  ),
  range(
    'half a hypothesis',
    { beamWidth: 1.5 },
    'beamWidth is 1.5; it must be an integer from 1 to 4194304, or Infinity',
  ),
  range(
    'NaN',
    { beamWidth: Number.NaN },
    'beamWidth is NaN; it must be an integer from 1 to 4194304, or Infinity',
  ),
  range(
    'a beam beyond memory',
    { beamWidth: 1e9 },
    'beamWidth is 1000000000; it must be an integer from 1 to 4194304, or Infinity',
  ),
  type('a beam that is no number', { beamWidth: '100' }, "beamWidth must be an integer, not '100'"),
  range(
    'no paths',
    { topPaths: 0 },
    'topPaths is 0; it must be an integer from 1 to 2147483647, or Infinity',
  ),
  range(
    'more paths than the beam holds',
    { beamWidth: 5, topPaths: 6 },
    'topPaths is 6, and a beam of 5 holds no more than 5: raise beamWidth',
  ),
  range(
    'all paths of a bounded beam',
    { topPaths: Infinity },
    'topPaths is Infinity, and a beam of 100 holds no more than 100: raise beamWidth',
  ),
  range('no classes', { cutoffTopN: 0 }, /^cutoffTopN is 0; it must be an integer from 1/),
  range('a cutoff of 0', { cutoffProb: 0 }, 'cutoffProb is 0; it must be above 0, up to 1'),
  range(
    'a cutoff above 1',
    { cutoffProb: 1.01 },
    'cutoffProb is 1.01; it must be a number from 0 to 1',
  ),
  range(
    'a positive log-probability',
    { tokenMinLogp: 0.5 },
    'tokenMinLogp is 0.5; it must be a number from -Infinity to 0',
  ),
  range(
    'a negative threshold',
    { beamThreshold: -1 },
    'beamThreshold is -1; it must be a number from 0 to Infinity',
  ),
  range(
    'a threshold of NaN',
    { beamThreshold: Number.NaN },
    'beamThreshold is NaN; it must be a number from 0 to Infinity',
  ),
  type(
    "a model's file name",
    { tokens, lm: '3gram.arpa' },
    "lm must be a LanguageModel, not '3gram.arpa': read the file with await loadLanguageModel('3gram.arpa')",
  ),
  type(
    'a model from elsewhere',
    { tokens, lm: structuredClone(lm) },
    'lm must be a LanguageModel, not an object',
  ),
  value(
    'a model without tokens',
    { lm },
    'lm needs tokens: the symbol of every class, to spell words with',
  ),
  value(
    'a model without words',
    { lm, tokens, wordDelimiter: null },
    "where do the words of lm end? Name the token between them with wordDelimiter ('|'), or say lmUnit: 'token'",
  ),
  value('a unit without a model', { tokens, lmUnit: 'token' }, "lmUnit: 'token' goes with lm"),
  value(
    'an unknown unit',
    { tokens, lm, lmUnit: 'words' },
    /^lmUnit is 'words'; it must be one of 'word', 'token'/,
  ),
  range(
    'a negative alpha',
    { tokens, lm, alpha: -0.5 },
    'alpha is -0.5; it must be a number from 0 to 1000000',
  ),
  range(
    'an infinite alpha',
    { tokens, lm, alpha: Infinity },
    'alpha is Infinity; it must be a number from 0 to 1000000',
  ),
  type('a word as alpha', { tokens, lm, alpha: '0.5' }, "alpha must be a number, not '0.5'"),
  range(
    'an infinite beta',
    { tokens, lm, beta: -Infinity },
    'beta is -Infinity; it must be a number from -1000000 to 1000000',
  ),
  range(
    'a beta that overflows',
    { tokens, lm, beta: 1e300 },
    'beta is 1e+300; it must be a number from -1000000 to 1000000',
  ),
  value(
    'beta without words',
    { beta: 1 },
    'beta is added for each word: name the token between words with wordDelimiter',
  ),
  range(
    'NaN for unknown words',
    { tokens, lm, unkScore: Number.NaN },
    'unkScore is NaN; it must be a number from -Infinity to 1000000',
  ),
  range(
    'an endless reward for unknown words',
    { tokens, lm, unkScore: Infinity },
    'unkScore is Infinity; it must be a number from -Infinity to 1000000',
  ),
  type(
    'sentenceBoundary that is no boolean',
    { tokens, lm, sentenceBoundary: 'yes' },
    "sentenceBoundary must be true or false, not 'yes'",
  ),
  value(
    'an empty lexicon',
    { tokens, lexicon: [] },
    'lexicon has no words, so nothing could be decoded: give words, or leave it out',
  ),
  type(
    'a word as lexicon',
    { tokens, lexicon: 'abc' },
    "lexicon must be an array of words or a Lexicon, not 'abc'",
  ),
  type(
    'a lexicon that is no list',
    { tokens, lexicon: 5 },
    'lexicon must be an array of words or a Lexicon, not 5',
  ),
  type(
    'an entry that is no word',
    { tokens, lexicon: ['a', 5] },
    'lexicon[1] must be a word, or [word, spelling], not 5',
  ),
  value(
    'an empty word',
    { tokens, lexicon: ['a', ''] },
    'lexicon[1] is an empty word: leave it out',
  ),
  value(
    'a word without its spelling',
    { tokens, lexicon: [['a', ['a']], 'b'] },
    'lexicon[1] lacks a spelling, unlike those before it: spell every word, or none',
  ),
  value(
    'a word with a spelling',
    { tokens, lexicon: ['b', ['a', ['a']]] },
    'lexicon[1] has a spelling, unlike those before it: spell every word, or none',
  ),
  type(
    'an empty spelling',
    { tokens, lexicon: [['a', []]] },
    "lexicon[0][1], the spelling of 'a', must be an array of tokens, not an array of 0",
  ),
  type(
    'a spelling that is no array',
    { tokens, lexicon: [['a', 'a']] },
    "lexicon[0][1], the spelling of 'a', must be an array of tokens, not 'a'",
  ),
  label(
    'a spelling with no token',
    { tokens, lexicon: [['a', ['a', 'x']]] },
    "lexicon[0][1][1], in the spelling of 'a', is 'x', which is no token: correct it",
  ),
  label(
    'a spelling without tokens',
    { lexicon: [['a', ['x']]] },
    "lexicon[0][1][0], in the spelling of 'a', is 'x', which is no token: give tokens as well",
  ),
  label(
    'a spelling with no class',
    { tokens, lexicon: [['a', [2, 5]]] },
    'a spelling of the lexicon has the class 5; classes are 0 to 4',
  ),
  label(
    'a spelling with half a class',
    { tokens, lexicon: [['a', [2.5]]] },
    "lexicon[0][1][0], in the spelling of 'a', is 2.5, which is no token: correct it",
  ),
  label(
    'a spelling with the blank',
    { tokens, lexicon: [['a', [2, 0]]] },
    'a spelling of the lexicon has the class 0, the blank, which no text holds: leave it out',
  ),
  label(
    'a spelling with the delimiter',
    { tokens, lexicon: [['a', ['a', ' ']]] },
    'a spelling of the lexicon has the class 1, the wordDelimiter, which stands between words: leave it out',
  ),
  value(
    'a lexicon without tokens',
    { lexicon: ['a'] },
    'lexicon needs tokens: the symbol of every class, to spell words with',
  ),
  value(
    'a lexicon of other letters',
    { tokens, lexicon: ['ABC', 'xyz'] },
    "no word of the lexicon can be spelled with the tokens: 'ABC' has 'A', which is in none of them (upper and lower case differ)",
  ),
  value(
    'hotwords without tokens',
    { hotwords: ['a'] },
    'hotwords needs tokens: the symbol of every class, to spell words with',
  ),
  type(
    'a word as hotwords',
    { tokens, hotwords: 'a' },
    "hotwords must be an array of words or an object from words to weights, not 'a'",
  ),
  type(
    'a hotword that is no word',
    { tokens, hotwords: ['a', 5] },
    'hotwords[1] must be a string, not 5',
  ),
  value(
    'a hotword in capitals',
    { tokens, hotwords: ['a', 'aB'] },
    "the hotword 'aB' cannot be spelled with the tokens: it has 'B', which is in none of them " +
      '(upper and lower case differ)',
  ),
  value('an empty hotword', { tokens, hotwords: ['a', ' '] }, 'hotwords[1] is empty: leave it out'),
  type(
    'a weight that is no number',
    { tokens, hotwords: { ab: 'much' } },
    "hotwords['ab'], a weight, must be a number, not 'much'",
  ),
  range(
    'a weight of NaN',
    { tokens, hotwords: { ab: Number.NaN } },
    "hotwords['ab'], a weight, is NaN; it must be a number from -1000000 to 1000000",
  ),
  range(
    'an infinite weight',
    { tokens, hotwords: ['ab'], hotwordWeight: Infinity },
    'hotwordWeight is Infinity; it must be a number from -1000000 to 1000000',
  ),
];

/** Options of functions that return a promise. */
const later: Row[] = [
  type('no signal', { signal: {} }, 'signal must be an AbortSignal, not an object'),
  value(
    'an unknown way with buffers',
    { buffers: 'copy' },
    /^buffers is 'copy'; it must be one of 'auto', 'borrow', 'transfer'/,
  ),
];

describe('errors of decoding', () => {
  const decoders = [
    ['greedyDecode', greedyDecode, greedyDecodeSync, greedy],
    ['beamDecode', beamDecode, beamDecodeSync, beam],
  ] as const;
  for (const [name, async, sync, own] of decoders) {
    describe(name, () => {
      it('the good call is good', () => {
        const { utterances } = sync(input(), { tokens });
        assert.deepEqual(
          utterances.map(({ status }) => status),
          ['ok', 'ok'],
        );
      });

      for (const each of [...common, ...own, ...later]) {
        it(each.what, async () => {
          const given = 'input' in each ? each.input : input();
          const { name: wanted, code, message } = each;
          const error = { name: wanted, code, message };
          await assert.rejects(async(given as never, each.options as never), error);
          if (later.includes(each)) return;
          assert.throws(() => sync(given as never, each.options as never), error);
        });
      }

      it('a synchronous call has no signal and no buffers', () => {
        for (const option of [{ signal: new AbortController().signal }, { buffers: 'auto' }]) {
          const [key] = Object.keys(option);
          assert.throws(() => sync(input(), option as never), {
            name: 'RangeError',
            code: 'ERR_CTC_INVALID_ARG_VALUE',
            message: `${key} is an option of ${name}: ${name}Sync returns before anything else can happen`,
          });
        }
      });

      it('a refused call leaves its input alone', async () => {
        const tensor = input();
        await assert.rejects(async(tensor, { buffers: 'transfer', inputLengths: [9, 9] }), {
          code: 'ERR_CTC_INVALID_LENGTH',
        });
        assert.equal(tensor.data.length, T * N * C);
      });
    });
  }

  describe('Lexicon', () => {
    it('is checked when it is made', () => {
      const make = (entries: unknown, options?: unknown) => () =>
        new Lexicon(entries as never, options as never);
      assert.throws(make([]), {
        code: 'ERR_CTC_INVALID_ARG_VALUE',
        message: 'entries has no words, so nothing could be decoded: give words, or leave it out',
      });
      assert.throws(make(undefined), {
        code: 'ERR_CTC_INVALID_ARG_TYPE',
        message: 'entries must be an array of words or a Lexicon, not undefined',
      });
      assert.throws(make(['a'], { token: [] }), {
        code: 'ERR_CTC_UNKNOWN_OPTION',
        message: "unknown option 'token'; did you mean 'tokens'?",
      });
      assert.throws(make(['a'], { tokens: 'abc' }), {
        code: 'ERR_CTC_INVALID_ARG_TYPE',
        message: "tokens must be an array of strings, one for each class, not 'abc'",
      });
    });

    it('takes any iterable, and words twice', () => {
      const words = new Set(['a', 'b']);
      assert.equal(new Lexicon(words).size, 2);
      assert.equal(new Lexicon(['a', 'b', 'a']).size, 2);
    });
  });
});
