import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { packageRoot } from './here.cjs';
import { native, nativePath } from './native.js';

/** Memory on a device, owned by the native side. */
export type DeviceHandle = { readonly deviceHandle: unique symbol };

/** What native/binding/device.cpp adds to the addon; told in native/binding/device.h. */
export interface DeviceAddon {
  openBackend(path: string): string | undefined;
  backendDevices(): string | [name: string, reason: string, bytes: number, capability: string][];
  backendErrorText(code: number): string;
  allocateDevice(device: number, bytes: number): DeviceHandle | number;
  releaseDevice(handle: DeviceHandle): void;
  uploadSync(handle: DeviceHandle, array: ArrayBufferView): number;
  downloadSync(handle: DeviceHandle, array: ArrayBufferView): number;
  upload(handle: DeviceHandle, array: ArrayBufferView): number | Promise<number>;
  download(handle: DeviceHandle, array: ArrayBufferView): number | Promise<number>;
  allocatePinned(bytes: number): ArrayBuffer | number;
}

/** The environment variable that names the CUDA backend's library. */
export const CUDA_VARIABLE = 'NODE_CTC_CUDA';

/** A GPU as the backend describes it. */
export interface CudaDevice {
  readonly name: string;
  /** Why it cannot be used; empty when it can. */
  readonly reason: string;
  readonly bytes: number;
  readonly capability: string;
}

/** The GPUs that the driver shows, or why there are none. */
export function cudaDevices(): readonly CudaDevice[] | string {
  const library = cudaLibrary();
  if (!existsSync(library)) return missing(library);
  const problem = native().openBackend(library);
  if (problem !== undefined) return problem;
  const found = native().backendDevices();
  if (typeof found === 'string') return found;
  return found.map(([name, reason, bytes, capability]) => ({ name, reason, bytes, capability }));
}

function cudaLibrary(): string {
  const named = process.env[CUDA_VARIABLE];
  if (named) return resolve(named);
  const name = process.platform === 'win32' ? 'ctc_cuda.dll' : 'libctc_cuda.so';
  const beside = join(dirname(nativePath()), name);
  if (existsSync(beside)) return beside;
  // Where `npm run build:cuda` puts it, also when the addon is a prebuilt one.
  return join(packageRoot, 'build', 'Release', name);
}

function missing(library: string): string {
  if (process.env[CUDA_VARIABLE]) return `${CUDA_VARIABLE} names ${library}, which is not there`;
  if (process.platform === 'darwin') return 'there is no CUDA for macOS';
  return (
    `its library is not built: ${library} is not there; ` +
    '`npm run build:cuda` makes it (needs nvcc 12 or 13 and CMake)'
  );
}
