// What every reader of model outputs looks like from outside, whatever the format: utterances by
// position, read by pread into memory that the caller reuses.

import { ctcError } from '../errors.js';
import type { Layout } from '../options.js';
import type { TensorType } from '../tensor.js';
import type { ManifestRow } from './manifest.js';

/** Typed arrays that elements are handed over in; 16-bit floats are their bits in a Uint16Array. */
export type SourceData =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>;

export type SourceFormat =
  | 'npy'
  | 'npz'
  | 'safetensors'
  | 'kaldi'
  | 'hdf5'
  | 'parquet'
  | 'arrow'
  | 'jsonl';

export interface SourceOptions {
  /** Axes of three-dimensional arrays. Default: 'TNC'. */
  layout?: Layout;
  /** Reads 16-bit unsigned integers and 2-byte void elements as bfloat16 where a format cannot name it. */
  bfloat16?: boolean;
  /** The array of a container (.npz, .safetensors, HDF5) or the column of a table that holds the outputs. */
  array?: string;
  /** The column of a table that holds the utterances' ids. Default: the first of id, utt_id, key, audio_filepath. */
  idColumn?: string;
  /** Overrides what the file's first bytes and name say. */
  format?: SourceFormat;
}

/**
 * Utterances in memory, laid out so that `ctcLoss` takes `{ data, type, shape, strides }` as it is. What lies
 * beyond an utterance's `frames` is stale memory that must not be looked at.
 */
export interface SourceBatch {
  data: SourceData;
  type: TensorType;
  /** Frames (of the longest one), utterances, classes. */
  shape: [frames: number, utterances: number, classes: number];
  /** In elements, along the axes of `shape`. */
  strides: [frames: number, utterances: number, classes: number];
  /** Frames that the file holds of each utterance; 0 where it could not be read. */
  frames: number[];
  /** Why an utterance could not be read, one line with the path; undefined where it could. */
  faults: (string | undefined)[];
}

/** What of a batch is a tensor's. */
export function tensorOf({ data, type, shape, strides }: SourceBatch) {
  return { data, type, shape, strides };
}

/** What is known of model outputs once they are open. */
export interface SourceFacts {
  readonly format: SourceFormat;
  /** As the user gave them, for messages. */
  readonly paths: readonly string[];
  /** How many utterances there are. */
  readonly count: number;
  readonly classes: number;
  readonly type: TensorType;
  /** The whole array's shape, where all utterances lie in one; undefined where each has its own. */
  readonly shape: readonly number[] | undefined;
  /** Whether utterances have ids. Otherwise the manifest's row n belongs to utterance n. */
  readonly keyed: boolean;
  /** What is odd about the files but no error, one line each. */
  readonly warnings: readonly string[];
}

/** Model outputs that can be read from any place. */
export interface ArraySource extends SourceFacts {
  /** The id of an utterance; undefined where the format has none. O(1). */
  id(position: number): string | undefined;
  /**
   * The position of an id, or undefined. For an id that looks like a path (NeMo's `audio_filepath`) also without its
   * extension and its leading folders, as long as only the whole id is not found. O(1).
   */
  find(id: string): number | undefined;
  /** The frames of an utterance where they are known without reading it. */
  frames(position: number): number | undefined;

  /**
   * Reads the first of `positions`, as many as fit into `buffer` and lie well together; at least one, and how many is
   * `shape[1]` of the result. Consecutive positions are read fastest. What is wrong with one utterance is its
   * fault and leaves the others alone. Throws `ERR_CTC_FILE` where nothing of a file can be read any longer, and the
   * reason of `signal` where that ends what could take long.
   */
  read(
    positions: readonly number[],
    buffer: ReadBuffer,
    signal?: AbortSignal,
  ): Promise<SourceBatch>;

  close(): Promise<void>;
}

/** Utterances that come one after another together with their texts (JSONL on standard input). */
export interface UtteranceStream {
  readonly path: string;
  /** As many of the next utterances as fit into `buffer`, row n of `rows` for utterance n; undefined at the end. */
  next(buffer: ReadBuffer): Promise<{ batch: SourceBatch; rows: ManifestRow[] } | undefined>;
  close(): Promise<void>;
}

/** Memory that readers fill again and again. Two of them let one be read while the other is computed on. */
export class ReadBuffer {
  /** Bytes of utterances to read at a time; a single larger utterance is read all the same. */
  readonly limit: number;
  #memory = new ArrayBuffer(0);

  constructor(limit = 2 ** 25) {
    this.limit = limit;
  }

  /** At least `bytes` of memory, of unspecified content. Throws `ERR_CTC_OUT_OF_MEMORY`. */
  reserve(bytes: number): ArrayBuffer {
    if (this.#memory.byteLength >= bytes) return this.#memory;
    // Twice as much, so that growing step by step costs no more than the last step.
    const wanted = Math.max(bytes, Math.min(this.limit, 2 * this.#memory.byteLength));
    this.#memory = new ArrayBuffer(0);
    try {
      this.#memory = new ArrayBuffer(wanted);
    } catch (error) {
      const message = `no memory for ${bytes} bytes of model outputs`;
      throw ctcError('ERR_CTC_OUT_OF_MEMORY', message, { cause: error });
    }
    return this.#memory;
  }
}

export function elementBytes(type: TensorType): number {
  return type === 'float64' ? 8 : type === 'float32' ? 4 : 2;
}

/** The first `bytes` bytes of `memory` as elements. */
export function viewElements(memory: ArrayBuffer, type: TensorType, bytes: number): SourceData {
  if (type === 'float64') return new Float64Array(memory, 0, bytes / 8);
  if (type === 'float32') return new Float32Array(memory, 0, bytes / 4);
  return new Uint16Array(memory, 0, bytes / 2);
}
