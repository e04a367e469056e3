import { inputForJob, plainView } from './buffers.js';
import {
  type BeamUtterance,
  beamUtterances,
  type DecodeCall,
  type DecodeResult,
  type GreedyUtterance,
  greedyUtterances,
  prepareDecode,
} from './decodeCall.js';
import { decodeError, decodeNative, type FlatPaths, packDecode } from './decodeNative.js';
import type {
  BeamOptions,
  BeamSyncOptions,
  GreedyOptions,
  GreedySyncOptions,
  TokenNames,
  Verb,
} from './decodeOptions.js';
import type { DeviceTensor } from './deviceTensor.js';
import { runJob, withInput } from './job.js';
import { Code } from './native.js';
import type { TensorData, TensorLike } from './tensor.js';

/**
 * The most probable class of every frame, repeats merged and blanks dropped, off the event loop.
 *
 * Each label comes with its frames (`start`, and `end`, exclusive) and the mean probability of its class
 * over them. Of equally probable classes the lowest is taken. Time: O(T * C) for each utterance.
 *
 * @param input - `{ data, shape }` of shape [T, N, C] ([N, T, C] with `layout: 'NTC'`), or [T, C]; or a
 * DeviceTensor of it.
 * @param options - See {@link GreedyOptions}. Unknown keys are refused.
 * @throws (as rejections) TypeError or RangeError with a {@link CtcErrorCode} for a bad argument; CtcError
 * `ERR_CTC_OUT_OF_MEMORY`, `ERR_CTC_DEVICE`, `ERR_CTC_NATIVE_LOAD`; the signal's reason after an abort.
 *
 * @example
 * ```ts
 * const { utterances } = await greedyDecode({ data, shape: [T, N, C] }, { tokens });
 * console.log(utterances[0].text, utterances[0].tokens[0].start);
 * ```
 */
export async function greedyDecode<
  D extends TensorData = TensorData,
  N extends TokenNames = undefined,
>(
  input: TensorLike<D> | DeviceTensor<D>,
  options?: GreedyOptions<N>,
): Promise<DecodeResult<GreedyUtterance<N>, D>> {
  const call = prepareDecode(input, options, 'greedyDecode', false);
  const { flat, handBack } = await decode(call, 'greedyDecode');
  return result(greedyUtterances(call, flat) as GreedyUtterance<N>[], handBack);
}

/** As {@link greedyDecode}, without the objects and the scores: for callers inside the package that decode by the thousand. */
export async function greedyPaths(input: TensorLike, options: GreedyOptions): Promise<FlatPaths> {
  const call = prepareDecode(input, options, 'greedyDecode', false);
  const plan = { ...call.plan, scored: false };
  const { flat } = await decode({ ...call, plan }, 'greedyDecode');
  return flat;
}

/** As {@link greedyDecode}; returns when it is done, and never copies the input. */
export function greedyDecodeSync<N extends TokenNames = undefined>(
  input: TensorLike | DeviceTensor,
  options?: GreedySyncOptions<N>,
): DecodeResult<GreedyUtterance<N>> {
  const call = prepareDecode(input, options, 'greedyDecode', true);
  const utterances = greedyUtterances(call, decodeSync(call, 'greedyDecode'));
  return { utterances: utterances as GreedyUtterance<N>[] };
}

/**
 * CTC prefix beam search, off the event loop: the label sequences with the highest probability, each
 * summed over the paths that read as it (Hannun et al. 2014, "First-Pass Large Vocabulary Continuous Speech
 * Recognition using Bi-Directional Recurrent DNNs", algorithm 1), optionally with an n-gram language model, a lexicon
 * and hotwords.
 *
 * `score` = `logProb` + alpha * ln p(words) + beta * words + unkScore * unknown words + hotwords. Without guides
 * and with an unbounded beam the scores are exact. Frames of labels are those of the best single path of a
 * hypothesis. Equal scores in the beam: a hypothesis goes before its own extensions, then the one with the
 * better beginning, then the lower label.
 *
 * Time: O(T * (C + B log B)) for each utterance with a beam of B and no guide, on one thread; utterances are spread over
 * `threads`. Memory: O(B * labels) for each thread.
 *
 * @param input - `{ data, shape }` of shape [T, N, C] ([N, T, C] with `layout: 'NTC'`), or [T, C].
 * @param options - See {@link BeamOptions}. Unknown keys are refused.
 * @throws (as rejections) As {@link greedyDecode}; RangeError `ERR_CTC_INVALID_ARG_VALUE` for an empty lexicon, or
 * guides that lack tokens or word boundaries.
 *
 * @example
 * ```ts
 * const lm = await loadLanguageModel('3gram.arpa.gz');
 * const { utterances } = await beamDecode(logits, { tokens, wordDelimiter: '|', lm, alpha: 0.5, beta: 1.5 });
 * console.log(utterances[0].paths[0].text);
 * ```
 */
export async function beamDecode<
  D extends TensorData = TensorData,
  N extends TokenNames = undefined,
>(input: TensorLike<D>, options?: BeamOptions<N>): Promise<DecodeResult<BeamUtterance<N>, D>> {
  const call = prepareDecode(input, options, 'beamDecode', false);
  const { flat, handBack } = await decode(call, 'beamDecode');
  return result(beamUtterances(call, flat) as BeamUtterance<N>[], handBack);
}

/** As {@link beamDecode}; returns when it is done, and never copies the input. */
export function beamDecodeSync<N extends TokenNames = undefined>(
  input: TensorLike,
  options?: BeamSyncOptions<N>,
): DecodeResult<BeamUtterance<N>> {
  const call = prepareDecode(input, options, 'beamDecode', true);
  const utterances = beamUtterances(call, decodeSync(call, 'beamDecode'));
  return { utterances: utterances as BeamUtterance<N>[] };
}

async function decode(
  call: DecodeCall,
  verb: Verb,
): Promise<{ flat: FlatPaths; handBack: TensorData | undefined }> {
  const { signal, buffers } = call.options;
  if (signal?.aborted) throw signal.reason;
  const addon = decodeNative();
  const from = inputForJob(call.plan.tensor, buffers, undefined);
  const flat = {} as FlatPaths;
  try {
    const code = await runJob(async (job) => {
      const plan = packDecode(call.plan, { copyInput: from.copy, job });
      return addon[verb](plan, call.place.input?.handle ?? from.data, call.guide.handle, flat);
    }, signal);
    if (signal?.aborted) throw signal.reason;
    if (code !== Code.ok) throw failure(code, call, verb);
    return { flat, handBack: from.handBack };
  } catch (error) {
    throw from.handBack === undefined ? error : withInput(error, from.handBack);
  }
}

function decodeSync(call: DecodeCall, verb: Verb): FlatPaths {
  const flat = {} as FlatPaths;
  const code = decodeNative()[`${verb}Sync`](
    packDecode(call.plan),
    call.place.input?.handle ?? plainView(call.plan.tensor.data),
    call.guide.handle,
    flat,
  );
  if (code !== Code.ok) throw failure(code, call, verb);
  return flat;
}

function failure(code: number, call: DecodeCall, verb: Verb): Error {
  return decodeError(code, verb === 'beamDecode' ? call.plan.beamWidth : undefined);
}

function result<U, D extends TensorData>(
  utterances: U[],
  handBack: TensorData | undefined,
): DecodeResult<U, D> {
  return handBack === undefined ? { utterances } : { utterances, input: handBack as D };
}
