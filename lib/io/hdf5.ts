// HDF5 files through h5wasm: one dataset for the batch, or one of T x C for each utterance. The elements
// are fetched as they lie, in pieces, so that the library's memory stays small.

import type * as H5wasm from 'h5wasm/node';
import { importPackage } from '../here.cjs';
import type { TensorType } from '../tensor.js';
import { BatchSource, type RangedArray } from './batchSource.js';
import { chooseArray } from './container.js';
import { fileError, isCtcError, quote } from './file.js';
import { KeyIndex } from './keyIndex.js';
import { type Matrix, type MatrixFile, MatrixSource } from './matrixSource.js';
import { loadPackage } from './optional.js';
import type { PreadFile } from './pread.js';
import { type ArraySource, elementBytes, type SourceOptions } from './source.js';

type Module = Awaited<typeof H5wasm.ready>;

const pieceBytes = 2 ** 24;
// Deeper, or more, is a circle of links.
const maxDepth = 16;
const maxDatasets = 2 ** 22;

/** Throws `ERR_CTC_FILE`. */
export async function openHdf5(file: PreadFile, options: SourceOptions): Promise<ArraySource> {
  const { path } = file;
  file.close();
  const h5wasm = await loadPackage(path, 'h5wasm', 'HDF5', () =>
    importPackage<typeof import('h5wasm/node')>('h5wasm/node'),
  );
  const module = await h5wasm.ready;
  // Its errors are thrown instead of printed.
  module.activate_throwing_error_handler();
  const opened = guard(path, () => new h5wasm.File(path, 'r'));
  try {
    const datasets = new Hdf5File(path, module, opened, options);
    const chosen =
      options.array === undefined || datasets.below
        ? chooseArray(path, datasets, {})
        : chooseArray(path, datasets, options);
    if (chosen === undefined) return await MatrixSource.open(datasets);
    return new BatchSource({
      format: 'hdf5',
      path,
      array: datasets.array(chosen),
      layout: options.layout ?? 'TNC',
      warnings: datasets.warnings,
      close: async () => datasets.close(),
    });
  } catch (error) {
    close(opened);
    throw error;
  }
}

function close(file: H5wasm.File): void {
  if (crashed) return;
  try {
    file.close();
  } catch {
    // Some broken files cannot be closed either. Nothing of them is used any more.
  }
}

class Hdf5File implements MatrixFile {
  readonly format = 'hdf5';
  readonly paths: readonly string[];
  readonly ids = new KeyIndex();
  readonly keyed = true;
  readonly warnings: string[] = [];
  /** Whether `options.array` is a group, whose datasets are the utterances. */
  readonly below: boolean;
  readonly #module: Module;
  readonly #file: H5wasm.File;
  readonly #prefix: string;
  readonly #bfloat16: boolean;
  #closed = false;

  constructor(
    readonly path: string,
    module: Module,
    file: H5wasm.File,
    { array, bfloat16 = false }: SourceOptions,
  ) {
    this.paths = [path];
    this.#module = module;
    this.#file = file;
    this.#bfloat16 = bfloat16;
    const names = guard(path, () => listDatasets(path, file));
    const group = array === undefined ? commonGroup(names) : `${array.replace(/\/+$/, '')}/`;
    const inGroup = names.filter((name) => name.startsWith(group));
    this.below = array !== undefined && !names.includes(array) && inGroup.length > 0;
    const isGroup = array === undefined || this.below;
    this.#prefix = isGroup ? group : '';
    for (const name of isGroup ? inGroup : names) this.ids.add(name.slice(this.#prefix.length));
    if (this.ids.count === 0) throw fileError(path, 'has no dataset in it', 'Write it again');
  }

  shape(position: number): readonly number[] {
    return this.array(position).shape;
  }

  array(position: number): Hdf5Array {
    const name = this.#prefix + this.ids.at(position);
    const shown = `${this.path}: ${name}`;
    const metadata = guard(shown, () => {
      return this.#module.get_dataset_metadata(this.#file.file_id, name);
    });
    const { shape, size, type: kind, littleEndian, signed } = metadata;
    if (shape === null) throw fileError(shown, 'has no shape', 'Write it again');
    const isFloat = kind === this.#module.H5T_class_t.H5T_FLOAT.value;
    const isHalfWord = kind === this.#module.H5T_class_t.H5T_INTEGER.value && size === 2 && !signed;
    const type = isFloat ? floats.get(size) : this.#bfloat16 && isHalfWord ? 'bfloat16' : undefined;
    if (type === undefined) {
      throw fileError(
        shown,
        `holds elements of another kind (HDF5 class ${kind}, ${size} bytes); readable are float32, float64 and float16`,
        'Save it as floats, in Python: dataset.astype("f4")',
      );
    }
    if (!littleEndian) {
      throw fileError(shown, 'holds big-endian numbers', 'Save it in little-endian order ("<f4")');
    }
    return new Hdf5Array(this.#module, this.#file, name, shown, type, shape);
  }

  matrix(position: number): Matrix {
    const array = this.array(position);
    const { type, shape } = array;
    if (shape.length !== 2) {
      const name = `${this.path}: ${this.ids.at(position)}`;
      throw fileError(name, `has the shape (${shape.join(', ')}), not T x C`);
    }
    const [frames, classes] = shape as [number, number];
    return { type, frames, classes, fill: (view) => array.fill(view, 0, 0, frames) };
  }

  close(): void {
    if (!this.#closed) close(this.#file);
    this.#closed = true;
  }
}

const floats = new Map<number, TensorType>([
  [2, 'float16'],
  [4, 'float32'],
  [8, 'float64'],
]);

/** A dataset in C order, of which ranges are copied out of the library's memory. */
class Hdf5Array implements RangedArray {
  constructor(
    readonly module: Module,
    readonly file: H5wasm.File,
    readonly name: string,
    readonly shown: string,
    readonly type: TensorType,
    readonly shape: readonly number[],
  ) {}

  bytesFor(axis: number, count: number): number {
    const others = this.shape.reduce((product, n, i) => (i === axis ? product : product * n), 1);
    return others * count * elementBytes(this.type);
  }

  strides(axis: number, count: number): number[] {
    const strides = new Array<number>(this.shape.length);
    let stride = 1;
    for (let i = this.shape.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride *= i === axis ? count : this.shape[i]!;
    }
    return strides;
  }

  // A few of the first axis at a time.
  async fill(view: Uint8Array, axis: number, start: number, count: number): Promise<void> {
    const { shape, module } = this;
    if (view.length === 0) return;
    const from = shape.map((_, i) => (i === axis ? start : 0));
    const size = shape.map((n, i) => (i === axis ? count : n));
    const rowBytes = view.length / size[0]!;
    const rows = Math.max(1, Math.min(size[0]!, Math.floor(pieceBytes / rowBytes)));
    const pointer = module._malloc(rows * rowBytes);
    if (pointer === 0) {
      throw fileError(this.shown, `no memory for ${rows * rowBytes} bytes of it in h5wasm`);
    }
    try {
      for (let done = 0; done < size[0]!; done += rows) {
        const now = Math.min(rows, size[0]! - done);
        const counts = [now, ...size.slice(1)].map(BigInt);
        const offsets = [from[0]! + done, ...from.slice(1)].map(BigInt);
        const steps = shape.map(() => 1n);
        guard(this.shown, () => {
          const { file_id: id } = this.file;
          module.get_dataset_data(id, this.name, counts, offsets, steps, BigInt(pointer));
        });
        // The library's memory moves when it grows: looked up anew each time.
        view.set(module.HEAPU8.subarray(pointer, pointer + now * rowBytes), done * rowBytes);
      }
    } finally {
      if (!crashed) module._free(pointer);
    }
  }
}

/** The paths of all datasets. Links to other files are not followed. */
function listDatasets(path: string, file: H5wasm.File): string[] {
  const names: string[] = [];
  const pending: { group: H5wasm.Group; prefix: string; depth: number }[] = [
    { group: file, prefix: '', depth: 0 },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const key of next.group.keys()) {
      const name = next.prefix + key;
      const entity = next.group.get(key) as { type?: string } | null;
      if (entity?.type === 'Dataset') names.push(name);
      if (entity?.type !== 'Group') continue;
      const depth = next.depth + 1;
      if (depth > maxDepth) throw fileError(path, `has groups in groups beyond ${quote(name)}`);
      pending.push({ group: entity as unknown as H5wasm.Group, prefix: `${name}/`, depth });
    }
    if (names.length + pending.length > maxDatasets) throw fileError(path, 'has too many datasets');
  }
  return names.sort();
}

/** The group that holds everything, with its slash: it tells nothing in an id. */
function commonGroup(names: readonly string[]): string {
  if (names.length < 2) return '';
  const folders = names[0]!.split('/').slice(0, -1);
  while (folders.length > 0) {
    const prefix = `${folders.join('/')}/`;
    if (names.every((name) => name.startsWith(prefix))) return prefix;
    folders.pop();
  }
  return '';
}

// A file so broken that the library gave up; any further call into it could hang.
let crashed = false;

/** Whether no HDF5 file can be read in this process any more. */
export function hasCrashed(): boolean {
  return crashed;
}

/** Turns whatever the library throws into an `ERR_CTC_FILE`. */
function guard<R>(path: string, task: () => R): R {
  if (crashed) throw fileError(path, 'has crashed the HDF5 library', 'Write or download it again');
  try {
    return task();
  } catch (error) {
    crashed ||= (error as Error | null)?.name === 'RuntimeError';
    if (isCtcError(error)) throw error;
    const message = String((error as Error | null)?.message ?? error);
    // The library's stack of errors: the last one is the cause.
    const causes = [...message.matchAll(/in H5\w+\(\): (.*)/g)];
    const reason = causes.at(-1)?.[1] ?? message.split('\n', 1)[0];
    throw fileError(
      path,
      `cannot be read as HDF5 (${reason})`,
      'Write or download it again',
      error,
    );
  }
}
