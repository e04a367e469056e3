// One array of T x C for each utterance, whatever the format: packed side by side at the pitch of the
// longest one of a batch.

import type { TensorType } from '../tensor.js';
import { fileError, isCtcError } from './file.js';
import { findId, type KeyIndex } from './keyIndex.js';
import {
  type ArraySource,
  elementBytes,
  type ReadBuffer,
  type SourceBatch,
  type SourceFormat,
  viewElements,
} from './source.js';

/** An utterance that has been found and checked, but not read. */
export interface Matrix {
  type: TensorType;
  frames: number;
  classes: number;
  /** Writes frames x classes elements in C order to `view`, which begins at an element's boundary. */
  fill(view: Uint8Array<ArrayBuffer>): void | Promise<void>;
}

/** What a format has to offer. */
export interface MatrixFile {
  format: SourceFormat;
  paths: readonly string[];
  ids: KeyIndex;
  /** false where the ids are only names that a tool made up. */
  keyed: boolean;
  warnings: string[];
  /** Throws `ERR_CTC_FILE` for an utterance that cannot be read. */
  matrix(position: number): Matrix | Promise<Matrix>;
  close(): void | Promise<void>;
}

// A file whose first utterances are all broken is taken for broken itself.
const tries = 100;

export class MatrixSource implements ArraySource {
  readonly format: SourceFormat;
  readonly paths: readonly string[];
  readonly count: number;
  readonly classes: number;
  readonly type: TensorType;
  readonly shape = undefined;
  readonly keyed: boolean;
  readonly warnings: readonly string[];
  readonly #file: MatrixFile;
  /** Found for the last batch, which had no room for it. */
  #waiting: { position: number; matrix: Matrix } | undefined;

  private constructor(file: MatrixFile, first: Matrix | undefined) {
    this.#file = file;
    this.format = file.format;
    this.paths = file.paths;
    this.count = file.ids.count;
    this.classes = first?.classes ?? 0;
    this.type = first?.type ?? 'float32';
    this.keyed = file.keyed;
    this.warnings = file.warnings;
  }

  /**
   * Takes classes and type from the first utterance that can be read. Throws `ERR_CTC_FILE` where none can, and
   * closes the file then.
   */
  static async open(file: MatrixFile): Promise<MatrixSource> {
    let failure: unknown;
    for (let position = 0; position < Math.min(file.ids.count, tries); position++) {
      try {
        const matrix = await file.matrix(position);
        if (matrix.frames === 0 && matrix.classes === 0) continue;
        if (matrix.classes > 0) return new MatrixSource(file, matrix);
        throw fileError(file.paths[0]!, `${file.ids.at(position)} has no classes`, 'Save it again');
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) {
      await file.close();
      throw failure;
    }
    return new MatrixSource(file, undefined);
  }

  /** undefined where utterances have none. */
  get ids(): KeyIndex | undefined {
    return this.keyed ? this.#file.ids : undefined;
  }

  id(position: number): string | undefined {
    return this.keyed ? this.#file.ids.at(position) : undefined;
  }

  find(id: string): number | undefined {
    return this.keyed ? findId(this.#file.ids, id) : undefined;
  }

  frames(): undefined {
    return undefined;
  }

  async read(positions: readonly number[], buffer: ReadBuffer): Promise<SourceBatch> {
    const frameBytes = this.classes * elementBytes(this.type);
    const matrices: (Matrix | undefined)[] = [];
    const faults: (string | undefined)[] = [];
    let longest = 0;
    for (const position of positions) {
      let matrix: Matrix | undefined;
      let fault: string | undefined;
      try {
        matrix = await this.#find(position);
        fault = this.#fault(position, matrix);
        if (fault !== undefined) matrix = undefined;
      } catch (error) {
        fault = faultOf(error);
      }
      const height = Math.max(longest, matrix?.frames ?? 0);
      if (matrices.length > 0 && height * frameBytes * (matrices.length + 1) > buffer.limit) {
        this.#waiting = matrix && { position, matrix };
        break;
      }
      matrices.push(matrix);
      faults.push(fault);
      longest = height;
    }

    return packMatrices(matrices, faults, this.classes, this.type, buffer);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #find(position: number): Promise<Matrix> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting?.position === position ? waiting.matrix : this.#file.matrix(position);
  }

  #fault(position: number, { frames, classes, type }: Matrix): string | undefined {
    // Nothing has no width.
    if (frames === 0) return undefined;
    if (classes === this.classes && type === this.type) return undefined;
    const what = `${classes} classes of ${type}; the first utterance has ${this.classes} of ${this.type}`;
    return fileError(this.paths[0]!, `${this.#file.ids.at(position)} has ${what}`).message;
  }
}

/**
 * Reads `matrices` of one number of classes and one type side by side, at the pitch of the longest one. An undefined
 * one has its reason in `faults` already; what goes wrong while reading is added there.
 */
export async function packMatrices(
  matrices: (Matrix | undefined)[],
  faults: (string | undefined)[],
  classes: number,
  type: TensorType,
  buffer: ReadBuffer,
): Promise<SourceBatch> {
  const frameBytes = classes * elementBytes(type);
  let longest = matrices.reduce((most, matrix) => Math.max(most, matrix?.frames ?? 0), 0);
  let memory = new ArrayBuffer(0);
  try {
    memory = buffer.reserve(longest * frameBytes * matrices.length);
  } catch (error) {
    if (matrices.length > 1) throw error;
    // One utterance that is too large for this machine leaves the others alone.
    [matrices[0], faults[0], longest] = [undefined, faultOf(error), 0];
  }
  const pitch = longest * frameBytes;
  await Promise.all(
    matrices.map(async (matrix, i) => {
      if (matrix === undefined) return;
      try {
        await matrix.fill(new Uint8Array(memory, i * pitch, matrix.frames * frameBytes));
      } catch (error) {
        faults[i] = faultOf(error);
      }
    }),
  );
  return {
    data: viewElements(memory, type, pitch * matrices.length),
    type,
    shape: [longest, matrices.length, classes],
    strides: [classes, longest * classes, 1],
    frames: matrices.map((matrix, i) => (faults[i] === undefined ? matrix!.frames : 0)),
    faults,
  };
}

/** The message of an error of this package; anything else is thrown again. */
export function faultOf(error: unknown): string {
  if (isCtcError(error)) return error.message;
  throw error;
}
