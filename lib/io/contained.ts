// Files that libraries read, which were not made for hostile input: read in a thread of its own, so that one
// that takes for ever, all memory or the library with it costs the results of that file and nothing else.

import { type CtcErrorCode, ctcError } from '../errors.js';
import type { TensorType } from '../tensor.js';
import type { ContainedFormat, Opened, Reply, Request } from './containedWorker.js';
import { fileError } from './file.js';
import { findId, KeyIndex } from './keyIndex.js';
import type { PreadFile } from './pread.js';
import { ReaderThread, ThreadEnded } from './readerThread.js';
import type {
  ArraySource,
  ReadBuffer,
  SourceBatch,
  SourceFormat,
  SourceOptions,
} from './source.js';

const thread = new ReaderThread();
let files = 0;

// For anything but broken files far more than it takes: reading from a slow network included.
const secondsAtLeast = 30;
const secondsPerByte = 1e-6;
// Each costs the start of another thread.
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
  #thread: number;
  /** Why nothing can be read from it any more. */
  #broken: string | undefined;
  #crashes = 0;
  #closed = false;

  private constructor(place: Place, opened: Opened, file: number) {
    this.#place = place;
    this.#file = file;
    this.#thread = thread.number;
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
    return thread.take(async () => {
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
    return thread.take(async () => {
      if (this.#broken !== undefined) throw ctcError('ERR_CTC_FILE', this.#broken);
      try {
        // Another file may have taken the thread down.
        if (this.#thread !== thread.number) await open(this.#place, this.#file, signal);
        this.#thread = thread.number;
        const memory = buffer.lend();
        const { limit } = buffer;
        const request: Request = { kind: 'read', file: this.#file, positions, limit, memory };
        const { batch, crashed } = await ask(this.#place, request, [memory], signal);
        buffer.adopt(batch!.data.buffer);
        if (!crashed) return batch!;
        this.#crashes += 1;
        const error = fileError(this.#place.path, 'has crashed its library', rewrite);
        if (this.#crashes === crashesAtMost) this.#broken = error.message;
        // Of several, one is to blame: to be found by reading them one by one.
        if (positions.length > 1) throw error;
        return batch!;
      } catch (error) {
        const { message, cause } = error as Error;
        if (cause instanceof ThreadEnded) this.#broken = message;
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await thread.take(async () => {
      if (this.#thread !== thread.number) return;
      // What is left of a thread that ends meanwhile needs no closing.
      await ask(this.#place, { kind: 'close', file: this.#file }).catch(() => undefined);
    });
  }
}

const rewrite = 'Write or download it again';

async function open(place: Place, file: number, signal: AbortSignal | undefined): Promise<Opened> {
  const { path, format, options } = place;
  const request: Request = { kind: 'open', file, path, format, options };
  return (await ask(place, request, [], signal)).opened!;
}

/** The reader's answer. Throws its errors; the cause is a ThreadEnded where the file is to blame for the thread's end. */
async function ask(
  { path, seconds }: Place,
  request: Request,
  transfer: ArrayBuffer[] = [],
  signal?: AbortSignal,
): Promise<Reply> {
  try {
    const reply = await thread.send(request, seconds, transfer, signal);
    if (reply.crashed) thread.end('has crashed its library');
    const { failure } = reply;
    if (failure === undefined) return reply;
    if (failure.code === undefined) throw new Error(failure.message);
    throw ctcError(failure.code as CtcErrorCode, failure.message);
  } catch (error) {
    if (!(error instanceof ThreadEnded)) throw error;
    throw fileError(path, error.message, rewrite, error);
  }
}
