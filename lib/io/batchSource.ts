// One array that holds all utterances of a batch, T x N x C or N x T x C, or T x C for one utterance.

import type { Layout } from '../options.js';
import type { TensorType } from '../tensor.js';
import { fileError } from './file.js';
import type { LocatedArray } from './located.js';
import {
  type ArraySource,
  type ReadBuffer,
  type SourceBatch,
  type SourceFormat,
  viewElements,
} from './source.js';

/** An array of two or three axes of which ranges of one axis can be read. */
export interface RangedArray {
  readonly type: TensorType;
  readonly shape: readonly number[];
  bytesFor(axis: number, count: number): number;
  strides(axis: number, count: number): number[];
  fill(view: Uint8Array, axis: number, start: number, count: number): Promise<void>;
}

export interface BatchSourceParts {
  format: SourceFormat;
  path: string;
  array: RangedArray | LocatedArray;
  layout: Layout;
  warnings: string[];
  close: () => Promise<void>;
}

export class BatchSource implements ArraySource {
  readonly format: SourceFormat;
  readonly paths: readonly string[];
  readonly count: number;
  readonly classes: number;
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly keyed = false;
  readonly warnings: readonly string[];
  readonly #array: RangedArray;
  readonly #frames: number;
  /** Where T, N and C are in the array's shape; a single utterance has no N. */
  readonly #axes: { frames: number; utterances: number | undefined; classes: number };
  readonly #close: () => Promise<void>;

  /** Throws `ERR_CTC_FILE` for other than two or three axes, or no classes. */
  constructor({ format, path, array, layout, warnings, close }: BatchSourceParts) {
    const { shape } = array;
    if (shape.length !== 2 && shape.length !== 3) {
      throw fileError(
        path,
        `has the shape (${shape.join(', ')})`,
        'Model outputs have three, T x N x C or N x T x C, or for one utterance T x C',
      );
    }
    this.#axes =
      shape.length === 2
        ? { frames: 0, utterances: undefined, classes: 1 }
        : layout === 'TNC'
          ? { frames: 0, utterances: 1, classes: 2 }
          : { frames: 1, utterances: 0, classes: 2 };
    this.format = format;
    this.paths = [path];
    this.#array = array;
    this.type = array.type;
    this.shape = shape;
    this.classes = shape.at(-1)!;
    this.#frames = shape[this.#axes.frames]!;
    this.count = this.#axes.utterances === undefined ? 1 : shape[this.#axes.utterances]!;
    this.warnings = warnings;
    this.#close = close;
    if (this.classes === 0) {
      throw fileError(path, `has no classes: its shape is (${shape.join(', ')})`, 'Save it again');
    }
  }

  id(): undefined {
    return undefined;
  }

  find(): undefined {
    return undefined;
  }

  frames(): number {
    return this.#frames;
  }

  async read(positions: readonly number[], buffer: ReadBuffer): Promise<SourceBatch> {
    const { utterances } = this.#axes;
    const start = positions[0]!;
    let count = 1;
    // The range of utterances, or all frames of the only one.
    let [axis, from, size] = [this.#axes.frames, 0, this.#frames];
    if (utterances !== undefined) {
      const each = this.#array.bytesFor(utterances, 1);
      const most = Math.max(1, Math.floor(buffer.limit / Math.max(1, each)));
      while (count < most && positions[count] === start + count) count += 1;
      [axis, from, size] = [utterances, start, count];
    }
    const bytes = this.#array.bytesFor(axis, size);
    const memory = buffer.reserve(bytes);
    await this.#array.fill(new Uint8Array(memory, 0, bytes), axis, from, size);
    const strides = this.#array.strides(axis, size);
    return {
      data: viewElements(memory, this.type, bytes),
      type: this.type,
      shape: [this.#frames, count, this.classes],
      strides: [
        strides[this.#axes.frames]!,
        utterances === undefined ? 0 : strides[utterances]!,
        strides[this.#axes.classes]!,
      ],
      frames: new Array<number>(count).fill(this.#frames),
      faults: new Array<undefined>(count).fill(undefined),
    };
  }

  close(): Promise<void> {
    return this.#close();
  }
}
