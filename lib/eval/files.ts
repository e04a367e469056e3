// The names of the files in a run's folder. docs/eval.md lists them.

import { join } from 'node:path';
import { type Format, formats } from './formats.js';
import type { RunFiles } from './journal.js';
import type { Shard } from './shard.js';

export interface OutputFiles extends RunFiles {
  /** Exists once everything else is complete. */
  done: string;
  timings: string;
  /** Of a shard: for the page that merging makes. */
  lattices?: string;
  /** Everything that the run may have left under other formats. */
  all: string[];
}

export const resultsFile = (folder: string, format: Format) => join(folder, `results.${format}`);
export const summaryFile = (folder: string) => join(folder, 'summary.json');
export const timingsFile = (folder: string) => join(folder, 'timings.json');

/** `shard-00003-of-00100`; undefined: the run is not split. */
export function outputFiles(folder: string, shard: Shard | undefined): OutputFiles {
  if (shard === undefined) {
    const results = resultsFile(folder, 'jsonl');
    const done = summaryFile(folder);
    const all = [...formats.map((format) => resultsFile(folder, format)), done];
    return {
      partial: `${results}.partial`,
      journal: join(folder, 'results.journal'),
      results,
      done,
      timings: timingsFile(folder),
      all,
    };
  }
  const name = shardName(shard);
  const results = join(folder, `${name}.jsonl`);
  const done = join(folder, `${name}.statistics.json`);
  const lattices = join(folder, `${name}.lattices.jsonl`);
  return {
    partial: `${results}.partial`,
    journal: join(folder, `${name}.journal`),
    results,
    done,
    timings: join(folder, `${name}.timings.json`),
    lattices,
    all: [results, lattices, done],
  };
}

export function shardName({ index, count }: Shard): string {
  const digits = (n: number) => String(n).padStart(5, '0');
  return `shard-${digits(index)}-of-${digits(count)}`;
}
