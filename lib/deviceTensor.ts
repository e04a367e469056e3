/// <reference lib="esnext.disposable" />
import { inputForJob, plainView } from './buffers.js';
import { CPU, resolveDevice } from './device.js';
import type { DeviceHandle } from './deviceNative.js';
import { rangeError, show, typeError } from './errors.js';
import { Code, native, nativeError, outOfMemory } from './native.js';
import { checkOptions, choice, type Device, integer, type Layout } from './options.js';
import {
  type ResolvedTensor,
  resolveTensor,
  shapeOf,
  type TensorData,
  type TensorLike,
  type TensorType,
  typedArrayName,
} from './tensor.js';

/** Options of {@link DeviceTensor.upload}. */
export interface UploadOptions {
  /** The GPU. Default: `'cuda'`, the first one. */
  readonly device?: Exclude<Device, 'cpu'>;
}

const UPLOAD_KEYS: ReadonlySet<string> = new Set(['device']);
const NAMES = ['float32', 'float64', 'float16', 'bfloat16'] as const;

/** What a call needs of a DeviceTensor. */
export interface DeviceSource {
  readonly handle: DeviceHandle;
  readonly device: number;
  readonly shape: readonly number[];
  /** Whether elements lie without gaps, in the order of the shape. */
  readonly dense: boolean;
  /** The tensor under a layout; `data` is empty and only tells the class of arrays. */
  tensor(layout: Layout): ResolvedTensor;
}

let sourceOf: (value: DeviceTensor) => DeviceSource;

/** The inside of a DeviceTensor, undefined for anything else. */
export function deviceSource(value: unknown): DeviceSource | undefined {
  return value instanceof DeviceTensor ? sourceOf(value) : undefined;
}

/**
 * Model outputs, or a gradient, in the memory of a GPU: upload once, compute many times, read back.
 *
 * Give it to {@link ctcLoss} as the input, as the `gradient` to write into, or both; nothing but losses then
 * crosses the bus. {@link greedyDecode}, {@link forcedAlign} and {@link posteriors} take it as their input. The memory is freed by {@link dispose}, by `using`, or when the object is collected; a
 * running job keeps what it uses.
 */
export class DeviceTensor<D extends TensorData = TensorData> {
  /** [T, N, C] or [N, T, C], or [T, C], as it was uploaded. */
  readonly shape: readonly number[];
  /** Element type. */
  readonly type: TensorType;
  /** `'cuda:0'` */
  readonly device: string;
  /** Size in the GPU's memory. */
  readonly bytes: number;

  readonly #layouts: Record<Layout, ResolvedTensor>;
  readonly #number: number;
  readonly #dense: boolean;
  #handle: DeviceHandle | undefined;

  static {
    sourceOf = (tensor) => tensor.#source();
  }

  private constructor(layouts: Record<Layout, ResolvedTensor>, shape: number[], device: number) {
    const { span, size, dtype, bytesPerElement, data } = layouts.TNC;
    this.bytes = span * bytesPerElement;
    const handle = native().allocateDevice(device, this.bytes);
    if (typeof handle === 'number') throw nativeError(handle);
    this.#handle = handle;
    this.shape = Object.freeze(shape);
    this.type = NAMES[dtype];
    this.device = `cuda:${device}`;
    this.#number = device;
    this.#dense = span === size;
    const like = emptyLike(data);
    this.#layouts = {
      TNC: { ...layouts.TNC, data: like },
      NTC: { ...layouts.NTC, data: like },
    };
  }

  /**
   * Copies a tensor to a GPU, off the event loop. Memory that JavaScript could take away meanwhile is
   * copied first, as with `buffers: 'auto'`.
   *
   * @throws (as rejections) As {@link ctcLoss} for the tensor; CtcError `ERR_CTC_DEVICE`, `ERR_CTC_OUT_OF_MEMORY`.
   */
  static async upload<D extends TensorData>(
    input: TensorLike<D>,
    options?: UploadOptions,
  ): Promise<DeviceTensor<D>> {
    const [tensor, source] = DeviceTensor.#make(input, options);
    const from = inputForJob(source, 'auto', undefined);
    const bytes = bytesOf(source);
    try {
      await settled(native().upload(tensor.#source().handle, from.copy ? copyOf(bytes) : bytes));
      return tensor;
    } catch (error) {
      tensor.dispose();
      throw error;
    }
  }

  /** As {@link upload}; returns when it is done. */
  static uploadSync<D extends TensorData>(
    input: TensorLike<D>,
    options?: UploadOptions,
  ): DeviceTensor<D> {
    const [tensor, source] = DeviceTensor.#make(input, options);
    try {
      check(native().uploadSync(tensor.#source().handle, bytesOf(source)));
      return tensor;
    } catch (error) {
      tensor.dispose();
      throw error;
    }
  }

  /** A tensor of the same shape, type and device without gaps, to write a gradient into. Contents: undefined. */
  static like<D extends TensorData>(other: DeviceTensor<D>): DeviceTensor<D> {
    if (!(other instanceof DeviceTensor)) {
      throw typeError('ERR_CTC_INVALID_ARG_TYPE', `a DeviceTensor is expected, not ${show(other)}`);
    }
    const of = other.#source();
    const layouts = { TNC: dense(of.tensor('TNC')), NTC: dense(of.tensor('NTC')) };
    return new DeviceTensor<D>(layouts, [...other.shape], of.device);
  }

  static #make<D extends TensorData>(
    input: TensorLike<D>,
    given: UploadOptions | undefined,
  ): [DeviceTensor<D>, ResolvedTensor] {
    const options = checkOptions(given, UPLOAD_KEYS);
    const device = resolveDevice(options.device ?? 'cuda', true);
    if (device === CPU) {
      throw rangeError(
        'ERR_CTC_INVALID_ARG_VALUE',
        `device is ${show(options.device)}, which is the CPU here; a DeviceTensor needs a GPU`,
      );
    }
    const layouts = { TNC: resolveTensor(input, 'TNC'), NTC: resolveTensor(input, 'NTC') };
    return [new DeviceTensor<D>(layouts, shapeOf(input, 'input'), device), layouts.TNC];
  }

  /** Copies the elements to the host, as an array of the class that was uploaded, off the event loop. */
  async read(): Promise<D> {
    const array = this.#array();
    await settled(native().download(this.#source().handle, plainView(array)));
    return array;
  }

  /** As {@link read}; returns when it is done. */
  readSync(): D {
    const array = this.#array();
    check(native().downloadSync(this.#source().handle, plainView(array)));
    return array;
  }

  /** Frees the memory. Calling it again does nothing; any other use is an error from then on. */
  dispose(): void {
    if (this.#handle !== undefined) native().releaseDevice(this.#handle);
    this.#handle = undefined;
  }

  /** For `using`: as {@link dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #source(): DeviceSource {
    if (this.#handle === undefined) {
      throw rangeError('ERR_CTC_BUFFER', 'the DeviceTensor was disposed');
    }
    return {
      handle: this.#handle,
      device: this.#number,
      shape: this.shape,
      dense: this.#dense,
      tensor: (layout) => this.#layouts[layout],
    };
  }

  #array(): D & { length: number } {
    const { data, span } = this.#layouts.TNC;
    const Class = data.constructor as new (length: number) => D & { length: number };
    const perByte = typedArrayName(data) === 'Uint8Array';
    try {
      return new Class(perByte ? this.bytes : span);
    } catch (cause) {
      throw outOfMemory(cause);
    }
  }
}

const PINNED_TYPES: readonly TensorType[] = ['float32', 'float64', 'float16', 'bfloat16'];
const MOST_ELEMENTS = 2 ** 40;

/**
 * An array in page-locked memory, which a GPU reads and writes by itself: no staging copy for an input or
 * gradient in it, with `buffers: 'borrow'` or a synchronous call. 16-bit types give a `Uint16Array`.
 * Page-locked memory is scarce and slow to get: make few arrays and keep them.
 *
 * @param type - `'float32'`, `'float64'`, `'float16'` or `'bfloat16'`.
 * @param length - Elements; they start as 0.
 * @throws CtcError `ERR_CTC_DEVICE` without a usable GPU, or where the engine takes no outside memory
 * (Electron); `ERR_CTC_OUT_OF_MEMORY`.
 */
export function pinnedArray(type: 'float32', length: number): Float32Array;
export function pinnedArray(type: 'float64', length: number): Float64Array;
export function pinnedArray(type: 'float16' | 'bfloat16', length: number): Uint16Array;
export function pinnedArray(
  type: TensorType,
  length: number,
): Float32Array | Float64Array | Uint16Array {
  const kind = choice(type, 'type', PINNED_TYPES, 'float32');
  const count = integer(length, 'length', 0, MOST_ELEMENTS, 0);
  resolveDevice('cuda', true);
  const size = kind === 'float64' ? 8 : kind === 'float32' ? 4 : 2;
  const buffer = native().allocatePinned(count * size);
  if (typeof buffer === 'number') throw nativeError(buffer);
  if (kind === 'float32') return new Float32Array(buffer);
  return kind === 'float64' ? new Float64Array(buffer) : new Uint16Array(buffer);
}

function check(code: number): void {
  if (code !== Code.ok) throw nativeError(code);
}

async function settled(code: number | Promise<number>): Promise<void> {
  check(await code);
}

/** The bytes that a tensor spans. */
function bytesOf({ data, span, bytesPerElement }: ResolvedTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, span * bytesPerElement);
}

function copyOf(bytes: Uint8Array): Uint8Array {
  try {
    return bytes.slice();
  } catch (cause) {
    throw outOfMemory(cause);
  }
}

/** An empty array of the same class, Node's Buffer counted as a Uint8Array. */
function emptyLike(data: TensorData): TensorData {
  if (typedArrayName(data) === 'Uint8Array') return new Uint8Array(0);
  return new (data.constructor as new (length: number) => TensorData)(0);
}

function dense(tensor: ResolvedTensor): ResolvedTensor {
  const { frames, utterances, classes, size, layout } = tensor;
  const timeMajor = layout === 'TNC';
  return {
    ...tensor,
    frameStride: timeMajor ? utterances * classes : classes,
    utteranceStride: timeMajor ? classes : frames * classes,
    classStride: 1,
    span: size,
  };
}
