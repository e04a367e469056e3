// The contents of summary.json and of a shard's statistics: the same however a run was split.

import { readFile } from 'node:fs/promises';
import { fileError, systemError } from '../io/file.js';
import { suspicion } from './looks.js';
import { writeJson } from './outputFile.js';
import type { Settings } from './settings.js';
import type { Shard } from './shard.js';
import { Statistics, type Summary } from './statistics.js';

export interface SummaryFile extends Summary {
  format: 'node-ctc evaluation 1';
  /** Utterances in the data that no row of the manifest names. */
  unusedOutputs: number;
  warnings: string[];
  settings: Settings;
}

export function summarize(statistics: Statistics, settings: Settings): SummaryFile {
  const summary = statistics.summary();
  const looks = {
    looked: statistics.count('looked'),
    probabilities: statistics.count('probabilities'),
    unnormalised: statistics.count('unnormalised'),
  };
  const warning = suspicion(looks, settings.input);
  const { statuses } = summary;
  const unmatched =
    (statuses['no-output'] ?? 0) + (statuses['bad-row'] ?? 0) + (statuses['duplicate-id'] ?? 0);
  const unusedOutputs = Math.max(
    0,
    settings.data.utterances - Math.max(0, summary.utterances - unmatched),
  );
  const warnings = warning === undefined ? [] : [warning];
  return { format: 'node-ctc evaluation 1', ...summary, unusedOutputs, warnings, settings };
}

/** A finished shard. */
export interface ShardFile {
  format: 'node-ctc shard 1';
  shard: Shard;
  /** Its utterances: `start` to `end`, exclusive. */
  start: number;
  end: number;
  /** Size of its results, to notice a copy that is not complete. */
  bytes: number;
  isa: string;
  settings: Settings;
  statistics: unknown;
}

export function writeShard(path: string, shard: ShardFile): void {
  writeJson(path, shard);
}

export async function readShard(path: string): Promise<ShardFile & { statistics: Statistics }> {
  const value = await readJson<ShardFile>(path);
  if (value?.format !== 'node-ctc shard 1' || typeof value.settings?.worst !== 'number') {
    throw fileError(path, 'is not the statistics of a shard', 'Evaluate the shard again');
  }
  try {
    const statistics = Statistics.fromJSON(value.statistics, value.settings.worst);
    return { ...value, statistics };
  } catch (error) {
    throw fileError(
      path,
      `is broken: ${(error as Error).message}`,
      'Evaluate the shard again',
      error,
    );
  }
}

export async function readSummary(path: string): Promise<SummaryFile> {
  const value = await readJson<SummaryFile>(path);
  if (value?.format === 'node-ctc evaluation 1') return value;
  throw fileError(path, 'is not a summary of this version', 'Begin anew with --overwrite');
}

async function readJson<T>(path: string): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw systemError(path, error);
  }
  try {
    return (JSON.parse(text) ?? undefined) as T | undefined;
  } catch {
    return undefined;
  }
}
