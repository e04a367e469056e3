// Evaluates one shard of a manifest, or all of it: reading, computing and writing overlap, and no more
// than a few batches are in memory.

import { rm, stat } from 'node:fs/promises';
import { cpus } from 'node:os';
import { info } from '../info.js';
import { makeFolder } from '../io/atomicFile.js';
import type { ArraySource } from '../io/source.js';
import type { EngineOptions } from './evaluate.js';
import { type OutputFiles, outputFiles, resultsFile } from './files.js';
import { evaluateBatches, makeBuffers } from './flow.js';
import { type Format, readRecords, writeResults } from './formats.js';
import { exists, Journal, type JournalHeader, RunConflict } from './journal.js';
import { suspicion } from './looks.js';
import { move, sweep, writeJson } from './outputFile.js';
import type { Page } from './page.js';
import { type Rows, readBatches } from './reader.js';
import type { EvalRecord } from './record.js';
import { readShard, readSummary, type SummaryFile, summarize, writeShard } from './report.js';
import { difference, fileStamp, type Settings } from './settings.js';
import { rangeOf, type Shard, wholeRun } from './shard.js';
import { type Looks, Statistics } from './statistics.js';

export interface Progress {
  /** Utterances of this shard that are done, and those of them that an earlier process did. */
  done: number;
  resumed: number;
  total: number;
}

export interface RunOptions {
  source: ArraySource;
  rows: Rows;
  settings: Settings;
  engine: EngineOptions;
  /** undefined: everything, as one run. */
  shard?: Shard;
  /** The folder for the results; undefined: nothing is written. */
  out?: string;
  /** Of the results of a run that is not split. Default: 'jsonl'. */
  format?: Format;
  resume?: boolean;
  overwrite?: boolean;
  /** A page to write; for a shard its merge does that. */
  page?: Page;
  /** Bytes of model outputs to read at a time, if one utterance needs no more. */
  batchBytes?: number;
  warn: (message: string) => void;
  onProgress?: (progress: Progress) => void;
  /** Called before anything is written; rejects where another process has taken the shard over. */
  beforeWriting?: () => Promise<void>;
  /** Called in the manifest's order; not for what an earlier process did. */
  onRecords?: (records: EvalRecord[]) => Promise<void> | void;
}

export interface RunResult {
  summary: SummaryFile;
  /** Where the results are; undefined where nothing was written. */
  results: string | undefined;
  /** An earlier process had done everything. */
  already: boolean;
}

/**
 * Evaluates a shard.
 *
 * @throws RunConflict where `out` holds other results; `ERR_CTC_FILE` where they cannot be written or the data as a
 * whole not read; the signal's reason after an abort. What is finished stays in the journal.
 */
export async function evaluateShard(options: RunOptions): Promise<RunResult> {
  const { source, rows, settings, shard, out, page, warn } = options;
  const { start, end } = rangeOf(shard ?? wholeRun, rows.count);
  const { isa } = info();
  const header: JournalHeader = {
    format: 'node-ctc journal 1',
    settings,
    stamp: out === undefined ? '' : await fileStamp(source.paths),
    isa,
    start,
    end,
  };
  const statistics = new Statistics(settings.worst);
  const files = out === undefined ? undefined : outputFiles(out, shard);
  if (files !== undefined) {
    const finished = await prepareFolder(out!, files, options);
    if (finished !== undefined) return finished;
  }
  const add = (records: readonly EvalRecord[], looks: Looks) => {
    for (const record of records) statistics.add(record);
    statistics.addLooks(looks);
    page?.add(records);
  };
  const journal = files && (await openJournal(files, header, options, add));
  const resumed = journal?.utterances ?? 0;
  const began = new Date();
  const clock = performance.now();
  const processor = process.cpuUsage();
  const work = { bytes: 0, engineSeconds: 0 };
  options.onProgress?.({ done: resumed, resumed, total: end - start });
  try {
    let done = resumed;
    let looked = resumed > 0;
    const { signal } = options.engine;
    const buffers = makeBuffers(options.batchBytes);
    const batches = readBatches(source, rows, start + resumed, end, buffers, signal);
    for await (const batch of evaluateBatches(batches, buffers, options.engine)) {
      add(batch.records, batch.looks);
      const early = looked ? undefined : suspicion(batch.looks, settings.input);
      if (early !== undefined) warn(early);
      looked = true;
      await options.beforeWriting?.();
      await journal?.append(batch.records, batch.looks);
      await options.onRecords?.(batch.records);
      done += batch.records.length;
      work.bytes += batch.bytes;
      work.engineSeconds += batch.engineSeconds;
      options.onProgress?.({ done, resumed, total: end - start });
    }
    await options.beforeWriting?.();
    await journal?.finish();
  } catch (error) {
    await journal?.close();
    throw error;
  }
  const summary = summarize(statistics, settings);
  if (files === undefined) {
    await writePage(options, summary);
    return { summary, results: undefined, already: false };
  }

  const seconds = (performance.now() - clock) / 1000;
  const utterances = end - start - resumed;
  writeJson(files.timings, {
    startedAt: began.toISOString(),
    seconds,
    utterances,
    resumedAfter: resumed,
    utterancesPerSecond: utterances / seconds,
    megabytesRead: work.bytes / 1e6,
    megabytesPerSecond: work.bytes / 1e6 / seconds,
    engineSeconds: work.engineSeconds,
    processorSeconds: processorSeconds(processor),
    threads: options.engine.threads ?? info().threads,
    isa,
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
  });
  const results = await finish(files, options, statistics, summary, header);
  return { summary, results, already: false };
}

async function writePage(
  { page, source, engine }: RunOptions,
  summary: SummaryFile,
): Promise<void> {
  if (page === undefined) return;
  const { readLattices } = await import('./lattice.js');
  const lattices = await readLattices(source, summary.worst, engine);
  await page.write(summary, lattices, engine.signal);
}

function processorSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

/** Makes the folder, and refuses to write over results. What a finished run came to, if this one is. */
async function prepareFolder(
  folder: string,
  files: OutputFiles,
  options: RunOptions,
): Promise<RunResult | undefined> {
  makeFolder(folder);
  if (options.overwrite || options.resume) {
    await sweep([...files.all, files.journal, files.timings]);
  }
  if (options.overwrite) {
    // The mark of a complete run goes first.
    for (const path of [files.done, files.journal, ...files.all]) await rm(path, { force: true });
    return undefined;
  }
  if (await exists(files.journal)) {
    if (options.resume) return undefined;
    throw new RunConflict(
      `${files.journal} is of a run that was not finished: --resume goes on with it, --overwrite begins anew`,
    );
  }
  const present = await Promise.all(files.all.map(exists));
  const there = files.all.filter((_, i) => present[i]);
  if (there.length === 0) return undefined;
  if (!options.resume) {
    throw new RunConflict(`${there[0]} is there already: --overwrite replaces it`);
  }
  return readFinished(files, options);
}

async function readFinished(files: OutputFiles, options: RunOptions): Promise<RunResult> {
  const { shard, settings, out, format = 'jsonl', page } = options;
  const results = shard === undefined ? resultsFile(out!, format) : files.results;
  for (const path of [files.done, results]) {
    if (await exists(path)) continue;
    throw new RunConflict(
      `${out} holds results, but not ${path}, and no journal to go on with: --overwrite begins anew`,
    );
  }
  let summary: SummaryFile;
  if (shard === undefined) {
    summary = await readSummary(files.done);
  } else {
    const done = await readShard(files.done);
    summary = summarize(done.statistics, done.settings);
  }
  const differs = difference(summary.settings, settings);
  if (differs !== undefined) {
    throw new RunConflict(`${files.done} is of another run: ${differs}; --overwrite replaces it`);
  }
  await rm(files.partial, { force: true });
  if (page !== undefined && format !== 'jsonl') {
    throw new RunConflict(
      `${results} is complete, but a page is made from records in JSON Lines: --overwrite begins anew`,
    );
  }
  if (page !== undefined) {
    for await (const records of readRecords(results)) page.add(records);
    await writePage(options, summary);
  }
  return { summary, results, already: true };
}

async function openJournal(
  files: OutputFiles,
  header: JournalHeader,
  { resume, warn }: RunOptions,
  add: (records: readonly EvalRecord[], looks: Looks) => void,
): Promise<Journal> {
  if (!resume || !(await exists(files.journal))) return Journal.begin(files, header);
  return Journal.resume(files, header, ({ records, looks }) => add(records, looks), warn);
}

/** Gives the complete results their names, and only then takes the journal away. */
async function finish(
  files: OutputFiles,
  options: RunOptions,
  statistics: Statistics,
  summary: SummaryFile,
  { start, end, isa }: JournalHeader,
): Promise<string> {
  const { shard, out, format = 'jsonl', settings, source, engine } = options;
  let results = files.results;
  if (shard === undefined && format !== 'jsonl') {
    results = resultsFile(out!, format);
    await writeResults(results, [files.partial], format);
  } else {
    await move(files.partial, results);
  }
  await writePage(options, summary);
  if (shard === undefined) {
    writeJson(files.done, summary);
  } else {
    const [{ readLattices }, { writeLattices }] = await Promise.all([
      import('./lattice.js'),
      import('./latticeFile.js'),
    ]);
    writeLattices(files.lattices!, await readLattices(source, summary.worst, engine));
    const { size } = await stat(results);
    writeShard(files.done, {
      format: 'node-ctc shard 1',
      shard,
      start,
      end,
      bytes: size,
      isa,
      settings,
      statistics,
    });
  }
  await rm(files.journal, { force: true });
  await rm(files.partial, { force: true });
  return results;
}
