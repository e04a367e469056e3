// The folder of a run: what may be in it when the run is added, and making room.

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { resultsFile, summaryFile } from '../eval/files.js';
import type { Format } from '../eval/formats.js';
import { exists, RunConflict, readHeader } from '../eval/journal.js';
import { readShard, readSummary, type SummaryFile } from '../eval/report.js';
import { difference, type Settings } from '../eval/settings.js';
import { makeFolder } from '../io/atomicFile.js';

const ofShard = /^\.?shard-(\d{5,})-of-(\d{5,})\./;
const ofRun = /^\.?(results\.(jsonl|csv|parquet|journal)|summary\.json|timings\.json)\b/;

/** What decides whether files belong to a run. */
export interface Claim {
  out: string;
  shards: number;
  settings: Settings;
}

/**
 * Makes the folder, and refuses it where another run has left something there.
 *
 * @throws RunConflict; `ERR_CTC_FILE` where the folder cannot be made or read.
 */
export async function checkFolder({ out, shards, settings }: Claim): Promise<void> {
  makeFolder(out);
  const conflict = (path: string, problem: string) =>
    new RunConflict(`${path} is of another run: ${problem}; --overwrite replaces it`);
  const compare = (path: string, found: Settings) => {
    const differs = difference(found, settings);
    if (differs !== undefined) throw conflict(path, differs);
  };
  let compared = false;
  for (const name of (await readdir(out)).sort()) {
    const path = join(out, name);
    if (name === 'results.journal') throw conflict(path, 'one that is not split');
    if (name === 'summary.json') compare(path, (await readSummary(path)).settings);
    const [, , count] = ofShard.exec(name) ?? [];
    if (count === undefined) continue;
    if (Number(count) !== shards) throw conflict(path, `there are ${Number(count)} shards in it`);
    // One speaks for all: each shard is compared again by the worker that goes on with it.
    if (compared || !/\.(statistics\.json|journal)$/.test(name)) continue;
    const { settings: begun } = await (name.endsWith('.journal') ? readHeader : readShard)(path);
    compare(path, begun);
    compared = true;
  }
}

/** Removes what a run has left in the folder; the marks of complete ones go first. */
export async function clearFolder(out: string): Promise<void> {
  makeFolder(out);
  const names = (await readdir(out)).filter((name) => ofShard.test(name) || ofRun.test(name));
  const marks = names.filter((name) => /(statistics|summary)\.json$/.test(name));
  for (const name of [...marks, ...names]) await rm(join(out, name), { force: true });
}

/** The merged results, if they are there whole, with the page if one is asked for, and are those of `claim`. */
export async function readMerged(
  { out, settings }: Claim,
  format: Format,
  html: string | undefined,
): Promise<SummaryFile | undefined> {
  const done = summaryFile(out);
  if (!(await exists(done)) || !(await exists(resultsFile(out, format)))) return undefined;
  if (html !== undefined && !(await exists(html))) return undefined;
  const summary = await readSummary(done);
  return difference(summary.settings, settings) === undefined ? summary : undefined;
}
