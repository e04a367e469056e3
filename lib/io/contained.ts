// Files that libraries read, which were not made for hostile input: read in a process of its own, so that one
// that takes for ever, all memory or the process with it costs the results of that file and nothing else.

import { isAbsolute } from 'node:path';
import { type CtcErrorCode, ctcError } from '../errors.js';
import type { TensorType } from '../tensor.js';
import { fileError } from './file.js';
import { findId, KeyIndex } from './keyIndex.js';
import type { PreadFile } from './pread.js';
import type { ContainedFormat, Opened, Reply, Request } from './readerChild.js';
import { ReaderEnded, ReaderProcess } from './readerProcess.js';
import {
  type ArraySource,
  type ReadBuffer,
  type SourceBatch,
  type SourceFormat,
  type SourceOptions,
  viewElements,
} from './source.js';

const reader = new ReaderProcess();
let files = 0;

// For anything but broken files far more than it takes: reading from a slow network included.
const secondsAtLeast = 30;
const secondsPerByte = 1e-6;
// Each costs the start of another process.
const crashesAtMost = 20;

interface Patience {
  seconds?: number;
  signal?: AbortSignal;
}

interface Place {
  path: string;
  format: ContainedFormat;
  options: SourceOptions;
  seconds: number;
}

export class ContainedSource implements ArraySource {
  readonly format: SourceFormat;
  readonly paths: readonly string[];
  readonly count: number;
  readonly classes: number;
  readonly type: TensorType;
  readonly shape: readonly number[] | undefined;
  readonly keyed: boolean;
  readonly warnings: readonly string[];
  readonly #file: number;
  readonly #place: Place;
  readonly #frames: number | undefined;
  readonly #ids: KeyIndex | undefined;
  #reader: number;
  /** Why nothing can be read from it any more. */
  #broken: string | undefined;
  #crashes = 0;
  #closed = false;

  private constructor(place: Place, opened: Opened, file: number) {
    this.#place = place;
    this.#file = file;
    this.#reader = reader.number;
    this.format = opened.format;
    this.paths = opened.paths;
    this.count = opened.count;
    this.classes = opened.classes;
    this.type = opened.type;
    this.shape = opened.shape;
    this.keyed = opened.keyed;
    this.warnings = opened.warnings;
    this.#frames = opened.frames;
    this.#ids = opened.ids && KeyIndex.of(opened.ids);
  }

  /**
   * Opens a file where a library can do no harm, and closes `file`. `seconds` is how long that may take, and each reading;
   * by default by the file's size. `signal` ends the opening. Throws `ERR_CTC_FILE` and the signal's reason.
   */
  static async open(
    file: PreadFile,
    format: ContainedFormat,
    options: SourceOptions,
    { seconds = secondsAtLeast + secondsPerByte * file.size, signal }: Patience = {},
  ): Promise<ContainedSource> {
    const { path } = file;
    file.close();
    const place = { path, format, options, seconds };
    return reader.take(async () => {
      const number = ++files;
      const opened = await open(place, number, signal);
      return new ContainedSource(place, opened, number);
    });
  }

  id(position: number): string | undefined {
    return this.#ids?.at(position);
  }

  find(id: string): number | undefined {
    return this.#ids && findId(this.#ids, id);
  }

  frames(): number | undefined {
    return this.#frames;
  }

  read(
    positions: readonly number[],
    buffer: ReadBuffer,
    signal?: AbortSignal,
  ): Promise<SourceBatch> {
    return reader.take(async () => {
      if (this.#broken !== undefined) throw ctcError('ERR_CTC_FILE', this.#broken);
      try {
        // Another file may have taken the process down.
        if (this.#reader !== reader.number) await open(this.#place, this.#file, signal);
        this.#reader = reader.number;
        const { limit } = buffer;
        const request: Request = { kind: 'read', file: this.#file, positions, limit };
        let memory = new ArrayBuffer(0);
        const reply = await ask(this.#place, request, signal, (bytes) => {
          memory = buffer.reserve(bytes);
          return memory;
        });
        const { crashed, bytes = 0 } = reply;
        const { type } = reply.batch!;
        const batch = { ...reply.batch!, data: viewElements(memory, type, bytes) };
        if (!crashed) return batch;
        this.#crashes += 1;
        const error = fileError(this.#place.path, 'has crashed its library', crash.remedy);
        if (this.#crashes === crashesAtMost) this.#broken = error.message;
        // Of several, one is to blame: to be found by reading them one by one.
        if (positions.length > 1) throw error;
        return batch;
      } catch (error) {
        const { message, cause } = error as Error;
        if (cause instanceof ReaderEnded) this.#broken = message;
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await reader.take(async () => {
      if (this.#reader !== reader.number) return;
      // What is left of a process that ends meanwhile needs no closing.
      await ask(this.#place, { kind: 'close', file: this.#file }).catch(() => undefined);
    });
  }
}

const crash = new ReaderEnded('has crashed its library');

async function open(place: Place, file: number, signal: AbortSignal | undefined): Promise<Opened> {
  const { path, format, options } = place;
  const folder = isAbsolute(path) ? undefined : process.cwd();
  const request: Request = { kind: 'open', file, path, folder, format, options };
  return (await ask(place, request, signal)).opened!;
}

/** The reader's answer. Throws its errors; the cause is a ReaderEnded where the file is to blame for the reader's end. */
async function ask(
  { path, seconds }: Place,
  request: Request,
  signal?: AbortSignal,
  reserve?: (bytes: number) => ArrayBuffer,
): Promise<Reply> {
  try {
    const reply = await reader.send(request, seconds, signal, reserve);
    if (reply.crashed) reader.end(crash);
    const { failure } = reply;
    if (failure === undefined) return reply;
    if (failure.code === undefined) throw new Error(failure.message);
    throw ctcError(failure.code as CtcErrorCode, failure.message);
  } catch (error) {
    if (!(error instanceof ReaderEnded)) throw error;
    throw fileError(path, error.message, error.remedy, error);
  }
}
