/**
 * CTC for TensorFlow.js: a differentiable loss, a loss for `model.compile`, and decoders of tensors.
 * Needs the package `@tensorflow/tfjs` (or `@tensorflow/tfjs-node`, which brings it).
 *
 * @packageDocumentation
 */
export { type CtcCompileOptions, CtcLoss, CtcOutput } from './compile.js';
export { beamDecode, greedyDecode } from './decode.js';
export { type Labels, labelTensor } from './labels.js';
export { ctcLoss, type LossTensor, type TensorLossOptions } from './loss.js';
