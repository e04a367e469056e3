/**
 * CTC (connectionist temporal classification) for Node: loss and gradient from one native core.
 *
 * @packageDocumentation
 */
export { type DeviceInfo, devices } from './device.js';
export { type Coded, CtcError, type CtcErrorCode } from './errors.js';
export { type Info, info } from './info.js';
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
