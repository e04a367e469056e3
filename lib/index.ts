/**
 * CTC (connectionist temporal classification) for Node: loss, gradient and decoding from one native core.
 *
 * @packageDocumentation
 */
export {
  type Alignment,
  type AlignOptions,
  type AlignResult,
  type AlignSyncOptions,
  forcedAlign,
  forcedAlignSync,
  type Star,
} from './align.js';
export type { BatchOptions, BatchSyncOptions } from './batch.js';
export { beamDecode, beamDecodeSync, greedyDecode, greedyDecodeSync } from './decode.js';
export type {
  BeamPath,
  BeamUtterance,
  DecodedPath,
  DecodeResult,
  GreedyUtterance,
  WithTokens,
} from './decodeCall.js';
export type {
  AsyncOptions,
  BeamOptions,
  BeamSyncOptions,
  DecodeOptions,
  GreedyOptions,
  GreedySyncOptions,
  TokenNames,
} from './decodeOptions.js';
export type { DecodedToken, DecodedWord } from './decodeText.js';
export { type DeviceInfo, devices } from './device.js';
export { DeviceTensor, pinnedArray, type UploadOptions } from './deviceTensor.js';
export { type Coded, CtcError, type CtcErrorCode } from './errors.js';
export {
  type ExplainedPath,
  type ExplainOptions,
  type ExplainSyncOptions,
  type Explanation,
  explain,
  explainSync,
  type LatticeState,
  type Reading,
} from './explain.js';
export type { ExplainInput } from './explainInput.js';
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
  GradientOption,
  InfeasiblePolicy,
  LossOptions,
  LossSyncOptions,
  Reduction,
} from './lossOptions.js';
export {
  type AlignedUnit,
  type ErrorCounts,
  type ErrorRate,
  type ErrorRateOptions,
  type ErrorUnit,
  errorRate,
  type Transcript,
  type UtteranceErrors,
} from './metrics.js';
export type { Buffers, Device, InputKind, IntegerArray, Layout } from './options.js';
export { collapse, countPaths, latticePaths } from './paths.js';
export {
  type Posterior,
  type PosteriorOptions,
  type PosteriorResult,
  type PosteriorSyncOptions,
  posteriors,
  posteriorsSync,
} from './posteriors.js';
export type { Profile } from './profiles.js';
export type { Sums } from './reduce.js';
export { explanationHtml } from './report/explanationHtml.js';
export { explanationSvg, type SvgOptions } from './report/explanationSvg.js';
export { explanationText } from './report/explanationText.js';
export type { MapValues } from './report/latticeMap.js';
export { mergeTokens, type TokenSpan, type WordSpan, wordSpans } from './spans.js';
export type { Targets, TargetTensor } from './targets.js';
export type { Float16View, TensorData, TensorLike, TensorType } from './tensor.js';
