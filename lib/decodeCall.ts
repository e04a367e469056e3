import type { DecodePlan, FlatPaths } from './decodeNative.js';
import {
  type ResolvedDecodeOptions,
  resolveDecodeOptions,
  resolveLimits,
  type TokenNames,
  type Verb,
} from './decodeOptions.js';
import {
  type DecodedToken,
  type DecodedWord,
  resolveSpelling,
  type Spelling,
  textOf,
  wordsOf,
} from './decodeText.js';
import { resolveDevice } from './device.js';
import { deviceSource } from './deviceTensor.js';
import { rangeError } from './errors.js';
import { type Guide, resolveGuide } from './guide.js';
import type { Status } from './lossCall.js';
import { resolveBlank } from './options.js';
import { checkBuffers, type Place, resolvePlace } from './place.js';
import { resolveTensor, type TensorData } from './tensor.js';
import { resolveInputLengths } from './validate.js';

/** A `V` where there are `tokens`, else undefined. */
export type WithTokens<N extends TokenNames, V> = N extends readonly string[] ? V : undefined;

/** Labels, what they spell, and when. `N`: the type of the option `tokens`. */
export interface DecodedPath<N extends TokenNames = TokenNames> {
  /** Class numbers, without blanks. */
  readonly labels: Int32Array;
  /** One for each label. */
  readonly tokens: DecodedToken[];
  /** What the labels spell; undefined without `tokens`. */
  readonly text: WithTokens<N, string>;
  /** The words; undefined without `tokens`, or where nothing tells words apart. */
  readonly words: WithTokens<N, DecodedWord[] | undefined>;
}

/** What {@link greedyDecode} finds in one utterance. */
export interface GreedyUtterance<N extends TokenNames = TokenNames> extends DecodedPath<N> {
  /** `'nonfinite'`: it holds NaN, +Infinity, or a frame of nothing but -Infinity; nothing is decoded. */
  readonly status: Status;
  /** Natural log of the probability of the one best path; NaN where nonfinite. */
  readonly logProb: number;
  /** Share of the frames whose most probable class is the blank; NaN without frames or where nonfinite. */
  readonly blankRatio: number;
}

/** One hypothesis of {@link beamDecode}. */
export interface BeamPath<N extends TokenNames = TokenNames> extends DecodedPath<N> {
  /** What hypotheses are ranked by, in natural logs: `logProb` and what the guides add. */
  readonly score: number;
  /**
   * Natural log of the probability of the labels: the sum over the paths that read as them, as far as
   * the beam held their beginnings; never too large, and exact for an unbounded beam.
   */
  readonly logProb: number;
}

/** What {@link beamDecode} finds in one utterance. */
export interface BeamUtterance<N extends TokenNames = TokenNames> {
  /**
   * `'infeasible'`: no hypothesis in the beam ended with a whole word of the lexicon, or without a word
   * that `unkScore: -Infinity` forbids. `'nonfinite'`: as for {@link GreedyUtterance}. Both come with no paths.
   */
  readonly status: Status;
  /** Best first; of equal ones, the one whose labels come first in order. */
  readonly paths: BeamPath<N>[];
}

/** What a decoder resolves to. */
export interface DecodeResult<Utterance, D = TensorData> {
  /** N of them, in the order of the batch. */
  readonly utterances: Utterance[];
  /** With `buffers: 'transfer'`: the input's data, which is yours again. */
  readonly input?: D;
}

/** A checked call; nothing of it changes later. */
export interface DecodeCall {
  readonly options: ResolvedDecodeOptions;
  readonly plan: DecodePlan;
  readonly place: Place;
  readonly spelling: Spelling | undefined;
  readonly tokens: readonly string[] | undefined;
  readonly guide: Guide;
}

const UNGUIDED: Guide = { handle: undefined, names: undefined };

/** Checks all arguments of a call, before any search runs. */
export function prepareDecode(
  input: unknown,
  given: unknown,
  verb: Verb,
  synchronous: boolean,
): DecodeCall {
  const options = resolveDecodeOptions(given, verb, synchronous);
  const raw = options.raw;
  const limits = resolveLimits(raw);
  const place = placeOf(input, raw.device, verb);
  checkBuffers(place, options.buffers);
  const tensor = place.input?.tensor(options.layout) ?? resolveTensor(input, options.layout);
  const blank = resolveBlank(raw.blank, tensor.classes);
  const spelling = resolveSpelling(raw.tokens, raw.wordDelimiter, tensor.classes, blank);
  const tokens = spelling && [...(raw.tokens as readonly string[])];
  return {
    options,
    plan: {
      ...limits,
      tensor,
      inputLengths: resolveInputLengths(raw.inputLengths, tensor),
      blank,
      logProbs: options.logProbs,
      mergeRepeated: options.mergeRepeated,
      threads: options.threads,
      device: place.device,
    },
    place,
    spelling,
    tokens,
    guide:
      verb === 'beamDecode' ? resolveGuide(raw, spelling, blank, tensor.classes, tokens) : UNGUIDED,
  };
}

/** Beam search has the CPU only; `'auto'` takes it. */
function placeOf(input: unknown, device: unknown, verb: Verb): Place {
  if (verb === 'greedyDecode') return resolvePlace(device, input);
  const held = deviceSource(input);
  if (held === undefined) {
    return { device: resolveDevice(device), input: undefined, gradient: undefined };
  }
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    `input is in the memory of 'cuda:${held.device}', but beam search works on the CPU only: ` +
      'give it what read() resolves to',
  );
}

const STATUSES: readonly Status[] = ['ok', 'infeasible', 'nonfinite'];

export function greedyUtterances(call: DecodeCall, flat: FlatPaths): GreedyUtterance[] {
  return Array.from(flat.status, (status, n) => {
    const path = n === 0 ? 0 : (flat.pathEnds[n - 1] as number);
    const found = status === 0;
    return {
      status: STATUSES[status] as Status,
      ...readPath(call, flat, found ? path : -1),
      logProb: found ? (flat.logProbs[path] as number) : Number.NaN,
      blankRatio: found
        ? (flat.blankFrames[n] as number) / (call.plan.inputLengths[n] as number)
        : Number.NaN,
    };
  });
}

export function beamUtterances(call: DecodeCall, flat: FlatPaths): BeamUtterance[] {
  let path = 0;
  return Array.from(flat.status, (status, n) => {
    const paths: BeamPath[] = [];
    for (const end = flat.pathEnds[n] as number; path < end; path++) {
      paths.push({
        ...readPath(call, flat, path),
        score: flat.scores[path] as number,
        logProb: flat.logProbs[path] as number,
      });
    }
    return { status: STATUSES[status] as Status, paths };
  });
}

/** Path `path` of all; -1 is one without labels. */
function readPath(call: DecodeCall, flat: FlatPaths, path: number): DecodedPath {
  const { spelling, guide } = call;
  const begin = path <= 0 ? 0 : (flat.labelEnds[path - 1] as number);
  const end = path < 0 ? 0 : (flat.labelEnds[path] as number);
  const labels = flat.labels.slice(begin, end);
  const tokens: DecodedToken[] = [];
  for (let i = begin; i < end; i++) {
    const label = flat.labels[i] as number;
    tokens.push({
      label,
      text: call.tokens?.[label],
      score: flat.confidences[i] as number,
      start: flat.starts[i] as number,
      end: flat.ends[i] as number,
    });
  }
  if (spelling === undefined) return { labels, tokens, text: undefined, words: undefined };
  if (guide.names === undefined) {
    const words =
      spelling.delimiter === undefined ? undefined : wordsOf(tokens, spelling, undefined);
    return { labels, tokens, text: textOf(labels, spelling), words };
  }
  const from = path <= 0 ? 0 : (flat.wordEnds[path - 1] as number);
  const to = path < 0 ? 0 : (flat.wordEnds[path] as number);
  const names = Array.from(flat.words.subarray(from, to), (word) => guide.names?.[word] as string);
  return { labels, tokens, text: names.join(' '), words: wordsOf(tokens, spelling, names) };
}
