import {
  allocate,
  type BatchCall,
  type BatchFunction,
  type BatchOptions,
  type BatchSyncOptions,
  optionKeys,
  prepareBatch,
  runLater,
  runNow,
} from './batch.js';
import type { DeviceTensor } from './deviceTensor.js';
import { STATUSES, type Status } from './lossCall.js';
import { native } from './native.js';
import { choice, type RawOptions } from './options.js';
import type { TokenSpan } from './spans.js';
import type { Targets } from './targets.js';
import type { TensorData, TensorLike } from './tensor.js';

/**
 * What a star in a target stands for. A star is the label C, one past the last class.
 *
 * - `'anything'`: any stretch of labels and blanks, of at least one frame. Each frame scores its largest
 *   probability, the blank's included.
 * - `'label'`: one unknown label. Each frame scores 1 minus the blank's probability.
 */
export type Star = 'anything' | 'label';

/** Options of {@link forcedAlignSync}. */
export interface AlignSyncOptions extends BatchSyncOptions {
  /** Allows stars in targets, for transcripts with gaps. Default: none are allowed. */
  readonly star?: Star;
}

/** Options of {@link forcedAlign}. */
export interface AlignOptions extends AlignSyncOptions, BatchOptions {}

/** The best path of one utterance. */
export interface Alignment {
  /** As for the loss. Unless it is `'ok'`, all arrays are empty. */
  readonly status: Status;
  /** Natural log of the path's probability: -Infinity where infeasible, NaN where nonfinite. */
  readonly score: number;
  /** One span for each target label, in order. */
  readonly spans: readonly TokenSpan[];
  /** The label of each frame: the blank's class, a target label, or C for a star. */
  readonly labels: Int32Array;
  /** Natural-log probability of that label at each frame. */
  readonly logProbs: Float64Array;
}

/** What {@link forcedAlign} resolves to. */
export interface AlignResult<D = TensorData> {
  /** One alignment for each utterance. */
  readonly utterances: readonly Alignment[];
  /** With `buffers: 'transfer'`: the input's data, which is yours again. */
  readonly input?: D;
}

const KEYS = optionKeys(['star']);
const STARS: readonly Star[] = ['anything', 'label'];

const asked = (options: RawOptions) => options.star !== undefined;
const extraLabels = (options: RawOptions) => (asked(options) ? 1 : 0);
const LATER: BatchFunction = { name: 'forcedAlign', keys: KEYS, synchronous: false, extraLabels };
const NOW: BatchFunction = { ...LATER, synchronous: true };

/**
 * Forced alignment: the most probable path (Viterbi) that reads as the given labels, off the event
 * loop.
 *
 * Ties between equally probable ways into a state are always broken the same way: staying wins over
 * advancing, advancing by one state over skipping a blank, and at the last frame the last label
 * over the blank after it. Into a star alone, advancing wins over staying: it takes only frames that its
 * neighbours do not score as high. Scores are compared as sums in float64, which are exact for float32 and
 * 16-bit input unless the scores span more than 53 bits.
 *
 * Time: O(T * L) for each utterance, spread over `threads` also within a long one. Memory: 12 bytes for each frame of the
 * batch for the results, 32 for those at work, and 16 L bytes for every 1024 frames: T = 200,000 with L = 20,000
 * takes some 110 MB.
 *
 * @param input - `{ data, shape }` of shape [T, N, C] ([N, T, C] with `layout: 'NTC'`), or [T, C]; or a
 * DeviceTensor of it.
 * @param targets - Labels of each utterance, without blanks; see {@link Targets}. With `star` also C.
 * @param options - See {@link AlignOptions}. Unknown keys are refused.
 * @throws (as rejections) what {@link ctcLoss} rejects with; an infeasible utterance is a status, not an error.
 *
 * @example
 * ```ts
 * const { utterances } = await forcedAlign({ data, shape: [T, N, C] }, targets);
 * for (const { token, start, end, score } of utterances[0].spans) console.log(token, start, end, score);
 * ```
 */
export async function forcedAlign<D extends TensorData = TensorData>(
  input: TensorLike<D> | DeviceTensor<D>,
  targets: Targets,
  options?: AlignOptions,
): Promise<AlignResult<D>> {
  const call = prepareBatch(input, targets, options, LATER);
  const { star, outputs } = prepareAlign(call);
  const handBack = await runLater(call, (plan, labels, data) =>
    native().align(plan, labels, data, star, ...outputs),
  );
  const utterances = finishAlign(call, outputs);
  return handBack === undefined ? { utterances } : { utterances, input: handBack as D };
}

/**
 * Forced alignment; returns when it is done. Reads the input where it lies, without a copy. Everything
 * else is as for {@link forcedAlign}.
 */
export function forcedAlignSync(
  input: TensorLike | DeviceTensor,
  targets: Targets,
  options?: AlignSyncOptions,
): AlignResult {
  const call = prepareBatch(input, targets, options, NOW);
  const { star, outputs } = prepareAlign(call);
  runNow(call, (plan, labels, data) => native().alignSync(plan, labels, data, star, ...outputs));
  return { utterances: finishAlign(call, outputs) };
}

/** Frame labels, log-probabilities, starts, ends, scores, totals, status: see binding/align.h. */
type Outputs = [
  Int32Array,
  Float64Array,
  BigInt64Array,
  BigInt64Array,
  Float64Array,
  Float64Array,
  Uint8Array,
];

function prepareAlign(call: BatchCall): { star: number; outputs: Outputs } {
  const { tensor } = call.plan;
  const star = asked(call.options)
    ? 1 + STARS.indexOf(choice(call.options.star, 'star', STARS, 'anything'))
    : 0;
  const cells = tensor.frames * tensor.utterances;
  const labels = call.labels.length;
  const outputs = allocate<Outputs>(() => [
    new Int32Array(cells),
    new Float64Array(cells),
    new BigInt64Array(labels),
    new BigInt64Array(labels),
    new Float64Array(labels),
    new Float64Array(tensor.utterances),
    new Uint8Array(tensor.utterances),
  ]);
  return { star, outputs };
}

function finishAlign(call: BatchCall, outputs: Outputs): Alignment[] {
  const [frameLabels, logProbs, starts, ends, scores, totals, status] = outputs;
  const { tensor, inputLengths, offsets } = call.plan;
  const utterances: Alignment[] = [];
  for (let n = 0; n < tensor.utterances; n++) {
    const word = STATUSES[status[n] as number] as Status;
    const begin = n * tensor.frames;
    const end = word === 'ok' ? begin + (inputLengths[n] as number) : begin;
    const spans: TokenSpan[] = [];
    if (word === 'ok') {
      for (let i = offsets[n] as number; i < (offsets[n + 1] as number); i++) {
        spans.push({
          token: call.labels[i] as number,
          start: Number(starts[i]),
          end: Number(ends[i]),
          score: scores[i] as number,
        });
      }
    }
    utterances.push({
      status: word,
      score: totals[n] as number,
      spans,
      labels: frameLabels.subarray(begin, end),
      logProbs: logProbs.subarray(begin, end),
    });
  }
  return utterances;
}
