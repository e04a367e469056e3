/**
 * CTC (connectionist temporal classification) for Node: loss, gradient and decoding from one native core.
 *
 * @packageDocumentation
 */
export { beamDecode, beamDecodeSync, greedyDecode, greedyDecodeSync } from './decode.js';
export type {
  BeamPath,
  BeamUtterance,
  DecodedPath,
  DecodeResult,
  GreedyUtterance,
} from './decodeCall.js';
export type {
  AsyncOptions,
  BeamOptions,
  BeamSyncOptions,
  DecodeOptions,
  GreedyOptions,
  GreedySyncOptions,
} from './decodeOptions.js';
export type { DecodedToken, DecodedWord } from './decodeText.js';
export { type DeviceInfo, devices } from './device.js';
export { type Coded, CtcError, type CtcErrorCode } from './errors.js';
export { type Info, info } from './info.js';
export { Lexicon, type LexiconEntry, type LexiconOptions } from './lexicon.js';
export {
  LanguageModel,
  loadLanguageModel,
  loadLanguageModelSync,
  parseLanguageModel,
} from './lm.js';
export { ctcLoss, ctcLossSync } from './loss.js';
export type { GradientFor, LossFor, LossResult, Status } from './lossCall.js';
export type {
  GradientArray,
  GradientOf,
  InfeasiblePolicy,
  LossOptions,
  LossSyncOptions,
  Reduction,
} from './lossOptions.js';
export type { Buffers, Device, InputKind, IntegerArray, Layout } from './options.js';
export type { Profile } from './profiles.js';
export type { Sums } from './reduce.js';
export type { Targets, TargetTensor } from './targets.js';
export type { Float16View, TensorData, TensorLike, TensorType } from './tensor.js';
