// Batches on their way: one is read while another is computed and a third is turned into records.

import { ReadBuffer } from '../io/source.js';
import { Engine, Turns } from './engine.js';
import { type EngineOptions, type EvaluatedBatch, evaluateBatch } from './evaluate.js';
import { inOrder } from './pipeline.js';
import { Buffers, type ReadBatch } from './reader.js';

const batchesInFlight = 3;

/** Buffers for `evaluateBatches`, of `batchBytes` each (16 MiB). */
export function makeBuffers(batchBytes = 2 ** 24): Buffers {
  return new Buffers(Array.from({ length: batchesInFlight }, () => new ReadBuffer(batchBytes)));
}

/** Evaluates batches that were read into `buffers`, in order. Ends early where the signal says so. */
export async function* evaluateBatches(
  batches: AsyncIterable<ReadBatch>,
  buffers: Buffers,
  options: EngineOptions,
): AsyncGenerator<EvaluatedBatch> {
  const turns = new Turns();
  const engines = Array.from({ length: batchesInFlight }, () => new Engine(turns));
  yield* inOrder(batches, batchesInFlight, async (batch) => {
    const free = engines.pop()!;
    try {
      options.signal?.throwIfAborted();
      return await evaluateBatch(batch, options, free);
    } finally {
      engines.push(free);
      buffers.give(batch.buffer);
    }
  });
}
