import { availableParallelism } from 'node:os';
import { ctcError, rangeError, show, typeError } from './errors.js';
import { nearest } from './options.js';

/** A place where work can be done. */
export interface DeviceInfo {
  /** What the `device` option calls it: `'cpu'`, `'cuda'`. */
  readonly device: string;
  /** Whether a call can use it. */
  readonly usable: boolean;
  /** Why not. */
  readonly reason?: string;
  /** Cores of a CPU. */
  readonly cores?: number;
}

const NO_CUDA = 'this version of node-ctc has no CUDA backend';

/** Lists the devices, usable or not, with the reason when not. */
export function devices(): DeviceInfo[] {
  return [
    { device: 'cpu', usable: true, cores: availableParallelism() },
    { device: 'cuda', usable: false, reason: NO_CUDA },
  ];
}

/**
 * Checks the `device` option. `'auto'` is the CPU when no GPU is usable; asking for a GPU by name
 * never falls back.
 *
 * @throws CtcError `ERR_CTC_DEVICE` with the reason; RangeError `ERR_CTC_INVALID_ARG_VALUE`.
 */
export function resolveDevice(value: unknown): 'cpu' {
  if (value === undefined || value === 'cpu' || value === 'auto') return 'cpu';
  if (typeof value !== 'string') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `device must be a string, not ${show(value)}`);
  }
  if (/^cuda(:\d{1,3})?$/.test(value)) {
    throw ctcError(
      'ERR_CTC_DEVICE',
      `device '${value}' cannot be used: ${NO_CUDA}; use 'cpu', or 'auto' to take what there is`,
    );
  }
  const near = nearest(value, ['cpu', 'cuda', 'auto']);
  const hint = near === undefined ? '' : `; did you mean '${near}'?`;
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    `device is ${show(value)}; it must be 'cpu', 'cuda', 'cuda:N' or 'auto'${hint}`,
  );
}
