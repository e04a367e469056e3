import { CPU, resolveDevice } from './device.js';
import { type DeviceSource, deviceSource } from './deviceTensor.js';
import { rangeError, show } from './errors.js';
import type { Buffers } from './options.js';
import type { ResolvedTensor } from './tensor.js';

/** Where a call is computed, and which of its arrays are in a GPU's memory already. */
export interface Place {
  /** A GPU's number, or {@link CPU}. */
  readonly device: number;
  readonly input: DeviceSource | undefined;
  readonly gradient: DeviceSource | undefined;
}

/** Checks the `device` option against the DeviceTensors of the call, whose device is the default. */
export function resolvePlace(device: unknown, input: unknown, gradient?: unknown): Place {
  const from = deviceSource(input);
  const to = deviceSource(gradient);
  const holder = from ?? to;
  const number =
    device === undefined && holder !== undefined ? holder.device : resolveDevice(device, true);
  if (from !== undefined) checkDevice('input', from, number, device);
  if (to !== undefined) checkDevice('gradient', to, number, device);
  return { device: number, input: from, gradient: to };
}

function checkDevice(name: string, source: DeviceSource, number: number, device: unknown): void {
  if (source.device === number) return;
  const asked = device === undefined ? `'cuda:${number}'` : show(device);
  const where = number === CPU ? `${asked}, the CPU` : asked;
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    `${name} is in the memory of 'cuda:${source.device}', but device is ${where}`,
  );
}

/** Refuses to take over the memory of a GPU: the DeviceTensor stays the caller's in any case. */
export function checkBuffers({ input }: Place, buffers: Buffers): void {
  if (input === undefined || buffers !== 'transfer') return;
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    `buffers: 'transfer' takes over an array, and input is in the memory of 'cuda:${input.device}', which is not ` +
      'copied: leave buffers out',
  );
}

/** Checks that a gradient of `tensor` fits into a DeviceTensor. */
export function checkTarget(target: DeviceSource, tensor: ResolvedTensor): void {
  const own = target.tensor(tensor.layout);
  const same =
    own.dtype === tensor.dtype &&
    own.frames === tensor.frames &&
    own.utterances === tensor.utterances &&
    own.classes === tensor.classes;
  if (same && target.dense) return;
  throw rangeError(
    'ERR_CTC_INVALID_SHAPE',
    `gradient is a DeviceTensor of shape [${target.shape.join(', ')}]; ` +
      "it must have the input's shape and type, without gaps, as DeviceTensor.like() makes it",
  );
}
