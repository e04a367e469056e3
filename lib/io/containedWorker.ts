// The thread in which libraries read files: it may be ended at any time.

import { parentPort } from 'node:worker_threads';
import { isCtcError } from './file.js';
import { hasCrashed, openHdf5 } from './hdf5.js';
import type { SharedKeys } from './keyIndex.js';
import { MatrixSource } from './matrixSource.js';
import { PreadFile } from './pread.js';
import {
  type ArraySource,
  ReadBuffer,
  type SourceBatch,
  type SourceFacts,
  type SourceOptions,
} from './source.js';

export type ContainedFormat = 'hdf5' | 'parquet' | 'arrow';

/** `file` is a number that the asking side chooses. */
export type Request =
  | { kind: 'open'; file: number; path: string; format: ContainedFormat; options: SourceOptions }
  | { kind: 'read'; file: number; positions: readonly number[]; limit: number; memory: ArrayBuffer }
  | { kind: 'close'; file: number };

/** What the asking side has to know of an open file to be its source. */
export interface Opened extends SourceFacts {
  /** Of every utterance, where they are all the same. */
  frames: number | undefined;
  ids: SharedKeys | undefined;
}

export interface Reply {
  opened?: Opened;
  batch?: SourceBatch;
  /** `code` is undefined where it is none of this package's errors. */
  failure?: { code: string | undefined; message: string };
  /** The library cannot be called again. */
  crashed: boolean;
}

const sources = new Map<number, ArraySource>();

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
  const ids = source instanceof MatrixSource ? source.ids?.share() : undefined;
  return { format, paths, count, classes, type, shape, keyed, warnings, frames, ids };
}

async function answer(request: Request): Promise<Partial<Reply>> {
  if (request.kind === 'open') {
    const source = await open(request.path, request.format, request.options);
    sources.set(request.file, source);
    return { opened: describe(source) };
  }
  const source = sources.get(request.file)!;
  if (request.kind === 'close') {
    sources.delete(request.file);
    await source.close();
    return {};
  }
  const buffer = new ReadBuffer(request.limit);
  buffer.adopt(request.memory);
  return { batch: await source.read(request.positions, buffer) };
}

parentPort!.on('message', async (request: Request) => {
  let reply: Partial<Reply>;
  try {
    reply = await answer(request);
  } catch (error) {
    const { message } = error as Error;
    reply = { failure: { code: isCtcError(error) ? error.code : undefined, message } };
  }
  const memory = reply.batch === undefined ? [] : [reply.batch.data.buffer];
  parentPort!.postMessage({ ...reply, crashed: hasCrashed() } satisfies Reply, memory);
});
