import { isSharedArrayBuffer } from 'node:util/types';
import { rangeError, show, typeError } from './errors.js';
import type { GradientArray } from './lossOptions.js';
import { outOfMemory, overlap } from './native.js';
import type { Buffers } from './options.js';
import {
  checkAttached,
  DType,
  type Float16View,
  type ResolvedTensor,
  type TensorData,
  typedArrayName,
} from './tensor.js';

/** Node 20 has resizable buffers, TypeScript's es2023 library does not. */
type AnyBuffer = ArrayBufferLike & { readonly resizable?: boolean };

/** The input of a job that runs while JavaScript goes on. */
export interface JobInput {
  /** What the native side reads. */
  readonly data: ArrayBufferView;
  /** Whether it must copy it before the call returns. */
  readonly copy: boolean;
  /** For 'transfer': what the caller gets back. */
  readonly handBack: TensorData | undefined;
}

/**
 * Applies the buffer rules to an input.
 *
 * A buffer that JavaScript can detach or shrink must not be read from another thread: that is a
 * segmentation fault, not an exception. SharedArrayBuffers can be neither, so they are always read
 * in place.
 */
export function inputForJob(
  tensor: ResolvedTensor,
  buffers: Buffers,
  output: ArrayBufferView | undefined,
): JobInput {
  const data = tensor.data;
  const buffer = data.buffer as AnyBuffer;
  const shared = isSharedArrayBuffer(buffer);
  const handBack = buffers === 'transfer' ? data : undefined;
  if (shared) return { data: plainView(data), copy: false, handBack };
  if (buffers === 'borrow') {
    if (buffer.resizable === true) throw resizable('input.data');
    return { data: plainView(data), copy: false, handBack };
  }
  if (buffers === 'transfer' && output?.buffer !== buffer) {
    const moved = takeOver(data);
    if (moved !== undefined) return { data: plainView(moved), copy: false, handBack: moved };
  }
  return { data: plainView(data), copy: true, handBack };
}

/**
 * Moves the memory of `data` to a buffer that the caller cannot reach, without a copy; undefined
 * when that cannot be done, in which case `data` is as before.
 */
function takeOver(data: TensorData): TensorData | undefined {
  const buffer = data.buffer as AnyBuffer;
  const whole = data.byteOffset === 0 && data.byteLength === buffer.byteLength;
  // A part of a buffer stays: moving it would take away the caller's other views as well.
  if (!whole || data.byteLength === 0 || buffer.resizable === true) return undefined;
  let moved: ArrayBuffer;
  try {
    moved = structuredClone(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] });
  } catch {
    return undefined;
  }
  // Memory that was marked as untransferable is cloned without an error.
  if (data.byteLength !== 0) return undefined;
  return viewAs(data, moved);
}

/** All of `buffer`, as an array of the class of `like`. */
function viewAs(like: TensorData, buffer: ArrayBuffer): TensorData {
  switch (typedArrayName(like)) {
    case 'Float32Array':
      return new Float32Array(buffer);
    case 'Float64Array':
      return new Float64Array(buffer);
    case 'Uint16Array':
      return new Uint16Array(buffer);
    case 'Float16Array':
      return new (float16Array())(buffer);
    default:
      return Buffer.isBuffer(like) ? Buffer.from(buffer) : new Uint8Array(buffer);
  }
}

type Float16Constructor = new (source: ArrayBuffer | number) => Float16View;

// Only called where an array of that class was given, so it exists.
function float16Array(): Float16Constructor {
  return (globalThis as unknown as { Float16Array: Float16Constructor }).Float16Array;
}

/** Where a gradient goes. */
export interface Output {
  /** What the caller gets. */
  readonly array: GradientArray;
  /** False when it was allocated here, out of the caller's reach until the call has ended. */
  readonly supplied: boolean;
}

/** Checks or allocates the array for the gradient. */
export function resolveGradient(value: unknown, tensor: ResolvedTensor): Output | undefined {
  if (value === false) return undefined;
  if (value === undefined || value === true) {
    return { array: allocate(tensor), supplied: false };
  }
  const name = typedArrayName(value);
  if (!fits(name, tensor.dtype)) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `gradient must be true, false or ${CLASSES[tensor.dtype]} as the input is ` +
        `${NAMES[tensor.dtype]}, not ${show(value)}`,
    );
  }
  const array = value as GradientArray;
  if (array.length === 0) checkAttached(array, 'gradient');
  if (array.length < tensor.size) {
    throw rangeError(
      'ERR_CTC_BUFFER',
      `gradient has ${array.length} elements; the input's shape needs ${tensor.size}`,
    );
  }
  if (overlaps(array, tensor.size * tensor.bytesPerElement, tensor)) throw overlap();
  return { array, supplied: true };
}

/** What a job writes to. */
export interface JobOutput {
  readonly data: ArrayBufferView | undefined;
  /** Whether it must write elsewhere and copy at the end, when `data` may have gone. */
  readonly private: boolean;
}

/** Applies the buffer rules to an output. */
export function outputForJob(output: Output | undefined, buffers: Buffers): JobOutput {
  if (output === undefined) return { data: undefined, private: false };
  const buffer = output.array.buffer as AnyBuffer;
  const data = plainView(output.array);
  if (!output.supplied || isSharedArrayBuffer(buffer)) return { data, private: false };
  if (buffers !== 'borrow') return { data, private: true };
  if (buffer.resizable === true) throw resizable('gradient');
  return { data, private: false };
}

/** The same memory under a class that Node-API of every supported version knows. */
export function plainView(data: ArrayBufferView & { length: number }): ArrayBufferView {
  if (typedArrayName(data) !== 'Float16Array') return data;
  return new Uint16Array(data.buffer, data.byteOffset, data.length);
}

function allocate(tensor: ResolvedTensor): GradientArray {
  try {
    switch (tensor.dtype) {
      case DType.float32:
        return new Float32Array(tensor.size);
      case DType.float64:
        return new Float64Array(tensor.size);
      default:
        return typedArrayName(tensor.data) === 'Float16Array'
          ? new (float16Array())(tensor.size)
          : new Uint16Array(tensor.size);
    }
  } catch (cause) {
    throw outOfMemory(cause);
  }
}

const NAMES = ['float32', 'float64', 'float16', 'bfloat16'] as const;
const CLASSES = ['a Float32Array', 'a Float64Array', 'a Uint16Array', 'a Uint16Array'] as const;

function fits(name: string | undefined, dtype: DType): boolean {
  switch (dtype) {
    case DType.float32:
      return name === 'Float32Array';
    case DType.float64:
      return name === 'Float64Array';
    case DType.float16:
      return name === 'Uint16Array' || name === 'Float16Array';
    default:
      return name === 'Uint16Array';
  }
}

function overlaps(output: ArrayBufferView, bytes: number, tensor: ResolvedTensor): boolean {
  const data = tensor.data;
  if (output.buffer !== data.buffer || bytes === 0) return false;
  const end = data.byteOffset + tensor.span * tensor.bytesPerElement;
  return output.byteOffset < end && data.byteOffset < output.byteOffset + bytes;
}

function resizable(name: string): Error {
  return rangeError(
    'ERR_CTC_BUFFER',
    `${name} lies in a resizable ArrayBuffer, which buffers: 'borrow' cannot use safely; 'auto' can`,
  );
}
