// Puts the shards of a run together into exactly what one run gives.

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../io/atomicFile.js';
import { fileError, systemError } from '../io/file.js';
import { outputFiles, resultsFile, shardName, summaryFile, timingsFile } from './files.js';
import { type Format, readRecords, writeResults } from './formats.js';
import { exists, RunConflict } from './journal.js';
import { drawnOf, type MaybeLattice } from './lattice.js';
import { readLatticeFile } from './latticeFile.js';
import { sweep, writeJson } from './outputFile.js';
import type { Page } from './page.js';
import { readShard, type SummaryFile, summarize } from './report.js';
import { difference } from './settings.js';
import { rangeOf } from './shard.js';
import { type Ranked, Statistics } from './statistics.js';

export interface MergeOptions {
  /** Where the shards' files are; they may be spread over several folders. */
  folders: readonly string[];
  /** Folder of the merged files. */
  out: string;
  /** Default: 'jsonl'. */
  format?: Format;
  overwrite?: boolean;
  /** A page to write. */
  page?: Page;
  warn: (message: string) => void;
}

export interface MergeResult {
  summary: SummaryFile;
  results: string;
  shards: number;
}

type Found = Awaited<ReturnType<typeof readShard>> & { folder: string };

/**
 * Merges all shards of a run. Statistics are added up, results are written one after another.
 *
 * @throws RunConflict where `out` holds merged results already; `ERR_CTC_FILE` where a shard is missing, there
 * twice, of another run or broken.
 */
export async function mergeShards(options: MergeOptions): Promise<MergeResult> {
  const { folders, out, format = 'jsonl', overwrite, page, warn } = options;
  const shards = await findShards(folders);
  const first = shards[0]!;
  const isas = new Set(shards.map(({ isa }) => isa));
  if (isas.size > 1) {
    warn(
      `the shards were computed with ${[...isas].sort().join(' and ')} instructions: last digits may differ from those of one run (set NODE_CTC_ISA for all of them)`,
    );
  }
  const results = resultsFile(out, format);
  for (const path of overwrite ? [] : [results, summaryFile(out)]) {
    if (await exists(path)) {
      throw new RunConflict(`${path} is there already: --overwrite replaces it`);
    }
  }
  makeFolder(out);
  await sweep([results, summaryFile(out), timingsFile(out)]);
  const statistics = new Statistics(first.settings.worst);
  for (const shard of shards) statistics.merge(shard.statistics);
  const summary = summarize(statistics, first.settings);
  const parts = shards.map(({ folder, shard }) => outputFiles(folder, shard).results);
  await writeResults(results, parts, format);
  if (page !== undefined) {
    for (const part of parts) {
      for await (const records of readRecords(part)) page.add(records);
    }
    await page.write(summary, await collectLattices(shards, summary.worst));
  }
  writeJson(timingsFile(out), { shards: await readTimings(shards) });
  writeJson(summaryFile(out), summary);
  return { summary, results, shards: shards.length };
}

/** What the shards kept of the worst utterances. */
async function collectLattices(
  shards: readonly Found[],
  worst: readonly Ranked[],
): Promise<MaybeLattice[]> {
  const lattices: MaybeLattice[] = [];
  for (const { index } of drawnOf(worst)) {
    const { folder, shard } = shards.find(({ start, end }) => index >= start && index < end)!;
    const path = outputFiles(folder, shard).lattices!;
    const kept = (await exists(path)) ? await readLatticeFile(path) : [];
    const missing = `The lattices of ${shardName(shard)} are not there: *.lattices.jsonl belongs to it.`;
    lattices.push(kept.find((lattice) => lattice.index === index) ?? { index, missing });
  }
  return lattices;
}

/** All shards of the one run whose files are in `folders`, checked, in order. */
async function findShards(folders: readonly string[]): Promise<Found[]> {
  const found = new Map<number, Found>();
  let first: Found | undefined;
  for (const folder of folders) {
    const names = await readdir(folder).catch((error) => {
      throw systemError(folder, error);
    });
    for (const name of names.sort()) {
      if (!/^shard-\d+-of-\d+\.statistics\.json$/.test(name)) continue;
      const path = join(folder, name);
      const shard = { ...(await readShard(path)), folder };
      first ??= shard;
      checkShard(path, shard, first);
      const other = found.get(shard.shard.index);
      if (other !== undefined) {
        throw fileError(path, `is also in ${other.folder}`, 'Keep one of them');
      }
      await checkResults(shard);
      found.set(shard.shard.index, shard);
    }
  }
  if (first === undefined) {
    throw fileError(
      folders.join(', '),
      'no finished shard there (shard-*-of-*.statistics.json)',
      'Evaluate with --shard i/n first',
    );
  }
  const { count } = first.shard;
  const missing = Array.from({ length: count }, (_, i) => i).filter((i) => !found.has(i));
  if (missing.length > 0) {
    const shown = missing.slice(0, 10).join(', ') + (missing.length > 10 ? ', ...' : '');
    throw fileError(
      folders.join(', '),
      `${missing.length} of ${count} shards are not there or not finished: ${shown}`,
      'Run them with --resume, then merge again',
    );
  }
  return Array.from({ length: count }, (_, i) => found.get(i)!);
}

function checkShard(path: string, shard: Found, first: Found): void {
  const total = first.settings.manifest.utterances;
  const range = rangeOf(shard.shard, total);
  const differs =
    shard.shard.count === first.shard.count
      ? difference(first.settings, shard.settings)
      : `there are ${first.shard.count} shards in one and ${shard.shard.count} in the other`;
  if (differs !== undefined) {
    throw fileError(
      path,
      `is not of the same run as ${shardName(first.shard)}: ${differs}`,
      'Merge the shards of one run',
    );
  }
  if (shard.start !== range.start || shard.end !== range.end) {
    throw fileError(path, 'does not hold the utterances of its shard', 'Evaluate it again');
  }
}

async function checkResults({ folder, shard, bytes }: Found): Promise<void> {
  const { results } = outputFiles(folder, shard);
  const { size } = await stat(results).catch((error) => {
    throw systemError(results, error);
  });
  if (size === bytes) return;
  throw fileError(results, `has ${size} bytes instead of ${bytes}`, 'Copy it again, whole');
}

async function readTimings(shards: readonly Found[]): Promise<unknown[]> {
  return Promise.all(
    shards.map(async ({ folder, shard }) => {
      const text = await readFile(outputFiles(folder, shard).timings, 'utf8').catch(() => 'null');
      try {
        return JSON.parse(text);
      } catch {
        return null;
      }
    }),
  );
}
