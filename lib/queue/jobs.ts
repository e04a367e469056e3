// What a worker does with a job: evaluates a shard, or merges a run's shards.

import { resultsFile } from '../eval/files.js';
import { type Inputs, openInputs } from '../eval/inputs.js';
import { RunConflict } from '../eval/journal.js';
import { mergeShards } from '../eval/merge.js';
import { Page } from '../eval/page.js';
import { evaluateShard, type Progress } from '../eval/run.js';
import { difference } from '../eval/settings.js';
import { packageVersion } from '../here.cjs';
import { WrongWorker } from './failures.js';
import { readMerged } from './folder.js';
import type { Lease } from './lease.js';
import { findFiles } from './paths.js';
import type { StoredRun } from './spec.js';

/** What Redis is told of a shard under way. */
export interface ShardProgress {
  done: number;
  perSecond: number;
}

/** What Redis keeps of a finished shard. */
export interface ShardReport {
  shard: number;
  utterances: number;
  /** How many utterances have each status. */
  statuses: Partial<Record<string, number>>;
  seconds: number;
  worker: string;
}

/** What Redis keeps of merged results. */
export interface MergeReport {
  utterances: number;
  statuses: Partial<Record<string, number>>;
  results: string;
  html?: string;
  /** An earlier process had merged them. */
  already: boolean;
}

/** How this machine does it. */
export interface Machine {
  root: string | undefined;
  threads: number | undefined;
  batchBytes: number | undefined;
  warn: (message: string) => void;
}

/** Evaluates shards. Consecutive ones of one run share the open files and the count of the manifest's rows. */
export class Evaluator {
  readonly #machine: Machine;
  #open: { run: string; inputs: Inputs } | undefined;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /**
   * Evaluates a shard, or goes on with it where another worker stopped.
   *
   * @throws As `evaluateShard`; RunConflict where the files are no longer those that the run was added with; WrongWorker.
   */
  async evaluate(
    id: string,
    run: StoredRun,
    shard: number,
    lease: Lease,
    onProgress: (progress: Progress) => void,
  ): Promise<Omit<ShardReport, 'worker'>> {
    checkVersion(id, run);
    const began = performance.now();
    const { batchBytes, warn, root } = this.#machine;
    const { out } = findFiles(run, root);
    try {
      const { source, rows, settings, engine } = await this.#inputs(id, run, lease.signal);
      const { summary } = await evaluateShard({
        source,
        rows,
        settings,
        engine: { ...engine, signal: lease.signal },
        shard: { index: shard, count: run.shards },
        out,
        resume: true,
        batchBytes,
        warn,
        onProgress,
        beforeWriting: () => lease.check(),
      });
      const { utterances, statuses } = summary;
      return { shard, utterances, statuses, seconds: (performance.now() - began) / 1000 };
    } catch (error) {
      // Perhaps the files are others by the next try.
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.inputs.source.close();
  }

  async #inputs(id: string, run: StoredRun, signal: AbortSignal): Promise<Inputs> {
    if (this.#open?.run === id) return this.#open.inputs;
    await this.close();
    const { root, threads, warn } = this.#machine;
    const { data, manifest, tokens } = findFiles(run, root);
    const options = { ...run.options, tokens, threads };
    const inputs = await openInputs(data, manifest, options, warn, signal);
    this.#open = { run: id, inputs };
    const differs = difference(run.settings, inputs.settings);
    if (differs === undefined) return inputs;
    throw new RunConflict(`the files have changed since the run was added: ${differs}`);
  }
}

/**
 * Merges the shards of a run. A process that was stopped in the middle, or after it, has left nothing that another
 * one does not put right: files appear whole, and the last of them says that all are there.
 *
 * @throws As `mergeShards`; WrongWorker.
 */
export async function merge(id: string, run: StoredRun, machine: Machine): Promise<MergeReport> {
  checkVersion(id, run);
  const { out, html } = findFiles(run, machine.root);
  const results = resultsFile(out, run.results);
  const claim = { out, shards: run.shards, settings: run.settings };
  const there = await readMerged(claim, run.results, html);
  if (there !== undefined) {
    const { utterances, statuses } = there;
    return { utterances, statuses, results, html, already: true };
  }
  // What may be in its place was looked at when the run was added.
  const { summary } = await mergeShards({
    folders: [out],
    out,
    format: run.results,
    overwrite: true,
    page: html === undefined ? undefined : await Page.open(html, out),
    warn: machine.warn,
  });
  const { utterances, statuses } = summary;
  return { utterances, statuses, results, html, already: false };
}

function checkVersion(id: string, { format, settings }: StoredRun): void {
  if (format === 'node-ctc run 1' && settings.version === packageVersion) return;
  throw new WrongWorker(
    `run ${id} was added by node-ctc ${settings?.version}, and this worker is ${packageVersion}: use one version for both`,
  );
}
