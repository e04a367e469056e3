// The public API as a fuzzer calls it: for each function a good call, and the places in it that can go wrong.

import * as ctc from '../../lib/index.js';

export interface Verb {
  readonly name: string;
  /** Arguments that work, made anew. */
  readonly good: () => unknown[];
  /** Option keys that the good call does not use. */
  readonly options?: readonly string[];
  readonly run: (args: unknown[]) => unknown;
}

const [T, N, C] = [4, 2, 5];
const tokens = ['-', 'a', 'b', ' ', 'c'];
const arpa = '\\data\\\nngram 1=4\n\\1-grams:\n-1 <unk>\n-9 <s>\n-1 </s>\n-0.5 a\n\\end\\\n';
const lm = ctc.parseLanguageModel(arpa);
const lexicon = new ctc.Lexicon(['a', 'ab', 'b c']);
const explanation = ctc.explainSync({ data: new Float32Array(12), shape: [4, 3] }, [1, 2]);

const input = () => ({
  data: Float32Array.from({ length: T * N * C }, (_, i) => i % 7),
  shape: [T, N, C],
});
const single = () => ({
  data: Float32Array.from({ length: T * C }, (_, i) => i % 7),
  shape: [T, C],
});
const targets = () => [
  [1, 2],
  [3, 3],
];

const batch = ['inputLengths', 'targetLengths', 'blank', 'input', 'layout', 'device', 'threads'];
const later = ['signal', 'buffers'];
const lossOptions = [
  ...batch,
  ...[
    'gradientOf',
    'normByTimes',
    'gradOutput',
    'denominator',
    'infeasible',
    'gradient',
    'profile',
  ],
  'Blank',
];
const beamOptions = [
  ...['inputLengths', 'blank', 'input', 'layout', 'device', 'threads', 'wordDelimiter', 'topPaths'],
  ...['cutoffTopN', 'cutoffProb', 'tokenMinLogp', 'beamThreshold', 'lmUnit', 'alpha', 'beta'],
  ...['unkScore', 'sentenceBoundary', 'hotwordWeight'],
];

type Function = (...args: never[]) => unknown;

/** A function of the API, as one that takes anything. */
function call(name: string, good: () => unknown[], options: readonly string[] = []): Verb {
  const target = (ctc as unknown as Record<string, Function>)[name] as Function;
  return { name, good, options, run: (args) => target(...(args as never[])) };
}

/** Both forms of a function. */
function both(name: string, good: () => unknown[], options: readonly string[]): Verb[] {
  return [call(name, good, [...options, ...later]), call(`${name}Sync`, good, options)];
}

export const verbs: readonly Verb[] = [
  ...both('ctcLoss', () => [input(), targets(), { reduction: 'sum' }], lossOptions),
  ...both(
    'greedyDecode',
    () => [input(), { tokens, mergeRepeated: true }],
    beamOptions.slice(0, 7),
  ),
  ...both('beamDecode', () => [input(), { tokens, beamWidth: 4, lm, hotwords: ['ab'] }], [
    ...beamOptions,
    'lexicon',
  ]),
  ...both('beamDecode', () => [input(), { tokens, beamWidth: 4, lexicon }], [
    ...beamOptions,
    ...['lm', 'hotwords'],
  ]),
  ...both('forcedAlign', () => [input(), targets(), { star: 'anything' }], batch),
  ...both('posteriors', () => [input(), targets(), { recursions: true }], batch),
  call('explain', () => [single(), [1, 2], { maxPaths: 100 }], [
    'input',
    'blank',
    'symbols',
    'signal',
  ]),
  call('explainSync', () => [single(), [1, 2], { symbols: tokens }], [
    'input',
    'blank',
    'maxPaths',
  ]),
  call('errorRate', () => [['ab c', 'd'], ['a c', 'de'], { unit: 'word' }], [
    'normalize',
    'alignment',
  ]),
  call('errorRate', () => [[1, 2, 3], [1, 3], {}], ['unit', 'normalize', 'alignment']),
  call('mergeTokens', () => [[0, 1, 1, 0, 2], [1, 0.5, 0.5, 1, 1], 0]),
  call('wordSpans', () => [[{ token: 1, start: 0, end: 1, score: 1 }], 3]),
  call('collapse', () => [[0, 1, 1, 0, 2], 0]),
  call('countPaths', () => [6, [1, 2]]),
  {
    name: 'latticePaths',
    good: () => [6, [1, 2]],
    run: ([frames, target]) => ctc.latticePaths(frames as number, target as number[]).next(),
  },
  call('parseLanguageModel', () => [arpa]),
  call('loadLanguageModel', () => ['/nowhere/lm.arpa', {}], ['signal']),
  call('loadLanguageModelSync', () => ['/nowhere/lm.arpa']),
  {
    name: 'LanguageModel.score',
    good: () => [['a', 'b'], true],
    run: ([sentence, boundaries]) => lm.score(sentence as string[], boundaries as boolean),
  },
  {
    name: 'Lexicon',
    good: () => [['a', 'b'], { tokens }],
    run: ([entries, options]) => new ctc.Lexicon(entries as string[], options as object),
  },
  {
    name: 'Lexicon',
    good: () => [
      [
        ['a', ['a', 'b']],
        ['b', [2]],
      ],
      { tokens },
    ],
    run: ([entries, options]) => new ctc.Lexicon(entries as [], options as object),
  },
  {
    name: 'DeviceTensor.upload',
    good: () => [input(), {}],
    options: ['device'],
    run: ([tensor, options]) => ctc.DeviceTensor.upload(tensor as never, options as object),
  },
  {
    name: 'DeviceTensor.uploadSync',
    good: () => [input(), {}],
    options: ['device'],
    run: ([tensor, options]) => ctc.DeviceTensor.uploadSync(tensor as never, options as object),
  },
  {
    name: 'DeviceTensor.like',
    good: () => [{}],
    run: ([other]) => ctc.DeviceTensor.like(other as never),
  },
  call('pinnedArray', () => ['float32', 4]),
  call('explanationText', () => [explanation]),
  call('explanationSvg', () => [explanation, { values: 'posterior' }], ['idPrefix']),
  call('explanationHtml', () => [explanation]),
];
