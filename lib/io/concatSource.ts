// Several files, one after the other, as one source.

import type { TensorType } from '../tensor.js';
import { fileError } from './file.js';
import type { ArraySource, ReadBuffer, SourceBatch, SourceFormat } from './source.js';

export class ConcatSource implements ArraySource {
  readonly format: SourceFormat;
  readonly paths: readonly string[];
  readonly count: number;
  readonly classes: number;
  readonly type: TensorType;
  readonly shape = undefined;
  readonly keyed: boolean;
  readonly warnings: readonly string[];
  readonly #sources: readonly ArraySource[];
  /** The position of the first utterance of each source, and the count of all. */
  readonly #starts: readonly number[];

  /** Throws `ERR_CTC_FILE` for files of different models. */
  constructor(sources: readonly ArraySource[]) {
    const first = sources.find(({ count }) => count > 0) ?? sources[0]!;
    for (const { paths, count, classes, type, keyed } of sources) {
      if (count === 0) continue;
      if (classes !== first.classes || type !== first.type) {
        throw fileError(
          paths[0]!,
          `has ${classes} classes of ${type} and ${first.paths[0]} ${first.classes} of ${first.type}`,
          'Give the outputs of one model at a time',
        );
      }
      if (keyed !== first.keyed) {
        const [named, nameless] = keyed ? [paths[0], first.paths[0]] : [first.paths[0], paths[0]];
        throw fileError(
          paths[0]!,
          `does not go together: ${named} has ids and ${nameless} has none`,
          'Give them one at a time',
        );
      }
    }
    this.#sources = sources;
    const starts = [0];
    for (const { count } of sources) starts.push(starts.at(-1)! + count);
    this.#starts = starts;
    this.count = starts.at(-1)!;
    this.format = first.format;
    this.paths = sources.flatMap(({ paths }) => paths);
    this.classes = first.classes;
    this.type = first.type;
    this.keyed = first.keyed;
    this.warnings = sources.flatMap(({ warnings }) => warnings);
  }

  id(position: number): string | undefined {
    const i = this.#sourceOf(position);
    return this.#sources[i]!.id(position - this.#starts[i]!);
  }

  find(id: string): number | undefined {
    for (const [i, source] of this.#sources.entries()) {
      const found = source.find(id);
      if (found !== undefined) return this.#starts[i]! + found;
    }
    return undefined;
  }

  frames(position: number): number | undefined {
    const i = this.#sourceOf(position);
    return this.#sources[i]!.frames(position - this.#starts[i]!);
  }

  read(
    positions: readonly number[],
    buffer: ReadBuffer,
    signal?: AbortSignal,
  ): Promise<SourceBatch> {
    const i = this.#sourceOf(positions[0]!);
    const [start, end] = [this.#starts[i]!, this.#starts[i + 1]!];
    const other = positions.findIndex((position) => position < start || position >= end);
    const own = other < 0 ? positions : positions.slice(0, other);
    return this.#sources[i]!.read(
      own.map((position) => position - start),
      buffer,
      signal,
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()));
  }

  #sourceOf(position: number): number {
    let [low, high] = [0, this.#sources.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
