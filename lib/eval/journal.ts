// What keeps a run's work when its process dies: results are appended to a `.partial` file a batch at a
// time, and a journal says how far that file can be trusted.
//
// The journal is JSON Lines: a header with the run's settings, then for every finished batch how many
// utterances and bytes there are so far and a hash of the batch's bytes. A batch counts once its line is
// whole and the bytes meet the hash, so a kill at any point, a full disk or a crashed machine costs at most
// the batches that were under way.

import { createHash } from 'node:crypto';
import { access, open, readFile, rm } from 'node:fs/promises';
import { fileError, systemError } from '../io/file.js';
import { Appender, move, writeText } from './outputFile.js';
import { type EvalRecord, fromLine, LineBuffer } from './record.js';
import { difference, type Settings } from './settings.js';
import type { Looks } from './statistics.js';

/** A run cannot begin or go on where other results are. */
export class RunConflict extends Error {}

export interface JournalHeader {
  format: 'node-ctc journal 1';
  settings: Settings;
  /** Of the data files; see `fileStamp`. */
  stamp: string;
  /** The instruction set, which last digits depend on. */
  isa: string;
  start: number;
  end: number;
}

interface Entry {
  /** Utterances and bytes up to the end of this batch. */
  utterances: number;
  bytes: number;
  /** SHA-256 of the batch's bytes, its first half. */
  hash: string;
  looks: Looks;
}

/** A batch that an earlier process finished. */
export interface FinishedBatch {
  records: EvalRecord[];
  looks: Looks;
}

/** Where the files of one run, or of one shard, are. */
export interface RunFiles {
  /** Results so far. */
  partial: string;
  journal: string;
  /** What the results so far become when they are complete, if they are kept as JSON Lines. */
  results: string;
}

export class Journal {
  readonly files: RunFiles;
  readonly #partial: Appender;
  readonly #journal: Appender;
  readonly #lines = new LineBuffer();
  #utterances: number;

  private constructor(files: RunFiles, partial: Appender, journal: Appender, utterances: number) {
    this.files = files;
    this.#partial = partial;
    this.#journal = journal;
    this.#utterances = utterances;
  }

  /** Begins a run, over whatever was there. */
  static async begin(files: RunFiles, header: JournalHeader): Promise<Journal> {
    // In this order, so that no journal ever vouches for an earlier run's results.
    await rm(files.journal, { force: true });
    const partial = await Appender.open(files.partial);
    const line = toLine(header);
    writeText(files.journal, line);
    const journal = await Appender.open(files.journal, Buffer.byteLength(line));
    return new Journal(files, partial, journal, 0);
  }

  /**
   * Goes on with a run. `onBatch` gets every batch that is done, in order.
   *
   * @throws RunConflict where the run began with other settings or data; `ERR_CTC_FILE`.
   */
  static async resume(
    files: RunFiles,
    header: JournalHeader,
    onBatch: (batch: FinishedBatch) => void,
    warn: (message: string) => void,
  ): Promise<Journal> {
    // The process may have died after the results got their name and before the journal went.
    if (!(await exists(files.partial)) && (await exists(files.results))) {
      await move(files.results, files.partial);
    }
    const { first, entries } = await readJournal(files.journal);
    checkHeader(files, first.header, header);
    if (first.header.isa !== header.isa) {
      warn(
        `this run began with ${first.header.isa} instructions and goes on with ${header.isa}: last digits may differ from those of one run (NODE_CTC_ISA=${first.header.isa})`,
      );
    }
    let trusted = { utterances: 0, bytes: 0, journalBytes: first.bytes };
    for await (const { entry, text, journalBytes } of readBatches(files.partial, entries)) {
      onBatch({ records: text.trimEnd().split('\n').map(fromLine), looks: entry.looks });
      trusted = { utterances: entry.utterances, bytes: entry.bytes, journalBytes };
    }
    const journal = await Appender.open(files.journal, trusted.journalBytes);
    const partial = await Appender.open(files.partial, trusted.bytes);
    return new Journal(files, partial, journal, trusted.utterances);
  }

  /** Utterances that are done. */
  get utterances(): number {
    return this.#utterances;
  }

  /** Writes a batch down. Batches come one at a time, in order. */
  async append(records: readonly EvalRecord[], looks: Looks): Promise<void> {
    const bytes = this.#lines.of(records);
    await this.#partial.append(bytes);
    this.#utterances += records.length;
    const entry: Entry = {
      utterances: this.#utterances,
      bytes: this.#partial.bytes,
      hash: hashOf(bytes),
      looks,
    };
    await this.#journal.append(Buffer.from(toLine(entry)));
  }

  /** Resolves once the results are on the disk; closes the files. */
  async finish(): Promise<void> {
    await this.#partial.sync();
    await this.close();
  }

  async close(): Promise<void> {
    await this.#partial.close();
    await this.#journal.close();
  }
}

/** Throws RunConflict where a run with `header` must not go on with what another one began. */
function checkHeader(files: RunFiles, before: JournalHeader, now: JournalHeader): void {
  const begun = `${files.journal}: the run that --resume would go on with was begun differently`;
  const differs = difference(before.settings, now.settings);
  if (differs !== undefined) throw new RunConflict(`${begun}: ${differs}`);
  if (before.start !== now.start || before.end !== now.end) {
    throw new RunConflict(`${begun}: it holds other utterances`);
  }
  if (before.stamp !== now.stamp) {
    throw new RunConflict(`${begun}: a data file has changed since (its size or time)`);
  }
}

interface JournalLine {
  entry: Entry;
  /** Bytes of the journal up to the end of this line. */
  journalBytes: number;
}

/** What a run began with. Throws `ERR_CTC_FILE`. */
export async function readHeader(path: string): Promise<JournalHeader> {
  return (await readJournal(path)).first.header;
}

async function readJournal(
  path: string,
): Promise<{ first: { header: JournalHeader; bytes: number }; entries: JournalLine[] }> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw systemError(path, error);
  }
  // What follows the last newline is a line that was being written.
  const lines = text.split('\n').slice(0, -1);
  const header = parse<JournalHeader>(lines[0]);
  if (header?.format !== 'node-ctc journal 1') {
    throw fileError(path, 'is not a journal of this version', 'Begin anew with --overwrite');
  }
  let bytes = Buffer.byteLength(lines[0]!) + 1;
  const first = { header, bytes };
  const entries: JournalLine[] = [];
  for (const line of lines.slice(1)) {
    const entry = parse<Entry>(line);
    if (entry === undefined) break;
    bytes += Buffer.byteLength(line) + 1;
    entries.push({ entry, journalBytes: bytes });
  }
  return { first, entries };
}

/** The batches of the results that the journal vouches for, up to the first that does not fit it. */
async function* readBatches(
  path: string,
  lines: readonly JournalLine[],
): AsyncGenerator<JournalLine & { text: string }> {
  if (lines.length === 0) return;
  const file = await open(path).catch((error) => {
    throw systemError(path, error);
  });
  try {
    const { size } = await file.stat();
    let position = 0;
    for (const { entry, journalBytes } of lines) {
      const length = entry.bytes - position;
      if (!(length >= 0) || entry.bytes > size) return;
      const bytes = Buffer.alloc(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await file.read(bytes, done, length - done, position + done);
        if (bytesRead === 0) return;
        done += bytesRead;
      }
      if (hashOf(bytes) !== entry.hash) return;
      yield { entry, journalBytes, text: bytes.toString() };
      position = entry.bytes;
    }
  } finally {
    await file.close();
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function toLine(value: JournalHeader | Entry): string {
  return `${JSON.stringify(value)}\n`;
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

function parse<T extends object>(line: string | undefined): T | undefined {
  try {
    const value = JSON.parse(line ?? '');
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
