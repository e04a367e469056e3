// Evaluates utterances that come with their outputs and texts, one after another, from another program.

import type { UtteranceStream } from '../io/source.js';
import type { EngineOptions } from './evaluate.js';
import { evaluateBatches, makeBuffers } from './flow.js';
import { LatticeKeeper } from './lattice.js';
import { suspicion } from './looks.js';
import type { Page } from './page.js';
import { type Buffers, faultsOf, type ReadBatch } from './reader.js';
import type { EvalRecord } from './record.js';
import { type SummaryFile, summarize } from './report.js';
import { type Choices, settingsOf } from './settings.js';
import { Statistics } from './statistics.js';

export interface StreamOptions {
  stream: UtteranceStream;
  engine: EngineOptions;
  choices: Omit<Choices, 'manifest'>;
  batchBytes?: number;
  page?: Page;
  /** Called with the classes of the first utterance that can be read; throws where they are wrong. */
  checkClasses: (classes: number) => void;
  warn: (message: string) => void;
  /** Called in order. */
  onRecords?: (records: EvalRecord[]) => Promise<void> | void;
}

/** Evaluates a stream to its end. Nothing is kept: what has gone by cannot be read again. */
export async function evaluateStream(options: StreamOptions): Promise<SummaryFile> {
  const { stream, choices, page, warn, checkClasses } = options;
  const lattices = new LatticeKeeper(options.engine);
  const engine = {
    ...options.engine,
    onLoss: page && lattices.offer.bind(lattices),
  };
  const statistics = new Statistics(choices.worst);
  const buffers = makeBuffers(options.batchBytes);
  const model = { classes: 0, type: 'float32' };
  const batches = readStream(stream, buffers, (classes, type) => {
    if (model.classes === 0) checkClasses(classes);
    Object.assign(model, { classes, type });
  });
  let looked = false;
  for await (const { records, looks } of evaluateBatches(batches, buffers, engine)) {
    for (const record of records) statistics.add(record);
    statistics.addLooks(looks);
    page?.add(records);
    const early = looked ? undefined : suspicion(looks, choices.input);
    if (early !== undefined) warn(early);
    looked = true;
    await options.onRecords?.(records);
  }
  const utterances = statistics.count('utterances');
  const settings = settingsOf(
    { format: 'jsonl', count: utterances, ...model },
    { ...choices, manifest: { utterances, sha256: null } },
  );
  const summary = summarize(statistics, settings);
  await page?.write(summary, lattices.of(summary.worst), engine.signal);
  return summary;
}

async function* readStream(
  stream: UtteranceStream,
  buffers: Buffers,
  onModel: (classes: number, type: string) => void,
): AsyncGenerator<ReadBatch> {
  const unreadable = faultsOf([stream.path]);
  let index = 0;
  for (;;) {
    const buffer = await buffers.take();
    const next = await stream.next(buffer);
    if (next === undefined) return;
    const { batch, rows } = next;
    const [, , classes] = batch.shape;
    if (classes > 0) onModel(classes, batch.type);
    const read = rows.map((row, slot) => {
      const reason = batch.faults[slot];
      const fault = reason === undefined ? undefined : unreadable(reason);
      return { row, index: index + slot, slot: classes > 0 ? slot : undefined, fault };
    });
    index += rows.length;
    const outputs = classes > 0 ? batch : undefined;
    yield { rows: read, outputs, buffer, bytes: batch.data.byteLength };
  }
}
