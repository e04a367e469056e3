import { rangeError, show, typeError } from './errors.js';
import type { Layout } from './options.js';
import { checkTensorKeys } from './tensorKeys.js';

/** Names of the element types, as onnxruntime spells them. */
export type TensorType = 'float32' | 'float64' | 'float16' | 'bfloat16';

/** `Float16Array`, in the versions of Node that have it. */
export interface Float16View extends ArrayBufferView {
  /** Number of elements. */
  readonly length: number;
  /** What tells the class from others, also across realms. */
  readonly [Symbol.toStringTag]: 'Float16Array';
}

/** Arrays that model outputs can lie in. `Uint8Array` (Node's Buffer) and `Uint16Array` need `type`. */
export type TensorData = Float32Array | Float64Array | Float16View | Uint16Array | Uint8Array;

/**
 * Model outputs: any object with `data` and `shape` (or `dims`). An onnxruntime `Tensor` is one. An object literal may
 * have no other keys than these.
 *
 * `shape` is [T, N, C] (or [N, T, C] with `layout: 'NTC'`), or [T, C] for one utterance: T frames,
 * N utterances, C classes, the blank included.
 */
export interface TensorLike<D extends TensorData = TensorData> {
  /** The numbers; read where they lie. */
  readonly data: D;
  /** [T, N, C], [N, T, C] or [T, C]. */
  readonly shape?: readonly number[];
  /** The same as `shape`, as onnxruntime calls it. */
  readonly dims?: readonly number[];
  /**
   * Element type. Needed where `data` does not tell: `'float16'` or `'bfloat16'` for a `Uint16Array`,
   * any type for a `Uint8Array` or Buffer.
   */
  readonly type?: string;
  /** Distance, in elements, between neighbours along each dimension. Default: dense, C order. */
  readonly strides?: readonly number[];
}

/** Element types as the core numbers them. */
export const DType = { float32: 0, float64: 1, float16: 2, bfloat16: 3 } as const;
export type DType = (typeof DType)[keyof typeof DType];

/** A checked tensor. Shape and strides are snapshots: later changes by the caller do not matter. */
export interface ResolvedTensor {
  readonly data: TensorData;
  readonly dtype: DType;
  readonly bytesPerElement: number;
  readonly frames: number;
  readonly utterances: number;
  readonly classes: number;
  /** Strides in elements; element (0, 0, 0) is the first of `data`. */
  readonly frameStride: number;
  readonly utteranceStride: number;
  readonly classStride: number;
  /** Elements from the first of `data` to the last one that the tensor uses; 0 when it is empty. */
  readonly span: number;
  /** Number of elements, T * N * C: what a dense output of the same shape needs. */
  readonly size: number;
  readonly layout: Layout;
  /** False for a [T, C] tensor, which takes one target instead of a batch of them. */
  readonly batched: boolean;
}

// Labels are 32-bit in the core, and no dimension of a real batch comes near this.
const LARGEST_DIMENSION = 0x7fffffff;

const tagOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined;

/**
 * Name of a typed array's class, undefined for anything else. Unlike `instanceof` it also knows arrays
 * of another realm (vm contexts, Jest), and cannot be fooled by an object that poses as one.
 */
export function typedArrayName(value: unknown): string | undefined {
  return tagOf.call(value);
}

/**
 * Checks `value` and finds sizes, strides and element type. Nothing is copied.
 *
 * @param name - How messages call the argument.
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`, `ERR_CTC_UNKNOWN_OPTION`; RangeError `ERR_CTC_INVALID_SHAPE`, `ERR_CTC_BUFFER`.
 */
export function resolveTensor(value: unknown, layout: Layout, name = 'input'): ResolvedTensor {
  if (typeof value !== 'object' || value === null) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} must be an object with data and shape, not ${show(value)}`,
    );
  }
  checkTensorKeys(value, name);
  const tensor = value as TensorLike;
  const data = tensor.data;
  const strides = tensor.strides;
  const dtype = elementType(data, tensor.type, name);
  const bytesPerElement = dtype === DType.float64 ? 8 : dtype === DType.float32 ? 4 : 2;
  if (data.byteLength === 0) checkAttached(data, `${name}.data`);
  if (data.byteOffset % bytesPerElement !== 0) {
    throw rangeError(
      'ERR_CTC_BUFFER',
      `${name}.data starts at byte ${data.byteOffset} of its buffer, which is no multiple of ` +
        `${bytesPerElement}: copy it to an aligned place first, for example with Uint8Array.from()`,
    );
  }

  const shape = shapeOf(tensor, name);
  const batched = shape.length === 3;
  if (!batched && shape.length !== 2) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      `${name}.shape has ${shape.length} dimensions; it must be [T, N, C], ` +
        `[N, T, C] with layout: 'NTC', or [T, C]`,
    );
  }
  const timeAxis = batched && layout === 'NTC' ? 1 : 0;
  const frames = shape[timeAxis] as number;
  const utterances = batched ? (shape[1 - timeAxis] as number) : 1;
  const classes = shape[shape.length - 1] as number;
  if (classes === 0) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      `${name}.shape is [${shape.join(', ')}]; there must be at least one class`,
    );
  }
  const size = sizeOf(shape, name);
  const length = Math.floor(data.byteLength / bytesPerElement);

  let frameStride: number;
  let utteranceStride: number;
  let classStride = 1;
  let span: number;
  if (strides === undefined) {
    frameStride = timeAxis === 0 && batched ? utterances * classes : classes;
    utteranceStride = timeAxis === 1 ? frames * classes : classes;
    span = size;
    if (length !== size || length * bytesPerElement !== data.byteLength) {
      throw rangeError(
        'ERR_CTC_INVALID_SHAPE',
        `${name}.data has ${length} elements; shape [${shape.join(', ')}] needs ${size}`,
      );
    }
  } else {
    // NumPy and others leave anything in the stride of a dimension of one.
    const steps = stridesOf(strides, shape.length, name).map((step, i) =>
      (shape[i] as number) > 1 ? step : 1,
    );
    frameStride = steps[timeAxis] as number;
    utteranceStride = batched ? (steps[1 - timeAxis] as number) : 0;
    classStride = steps[shape.length - 1] as number;
    span = size === 0 ? 0 : spanOf(shape, steps, length, name);
  }
  return {
    data,
    dtype,
    bytesPerElement,
    frames,
    utterances,
    classes,
    frameStride,
    utteranceStride,
    classStride,
    span,
    size,
    layout: timeAxis === 1 ? 'NTC' : 'TNC',
    batched,
  };
}

function elementType(data: unknown, type: unknown, name: string): DType {
  switch (tagOf.call(data)) {
    case 'Float32Array':
      if (type === undefined || type === 'float32') return DType.float32;
      break;
    case 'Float64Array':
      if (type === undefined || type === 'float64') return DType.float64;
      break;
    case 'Float16Array':
      if (type === undefined || type === 'float16') return DType.float16;
      break;
    case 'Uint16Array':
      if (type === 'float16') return DType.float16;
      if (type === 'bfloat16') return DType.bfloat16;
      if (type === undefined) {
        throw typeError(
          'ERR_CTC_INVALID_ARG_TYPE',
          `${name}.data is a Uint16Array: say type: 'float16' or 'bfloat16'`,
        );
      }
      break;
    case 'Uint8Array':
      if (type === 'float32') return DType.float32;
      if (type === 'float64') return DType.float64;
      if (type === 'float16') return DType.float16;
      if (type === 'bfloat16') return DType.bfloat16;
      if (type === undefined) {
        throw typeError(
          'ERR_CTC_INVALID_ARG_TYPE',
          `${name}.data holds bytes: say type: 'float32', 'float64', 'float16' or 'bfloat16'`,
        );
      }
      break;
    default:
      throw typeError(
        'ERR_CTC_INVALID_ARG_TYPE',
        `${name}.data must be a Float32Array, Float64Array, Float16Array, or a Uint16Array or ` +
          `Buffer with type, not ${show(data)}`,
      );
  }
  const given = typeof type === 'string' ? type.slice(0, 40) : show(type);
  throw typeError(
    'ERR_CTC_INVALID_ARG_TYPE',
    `${name}.type is ${given}, which a ${tagOf.call(data)} cannot hold`,
  );
}

/** A private copy of `shape` or `dims`. */
export function shapeOf(tensor: { shape?: unknown; dims?: unknown }, name: string): number[] {
  const given = tensor.shape;
  const dims = tensor.dims;
  const field = given === undefined ? 'dims' : 'shape';
  const source = given === undefined ? dims : given;
  if (source === undefined) {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${name} must have a shape (or dims)`);
  }
  const shape = integers(source, `${name}.${field}`);
  for (let i = 0; i < shape.length; i++) {
    const extent = shape[i] as number;
    if (!(extent >= 0 && extent <= LARGEST_DIMENSION)) {
      throw rangeError(
        'ERR_CTC_INVALID_SHAPE',
        `${name}.${field}[${i}] is ${extent}; it must be from 0 to ${LARGEST_DIMENSION}`,
      );
    }
  }
  if (given !== undefined && dims !== undefined && given !== dims) {
    const other = integers(dims, `${name}.dims`);
    if (other.length !== shape.length || other.some((extent, i) => extent !== shape[i])) {
      throw rangeError(
        'ERR_CTC_INVALID_SHAPE',
        `${name}.shape is [${shape.join(', ')}] but ${name}.dims is [${other.join(', ')}]`,
      );
    }
  }
  return shape;
}

/** A private copy of a list of strides, one for each dimension. */
export function stridesOf(strides: unknown, rank: number, name: string): number[] {
  const steps = integers(strides, `${name}.strides`);
  if (steps.length !== rank) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      `${name}.strides has ${steps.length} entries; the shape has ${rank}`,
    );
  }
  return steps;
}

/** Product of a shape. Refuses what a double cannot count, zeros left out as in NumPy. */
export function sizeOf(shape: readonly number[], name: string): number {
  let size = 1;
  let nonzero = 1;
  for (let i = 0; i < shape.length; i++) {
    const extent = shape[i] as number;
    size *= extent;
    if (extent > 0) nonzero *= extent;
  }
  if (nonzero > Number.MAX_SAFE_INTEGER) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      `${name}.shape [${shape.join(', ')}] has more elements than can be counted`,
    );
  }
  return size;
}

/** Elements spanned by a strided tensor that is not empty, all of which must lie in `length`. */
export function spanOf(
  shape: readonly number[],
  strides: readonly number[],
  length: number,
  name: string,
): number {
  let last = 0;
  for (let i = 0; i < shape.length; i++) {
    const extent = shape[i] as number;
    const stride = strides[i] as number;
    if (stride < 0 && extent > 1) {
      throw rangeError(
        'ERR_CTC_INVALID_SHAPE',
        `${name}.strides[${i}] is ${stride}, which leads to before the start of the data`,
      );
    }
    if (extent > 1) last += (extent - 1) * stride;
  }
  if (!(last < length)) {
    throw rangeError(
      'ERR_CTC_INVALID_SHAPE',
      `${name}.data has ${length} elements; shape [${shape.join(', ')}] with strides ` +
        `[${strides.join(', ')}] needs ${last + 1}`,
    );
  }
  return last + 1;
}

function integers(value: unknown, name: string): number[] {
  // onnxruntime gives arrays, ndarray libraries typed arrays.
  if (!Array.isArray(value) && tagOf.call(value) === undefined) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} must be an array of integers, not ${show(value)}`,
    );
  }
  const source = value as ArrayLike<unknown>;
  const count = source.length;
  if (count > 8) {
    throw rangeError('ERR_CTC_INVALID_SHAPE', `${name} has ${count} entries`);
  }
  // A list that grows would take room for 17 at its first entry.
  const copy = new Array<number>(count);
  for (let i = 0; i < count; i++) {
    const entry = source[i];
    const number = typeof entry === 'bigint' ? Number(entry) : entry;
    if (typeof number !== 'number') {
      throw typeError(
        'ERR_CTC_INVALID_ARG_TYPE',
        `${name}[${i}] must be an integer, not ${show(entry)}`,
      );
    }
    if (!Number.isSafeInteger(number)) {
      throw rangeError('ERR_CTC_INVALID_SHAPE', `${name}[${i}] is ${number}, not an integer`);
    }
    copy[i] = number;
  }
  return copy;
}

/** Refuses a view whose memory has been transferred away; its length reads as 0. */
export function checkAttached(view: ArrayBufferView, name: string): void {
  try {
    // The only test for it that Node 20 has, and it allocates nothing.
    new Uint8Array(view.buffer, 0, 0);
  } catch {
    throw rangeError('ERR_CTC_BUFFER', `${name} is detached: its memory was transferred elsewhere`);
  }
}
