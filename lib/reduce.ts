import { rangeError } from './errors.js';
import type { Reduction } from './lossOptions.js';

/**
 * Totals of a batch, to form any mean over batches that were computed in parts: add up each field,
 * then `loss / utterances` is 'meanBatch', `lossPerLabel / utterances` is 'mean', and
 * `loss / max(labels, 1)` is 'meanVolume'.
 */
export interface Sums {
  /** Sum of `losses`, in nats. */
  readonly loss: number;
  /** Sum of each loss over max(L, 1). */
  readonly lossPerLabel: number;
  /** N, infeasible ones included. */
  readonly utterances: number;
  /** Sum of L. */
  readonly labels: number;
}

/** Adds up the losses of a batch in order, whatever computed them. */
export function sumLosses(losses: Float64Array, offsets: Float64Array): Sums {
  const utterances = losses.length;
  let loss = 0;
  let lossPerLabel = 0;
  for (let n = 0; n < utterances; n++) {
    const one = losses[n] as number;
    const labels = (offsets[n + 1] as number) - (offsets[n] as number);
    loss += one;
    lossPerLabel += labels > 1 ? one / labels : one;
  }
  return { loss, lossPerLabel, utterances, labels: offsets[utterances] as number };
}

/** The reduced loss; undefined for 'none', NaN for a mean over no utterances. */
export function reduceLosses(
  sums: Sums,
  reduction: Reduction,
  denominator: number | undefined,
): number | undefined {
  if (reduction === 'none') return undefined;
  if (reduction === 'sum') return sums.loss;
  if (sums.utterances === 0 && denominator === undefined) return Number.NaN;
  const total = reduction === 'mean' ? sums.lossPerLabel : sums.loss;
  return total / divisor(reduction, denominator, sums.utterances, sums.labels);
}

/**
 * What each utterance's gradient is multiplied by: derivative of the reduced loss with respect to
 * this utterance's loss, times the upstream gradient. The core multiplies it in before rounding to
 * the output's type, because 1 / (N * L) times a float16 gradient underflows.
 */
export function gradientScales(
  reduction: Reduction,
  denominator: number | undefined,
  gradOutput: number | Float64Array,
  normByTimes: boolean,
  offsets: Float64Array,
  inputLengths: Float64Array,
): Float64Array {
  const utterances = inputLengths.length;
  const scales = new Float64Array(utterances);
  const labels = offsets[utterances] as number;
  const all = divisor(reduction, denominator, utterances, labels);
  for (let n = 0; n < utterances; n++) {
    let scale = (typeof gradOutput === 'number' ? gradOutput : (gradOutput[n] as number)) / all;
    if (reduction === 'mean') {
      scale /= Math.max((offsets[n + 1] as number) - (offsets[n] as number), 1);
    }
    if (normByTimes) scale /= Math.max(inputLengths[n] as number, 1);
    // Infinity times an exact 0 of the gradient would be NaN.
    if (!Number.isFinite(scale)) {
      throw rangeError(
        'ERR_CTC_OUT_OF_RANGE',
        `gradOutput over denominator is ${scale} for utterance ${n}; it must be finite`,
      );
    }
    scales[n] = scale;
  }
  return scales;
}

function divisor(
  reduction: Reduction,
  denominator: number | undefined,
  utterances: number,
  labels: number,
): number {
  if (reduction === 'none' || reduction === 'sum') return 1;
  return denominator ?? (reduction === 'meanVolume' ? Math.max(labels, 1) : utterances);
}
