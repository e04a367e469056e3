import type { DeviceHandle } from './deviceNative.js';
import { ctcError } from './errors.js';
import { Code, defaultThreads, native, nativeError } from './native.js';
import type { ResolvedTensor } from './tensor.js';

/** Something native behind a JavaScript value; only the addon can look inside. */
export type Handle<Kind extends string> = { readonly __native: Kind };

/** What native/binding/decode.h exports. Each function checks its arguments again. */
interface DecodeAddon {
  greedyDecodeSync: Decode<number>;
  greedyDecode: Decode<number | Promise<number>>;
  beamDecodeSync: Decode<number>;
  beamDecode: Decode<number | Promise<number>>;
  makeGuide(
    numbers: Float64Array,
    roles: Uint8Array,
    tokens: Uint8Array,
    tokenEnds: Float64Array,
    lm: Handle<'model'> | undefined,
    lexicon: Handle<'lexicon'> | undefined,
    hotwords: Uint8Array,
    hotwordEnds: Float64Array,
    weights: Float64Array,
  ): Handle<'guide'> | number;
  makeLexicon(
    words: Uint8Array,
    wordEnds: Float64Array,
    labels: Int32Array | undefined,
    labelEnds: Float64Array | undefined,
  ): Handle<'lexicon'> | number;
  openArpa(): Handle<'arpa'> | number;
  feedArpaSync(reader: Handle<'arpa'>, text: Uint8Array): number;
  feedArpa(reader: Handle<'arpa'>, text: Uint8Array): number | Promise<number>;
  closeArpaSync(reader: Handle<'arpa'>): number;
  closeArpa(reader: Handle<'arpa'>): number | Promise<number>;
  arpaMessage(reader: Handle<'arpa'>): string;
  arpaModel(reader: Handle<'arpa'>): Handle<'model'> | number;
  modelInfo(model: Handle<'model'>): Float64Array | number;
  modelScore(
    model: Handle<'model'>,
    words: Uint8Array,
    wordEnds: Float64Array,
    boundaries: boolean,
  ): Float64Array | number;
}

type Decode<Answer> = (
  plan: Float64Array,
  input: ArrayBufferView | DeviceHandle,
  guide: Handle<'guide'> | undefined,
  result: object,
) => Answer;

export function decodeNative(): DecodeAddon {
  return native() as unknown as DecodeAddon;
}

/** What the native side writes: all paths of all utterances, one after another. */
export interface FlatPaths {
  /** N places: ok, infeasible, nonfinite. */
  status: Uint8Array;
  blankFrames: Float64Array;
  /** Utterance n owns the paths from `pathEnds[n - 1]` to `pathEnds[n]`, exclusive. */
  pathEnds: Float64Array;
  scores: Float64Array;
  logProbs: Float64Array;
  labelEnds: Float64Array;
  wordEnds: Float64Array;
  labels: Int32Array;
  starts: Int32Array;
  ends: Int32Array;
  confidences: Float64Array;
  words: Int32Array;
}

/** Places in a plan, as in native/binding/decode.cpp. */
const PLAN = {
  dtype: 0,
  frames: 1,
  utterances: 2,
  classes: 3,
  frameStride: 4,
  utteranceStride: 5,
  classStride: 6,
  blank: 7,
  inputKind: 8,
  threads: 9,
  copyInput: 10,
  job: 11,
  mergeRepeated: 12,
  beamWidth: 13,
  topPaths: 14,
  cutoffTopN: 15,
  cutoffProb: 16,
  tokenMinLogp: 17,
  beamThreshold: 18,
  device: 19,
  scored: 20,
  header: 21,
} as const;

/** The limits of a beam search; Infinity where there is none. */
export interface BeamLimits {
  readonly beamWidth: number;
  readonly topPaths: number;
  readonly cutoffTopN: number;
  readonly cutoffProb: number;
  readonly tokenMinLogp: number;
  readonly beamThreshold: number;
}

/** The numbers of a decoding call. */
export interface DecodePlan extends BeamLimits {
  readonly tensor: ResolvedTensor;
  readonly inputLengths: Float64Array;
  readonly blank: number;
  readonly logProbs: boolean;
  readonly mergeRepeated: boolean;
  /** Greedy only. false: without `scores` and `logProbs`, for which blank frames need their softmax. Default: true. */
  readonly scored?: boolean;
  /** 0: as many as the machine has cores. */
  readonly threads: number;
  /** A GPU's number, or -1 for the CPU. */
  readonly device: number;
}

export function packDecode(plan: DecodePlan, memory?: { copyInput: boolean; job: number }) {
  const { tensor, inputLengths } = plan;
  const packed = new Float64Array(PLAN.header + tensor.utterances);
  packed[PLAN.dtype] = tensor.dtype;
  packed[PLAN.frames] = tensor.frames;
  packed[PLAN.utterances] = tensor.utterances;
  packed[PLAN.classes] = tensor.classes;
  packed[PLAN.frameStride] = tensor.frameStride;
  packed[PLAN.utteranceStride] = tensor.utteranceStride;
  packed[PLAN.classStride] = tensor.classStride;
  packed[PLAN.blank] = plan.blank;
  packed[PLAN.inputKind] = plan.logProbs ? 1 : 0;
  packed[PLAN.threads] = plan.threads === 0 ? defaultThreads() : plan.threads;
  packed[PLAN.copyInput] = memory?.copyInput ? 1 : 0;
  packed[PLAN.job] = memory?.job ?? 0;
  packed[PLAN.mergeRepeated] = plan.mergeRepeated ? 1 : 0;
  packed[PLAN.beamWidth] = plan.beamWidth;
  packed[PLAN.topPaths] = plan.topPaths;
  packed[PLAN.cutoffTopN] = plan.cutoffTopN;
  packed[PLAN.cutoffProb] = plan.cutoffProb;
  packed[PLAN.tokenMinLogp] = plan.tokenMinLogp;
  packed[PLAN.beamThreshold] = plan.beamThreshold;
  packed[PLAN.device] = plan.device;
  packed[PLAN.scored] = plan.scored === false ? 0 : 1;
  packed.set(inputLengths, PLAN.header);
  return packed;
}

/** The error for an answer of a decoding call other than ok and cancelled. */
export function decodeError(code: number, beamWidth: number | undefined): Error {
  if (code === Code.outOfMemory && beamWidth !== undefined) {
    return ctcError(
      'ERR_CTC_OUT_OF_MEMORY',
      `not enough memory for a beam of ${beamWidth}: lower beamWidth, split the batch, or use fewer threads`,
    );
  }
  return nativeError(code);
}

/** A handle or an array, or the error that the native side answered instead. */
export function answerOr<T extends object>(answer: T | number): T {
  if (typeof answer === 'number') throw nativeError(answer);
  return answer;
}

/** Strings as the native side takes them: UTF-8, one after another, with the end of each. */
export function packStrings(strings: readonly string[]): { bytes: Uint8Array; ends: Float64Array } {
  const ends = new Float64Array(strings.length);
  let length = 0;
  for (let i = 0; i < strings.length; i++) {
    length += Buffer.byteLength(strings[i] as string);
    ends[i] = length;
  }
  const bytes = new Uint8Array(length);
  const encoder = new TextEncoder();
  let at = 0;
  for (const string of strings) at += encoder.encodeInto(string, bytes.subarray(at)).written;
  return { bytes, ends };
}
