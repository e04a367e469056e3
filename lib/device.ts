import { availableParallelism } from 'node:os';
import { type CudaDevice, cudaDevices } from './deviceNative.js';
import { ctcError, rangeError, show, typeError } from './errors.js';
import { nearest } from './options.js';

/** A place where work can be done. */
export interface DeviceInfo {
  /** What the `device` option calls it: `'cpu'`, `'cuda:0'`; `'cuda'` when there is no GPU. */
  readonly device: string;
  /** Whether a call can use it. */
  readonly usable: boolean;
  /** Why not. */
  readonly reason?: string;
  /** Cores of a CPU. */
  readonly cores?: number;
  /** The maker's name of a GPU. */
  readonly name?: string;
  /** Memory of a GPU, in bytes. */
  readonly memory?: number;
  /** Compute capability of a GPU: `'9.0'`. */
  readonly capability?: string;
}

/** Number of the CPU among devices; GPUs count from 0. */
export const CPU = -1;

/** Lists the devices, usable or not, with the reason when not. */
export function devices(): DeviceInfo[] {
  return [{ device: 'cpu', usable: true, cores: availableParallelism() }, ...gpus()];
}

function gpus(): DeviceInfo[] {
  const found = look();
  if (typeof found === 'string') return [{ device: 'cuda', usable: false, reason: found }];
  return found.map(({ name, reason, bytes, capability }, i) => {
    const info = { device: `cuda:${i}`, usable: reason === '', name, memory: bytes, capability };
    return reason === '' ? info : { ...info, reason };
  });
}

/** An addon that does not load is a reason as well: a listing fails for nobody. */
function look(): readonly CudaDevice[] | string {
  try {
    return cudaDevices();
  } catch (error) {
    return (error as Error).message;
  }
}

/** What was found when a call first asked: GPUs don't come and go while a process runs. */
let known: readonly CudaDevice[] | undefined;

/**
 * Checks the `device` option. `'auto'` is the CPU when no GPU is usable; asking for a GPU by name
 * never falls back.
 *
 * @param onGpu - Whether the calling function can work on a GPU.
 * @returns The GPU's number, or {@link CPU}.
 * @throws CtcError `ERR_CTC_DEVICE` with the reason; RangeError `ERR_CTC_INVALID_ARG_VALUE`.
 */
export function resolveDevice(value: unknown, onGpu = false): number {
  if (value === undefined || value === 'cpu') return CPU;
  if (value === 'auto') return onGpu ? firstUsable() : CPU;
  if (typeof value !== 'string') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `device must be a string, not ${show(value)}`);
  }
  if (/^cuda(:\d{1,3})?$/.test(value)) {
    const number = Number(value.slice(5));
    const reason = onGpu ? whyNot(number) : 'beam search works on the CPU only';
    if (reason === undefined) return number;
    throw ctcError(
      'ERR_CTC_DEVICE',
      `device '${value}' cannot be used: ${reason}; use 'cpu', or 'auto' to take what there is`,
    );
  }
  const near = nearest(value, ['cpu', 'cuda', 'auto']);
  const hint = near === undefined ? '' : `; did you mean '${near}'?`;
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    `device is ${show(value)}; it must be 'cpu', 'cuda', 'cuda:N' or 'auto'${hint}`,
  );
}

function firstUsable(): number {
  const found = known ?? look();
  if (typeof found === 'string') return CPU;
  known = found;
  return found.findIndex(({ reason }) => reason === '');
}

function whyNot(number: number): string | undefined {
  const found = known ?? look();
  if (typeof found === 'string') return found;
  known = found;
  const gpu = found[number];
  if (gpu === undefined) {
    return found.length === 1 ? 'the only GPU is cuda:0' : `there are ${found.length} GPUs`;
  }
  return gpu.reason === '' ? undefined : `${gpu.name}: ${gpu.reason}`;
}
