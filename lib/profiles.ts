import type { GradientOf, Reduction } from './lossOptions.js';
import type { InputKind, Layout } from './options.js';

/** A library whose defaults a call takes over. Explicit options win. */
export type Profile = 'torch' | 'paddle' | 'tensorflow' | 'keras' | 'nemo' | 'warp-ctc';

/** What a profile decides. */
export interface Defaults {
  readonly input: InputKind;
  readonly gradientOf: GradientOf;
  readonly blank: number;
  readonly reduction: Reduction;
  readonly layout: Layout;
  readonly normByTimes: boolean;
}

/** This package's own defaults. */
export const DEFAULTS: Defaults = {
  input: 'logits',
  gradientOf: 'input',
  blank: 0,
  reduction: 'mean',
  layout: 'TNC',
  normByTimes: false,
};

/**
 * Conventions of other libraries. Only defaults: no profile weakens a check, and every mean divides
 * by max(L, 1), where Paddle divides an empty target's loss by 0.
 */
export const PROFILES: Readonly<Record<Profile, Defaults>> = {
  // F.ctc_loss(log_probs, ...): its backward returns exp(log_probs) - posterior.
  torch: { ...DEFAULTS, input: 'logProbs', gradientOf: 'softmax' },
  // nn.CTCLoss(): raw logits, although its parameter is called log_probs.
  paddle: DEFAULTS,
  // tf.nn.ctc_loss(labels, logits, ...): one loss for each utterance.
  tensorflow: { ...DEFAULTS, reduction: 'none' },
  // keras.losses.CTC(): batch-major, sum_over_batch_size.
  keras: { ...DEFAULTS, layout: 'NTC', reduction: 'meanBatch' },
  // CTCLoss(): batch-major log-probabilities, the blank last, reduction 'mean_batch', on PyTorch.
  nemo: {
    ...DEFAULTS,
    input: 'logProbs',
    gradientOf: 'softmax',
    blank: -1,
    layout: 'NTC',
    reduction: 'meanBatch',
  },
  // compute_ctc_loss(): costs of each utterance.
  'warp-ctc': { ...DEFAULTS, reduction: 'none' },
};

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly Profile[];
