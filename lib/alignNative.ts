import type { DeviceHandle } from './deviceNative.js';

/**
 * What native/binding/align.cpp adds to the addon. Arrays are as told in native/binding/align.h; each
 * function checks their sizes again. The answer is a code of lib/native.ts.
 */
export interface AlignAddon {
  alignSync(...args: AlignArguments): number;
  align(...args: AlignArguments): Promise<number>;
  posteriorsSync(...args: PosteriorArguments): number;
  posteriors(...args: PosteriorArguments): Promise<number>;
}

type AlignArguments = [
  plan: Float64Array,
  labels: Int32Array,
  input: ArrayBufferView | DeviceHandle,
  star: number,
  frameLabels: Int32Array,
  logProbs: Float64Array,
  starts: BigInt64Array,
  ends: BigInt64Array,
  scores: Float64Array,
  totals: Float64Array,
  status: Uint8Array,
];

type PosteriorArguments = [
  plan: Float64Array,
  labels: Int32Array,
  input: ArrayBufferView | DeviceHandle,
  occupancy: Float64Array,
  alpha: Float64Array | undefined,
  beta: Float64Array | undefined,
  starts: Float64Array,
  ends: Float64Array,
  losses: Float64Array,
  status: Uint8Array,
];
