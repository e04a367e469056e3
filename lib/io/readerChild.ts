// The process in which libraries read files: it may be ended at any time, and ends with the one that started it.

import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { isCtcError } from './file.js';
import { hasCrashed, openHdf5 } from './hdf5.js';
import type { PackedKeys } from './keyIndex.js';
import { MatrixSource } from './matrixSource.js';
import { PreadFile } from './pread.js';
import {
  type ArraySource,
  ReadBuffer,
  type SourceBatch,
  type SourceData,
  type SourceFacts,
  type SourceOptions,
} from './source.js';

export type ContainedFormat = 'hdf5' | 'parquet' | 'arrow';

/** `file` is a number that the asking side chooses. */
export type Request =
  | {
      kind: 'open';
      file: number;
      path: string;
      /** Where a relative path begins. */
      folder: string | undefined;
      format: ContainedFormat;
      options: SourceOptions;
    }
  | { kind: 'read'; file: number; positions: readonly number[]; limit: number }
  | { kind: 'close'; file: number };

/** What the asking side has to know of an open file to be its source. */
export interface Opened extends SourceFacts {
  /** Of every utterance, where they are all the same. */
  frames: number | undefined;
  ids: PackedKeys | undefined;
}

export interface Reply {
  opened?: Opened;
  batch?: Omit<SourceBatch, 'data'>;
  /** Of the batch's elements, which come by a pipe of their own. */
  bytes?: number;
  /** `code` is undefined where it is none of this package's errors. */
  failure?: { code: string | undefined; message: string };
  /** The library cannot be called again. */
  crashed: boolean;
}

// Descriptors, as the one that starts this process says.
const parent = 0;
const elements = 3;

// A thread, since the library may keep this one busy for ever. Nothing is written to that pipe.
new Worker(
  `const { Socket } = require('node:net');
  const end = () => process.kill(process.pid, 'SIGKILL');
  new Socket({ fd: ${parent} }).on('error', end).on('close', end).resume();`,
  { eval: true },
);
// Ctrl-C goes to all processes of a terminal. The one that waits for this one decides.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

const sources = new Map<number, ArraySource>();
let buffer = new ReadBuffer();

async function open(path: string, format: ContainedFormat, options: SourceOptions) {
  const file = PreadFile.open(path);
  try {
    if (format === 'hdf5') return await openHdf5(file, options);
    if (format === 'arrow') return await (await import('./arrow.js')).openArrow(file, options);
    return await (await import('./parquet.js')).openParquet(file, options);
  } catch (error) {
    file.close();
    throw error;
  }
}

function describe(source: ArraySource): Opened {
  const { format, paths, count, classes, type, shape, keyed, warnings } = source;
  const frames = shape === undefined || count === 0 ? undefined : source.frames(0);
  const ids = source instanceof MatrixSource ? source.ids?.pack() : undefined;
  return { format, paths, count, classes, type, shape, keyed, warnings, frames, ids };
}

async function answer(request: Request): Promise<{ reply: Partial<Reply>; data?: SourceData }> {
  if (request.kind === 'open') {
    const { file, path, folder, format, options } = request;
    if (folder !== undefined) process.chdir(folder);
    const source = await open(path, format, options);
    sources.set(file, source);
    return { reply: { opened: describe(source) } };
  }
  const source = sources.get(request.file)!;
  if (request.kind === 'close') {
    sources.delete(request.file);
    await source.close();
    return { reply: {} };
  }
  if (buffer.limit !== request.limit) buffer = new ReadBuffer(request.limit);
  const { data, ...batch } = await source.read(request.positions, buffer);
  return { reply: { batch, bytes: data.byteLength }, data };
}

function writeAll({ buffer, byteOffset, byteLength }: SourceData): void {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  for (let at = 0; at < byteLength; ) at += writeSync(elements, bytes, at);
}

process.on('message', async (request: Request) => {
  let answered: Awaited<ReturnType<typeof answer>>;
  try {
    answered = await answer(request);
  } catch (error) {
    const { message } = error as Error;
    answered = {
      reply: { failure: { code: isCtcError(error) ? error.code : undefined, message } },
    };
  }
  const { reply, data } = answered;
  // Written first: the other side reads elements when it knows how many there are.
  process.send!({ ...reply, crashed: hasCrashed() } satisfies Reply, () => {
    if (data !== undefined) writeAll(data);
  });
});
