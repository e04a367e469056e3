import type { BeamLimits } from './decodeNative.js';
import { rangeError, show, typeError } from './errors.js';
import type { Lexicon, LexiconEntry } from './lexicon.js';
import type { LanguageModel } from './lm.js';
import {
  BUFFERS,
  type Buffers,
  checkOptions,
  choice,
  type Device,
  flag,
  INPUT_KINDS,
  type InputKind,
  type IntegerArray,
  integer,
  LAYOUTS,
  type Layout,
  type RawOptions,
  resolveSignal,
} from './options.js';

/** Names of the classes, or none. */
export type TokenNames = readonly string[] | undefined;

/** Options that both decoders have. `N`: whether `tokens` is among them. */
export interface DecodeOptions<N extends TokenNames = TokenNames> {
  /** Frames of each utterance, N integers from 0 to T. Default: T for all. */
  readonly inputLengths?: IntegerArray | number;
  /** Class of the blank; -1 is the last one. Default: 0. */
  readonly blank?: number;
  /** `'logits'` (default): scores before softmax. `'logProbs'`: natural-log probabilities. */
  readonly input?: InputKind;
  /** Order of the input's dimensions: `'TNC'` (default) or `'NTC'`. */
  readonly layout?: Layout;
  /** Default: `'cpu'`, or where the input is, if it is a DeviceTensor. Beam search has the CPU only. */
  readonly device?: Device;
  /** Threads that may work on this call, from 1. Default: all cores. Never changes a result. */
  readonly threads?: number;
  /** The symbol of every class, C strings; the blank's is not looked at. Without it there is no text. */
  readonly tokens?: N;
  /**
   * The token between words, or the mark that a word's first piece begins with: `' '`, `'|'`
   * (wav2vec 2.0), `'▁'` (SentencePiece). `null`: there are no words. Default: `' '` where that is a token.
   */
  readonly wordDelimiter?: string | null;
}

/** Options of functions that return a promise. */
export interface AsyncOptions {
  /** Stops the call; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How the input's memory is read while JavaScript goes on running. Default: `'auto'`. */
  readonly buffers?: Buffers;
}

/** Options of {@link greedyDecodeSync}. */
export interface GreedySyncOptions<N extends TokenNames = TokenNames> extends DecodeOptions<N> {
  /** Neighbouring frames of one class are one label (default). `false`: each is a label of its own. */
  readonly mergeRepeated?: boolean;
}

/** Options of {@link greedyDecode}. */
export interface GreedyOptions<N extends TokenNames = TokenNames>
  extends GreedySyncOptions<N>,
    AsyncOptions {}

/** Options of {@link beamDecodeSync}. Scores are natural logs. */
export interface BeamSyncOptions<N extends TokenNames = TokenNames> extends DecodeOptions<N> {
  /** Hypotheses kept after each frame, 1 to 2^22, or Infinity for an exact search. Default: 100. */
  readonly beamWidth?: number;
  /** Hypotheses returned, at most `beamWidth`. Default: 1. */
  readonly topPaths?: number;
  /** Only this many most probable classes of a frame are looked at. Default: all. */
  readonly cutoffTopN?: number;
  /** Only the most probable classes whose probabilities reach this sum, above 0 to 1. Default: 1. */
  readonly cutoffProb?: number;
  /** Only classes with at least this log-probability. Default: -Infinity. */
  readonly tokenMinLogp?: number;
  /** Hypotheses that score more than this below the best one are dropped. Default: Infinity. */
  readonly beamThreshold?: number;
  /** An n-gram model. Needs `tokens`. */
  readonly lm?: LanguageModel;
  /** What the model's words are: `'word'`s between delimiters, or every `'token'`. */
  readonly lmUnit?: 'word' | 'token';
  /** Weight of the language model, from 0. Default: 0.5. */
  readonly alpha?: number;
  /** Added for each word (each label with `lmUnit: 'token'`). Default: 1.5 with a word model, else 0. */
  readonly beta?: number;
  /** Added for each word that the model lacks; -Infinity forbids them. Default: -10. */
  readonly unkScore?: number;
  /** The text is a sentence: `<s>` before it and `</s>` after it count. Default: true. */
  readonly sentenceBoundary?: boolean;
  /** The only words that may be written. Give a {@link Lexicon} to many calls: it is made ready once. */
  readonly lexicon?: Lexicon | Iterable<LexiconEntry>;
  /** Words or phrases to prefer, or an object from these to their own weights. Needs `tokens`. */
  readonly hotwords?: readonly string[] | Readonly<Record<string, number>>;
  /** Added for each hotword that has no weight of its own. Default: 10. */
  readonly hotwordWeight?: number;
}

/** Options of {@link beamDecode}. */
export interface BeamOptions<N extends TokenNames = TokenNames>
  extends BeamSyncOptions<N>,
    AsyncOptions {}

const COMMON: readonly (keyof DecodeOptions)[] = [
  'inputLengths',
  'blank',
  'input',
  'layout',
  'device',
  'threads',
  'tokens',
  'wordDelimiter',
];
const ASYNC: readonly (keyof AsyncOptions)[] = ['signal', 'buffers'];

const GREEDY_KEYS: ReadonlySet<string> = new Set<keyof GreedyOptions>([
  ...COMMON,
  ...ASYNC,
  'mergeRepeated',
]);
const BEAM_KEYS: ReadonlySet<string> = new Set<keyof BeamOptions>([
  ...COMMON,
  ...ASYNC,
  'beamWidth',
  'topPaths',
  'cutoffTopN',
  'cutoffProb',
  'tokenMinLogp',
  'beamThreshold',
  'lm',
  'lmUnit',
  'alpha',
  'beta',
  'unkScore',
  'sentenceBoundary',
  'lexicon',
  'hotwords',
  'hotwordWeight',
]);

/** Checked options; those that need the tensor's shape are still as given. */
export interface ResolvedDecodeOptions {
  readonly raw: RawOptions;
  readonly logProbs: boolean;
  readonly layout: Layout;
  readonly threads: number;
  readonly signal: AbortSignal | undefined;
  readonly buffers: Buffers;
  readonly mergeRepeated: boolean;
}

/** The name of a verb, for messages and for which options it has. */
export type Verb = 'greedyDecode' | 'beamDecode';

export function resolveDecodeOptions(
  value: unknown,
  verb: Verb,
  synchronous: boolean,
): ResolvedDecodeOptions {
  const raw = checkOptions(value, verb === 'beamDecode' ? BEAM_KEYS : GREEDY_KEYS);
  for (const key of synchronous ? ASYNC : []) {
    if (raw[key] === undefined) continue;
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      `${key} is an option of ${verb}: ${verb}Sync returns before anything else can happen`,
    );
  }
  return {
    raw,
    logProbs: choice(raw.input, 'input', INPUT_KINDS, 'logits') === 'logProbs',
    layout: choice(raw.layout, 'layout', LAYOUTS, 'TNC'),
    threads: integer(raw.threads, 'threads', 1, 1024, 0),
    signal: resolveSignal(raw.signal),
    buffers: choice(raw.buffers, 'buffers', BUFFERS, 'auto'),
    mergeRepeated: flag(raw.mergeRepeated, 'mergeRepeated', true),
  };
}

const WIDEST_BEAM = 2 ** 22;

export function resolveLimits(raw: RawOptions): BeamLimits {
  const beamWidth = limit(raw.beamWidth, 'beamWidth', WIDEST_BEAM, 100);
  const topPaths = limit(raw.topPaths, 'topPaths', 0x7fffffff, 1);
  if (topPaths > beamWidth) {
    throw rangeError(
      'ERR_CTC_OUT_OF_RANGE',
      `topPaths is ${topPaths}, and a beam of ${beamWidth} holds no more than ${beamWidth}: raise beamWidth`,
    );
  }
  const cutoffProb = numberIn(raw.cutoffProb, 'cutoffProb', 0, 1, 1);
  if (cutoffProb === 0) {
    throw rangeError('ERR_CTC_OUT_OF_RANGE', 'cutoffProb is 0; it must be above 0, up to 1');
  }
  return {
    beamWidth,
    topPaths,
    cutoffTopN: limit(raw.cutoffTopN, 'cutoffTopN', 0x7fffffff, Infinity),
    cutoffProb,
    tokenMinLogp: numberIn(raw.tokenMinLogp, 'tokenMinLogp', -Infinity, 0, -Infinity),
    beamThreshold: numberIn(raw.beamThreshold, 'beamThreshold', 0, Infinity, Infinity),
  };
}

/** A positive integer, or Infinity for no limit. */
function limit(value: unknown, name: string, most: number, fallback: number): number {
  if (value === undefined) return fallback;
  if (value === Infinity) return Infinity;
  if (typeof value !== 'number') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${name} must be an integer, not ${show(value)}`);
  }
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw rangeError(
      'ERR_CTC_OUT_OF_RANGE',
      `${name} is ${value}; it must be an integer from 1 to ${most}, or Infinity`,
    );
  }
  return value;
}

/** A number from `least` to `most`, which may be infinite. */
export function numberIn(
  value: unknown,
  name: string,
  least: number,
  most: number,
  fallback: number,
): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${name} must be a number, not ${show(value)}`);
  }
  if (!(value >= least && value <= most)) {
    throw rangeError(
      'ERR_CTC_OUT_OF_RANGE',
      `${name} is ${value}; it must be a number from ${least} to ${most}`,
    );
  }
  return value;
}
