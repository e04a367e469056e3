// The page of an evaluation (--html): fed with the records as they come, written once all are there.

import { statSync } from 'node:fs';
import { AtomicFile, makeFolder } from '../io/atomicFile.js';
import { fileError } from '../io/file.js';
import { type Charts, loadCharts } from '../report/charts.js';
import { evaluationHtml } from '../report/evaluationHtml.js';
import type { MaybeLattice } from './lattice.js';
import { sweep, writeText } from './outputFile.js';
import type { EvalRecord } from './record.js';
import type { SummaryFile } from './report.js';
import { Selection } from './selection.js';

export class Page {
  readonly path: string;
  readonly #charts: Charts;
  readonly #selection = new Selection();

  private constructor(path: string, charts: Charts) {
    this.path = path;
    this.#charts = charts;
  }

  /**
   * Begins a page. Throws `ERR_CTC_FILE` where its packages are not installed or it could not be written later: a run
   * of hours should not end so.
   *
   * @param folder - Of the results, made first: the page may lie in it.
   */
  static async open(path: string, folder: string | undefined): Promise<Page> {
    if (folder !== undefined) makeFolder(folder);
    // Not a device either: a rename would put the page in its place.
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) {
      throw fileError(path, 'cannot be written: it is a folder or a device', 'Name a file');
    }
    new AtomicFile(path).abort();
    await sweep([path]);
    return new Page(path, await loadCharts(path));
  }

  /** In any order. */
  add(records: readonly EvalRecord[]): void {
    for (const record of records) this.#selection.add(record);
  }

  /** Throws `ERR_CTC_FILE`, and the signal's reason. */
  async write(
    summary: SummaryFile,
    lattices: readonly MaybeLattice[],
    signal?: AbortSignal,
  ): Promise<void> {
    const rows = this.#selection.rows();
    writeText(this.path, await evaluationHtml({ summary, rows, lattices, signal }, this.#charts));
  }
}
