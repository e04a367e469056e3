// Manifests: a row for each utterance with its id, text and frames, in JSON Lines, CSV, TSV or as a
// Kaldi `text` file, row by row, so that a million of them need no more memory than their ids. A broken
// row keeps its place and is reported, not skipped: row n may belong to utterance n of an array.

import { fileError, quote, splitLines } from './file.js';
import { KeyIndex } from './keyIndex.js';
import { type Line, readLineGroups } from './lines.js';
import { type ManifestFormat, makeParser, type ParsedRow } from './manifestFormats.js';
import { NumberList } from './numberList.js';

export type { ManifestFormat } from './manifestFormats.js';

/** What can be wrong with a row by itself. */
export type RowFault = 'bad-row' | 'duplicate-id';

export interface ManifestRow {
  /** Line number in the file, from 1. */
  line: number;
  /** The row's own id, else `line-<number>`. */
  id: string;
  /** undefined: none was given, where that is allowed. */
  text: string | undefined;
  /** undefined: all frames of the array. */
  frames: number | undefined;
  fault?: { status: RowFault; reason: string };
}

export interface Manifest {
  path: string;
  rows: ManifestRow[];
}

/** Reads a whole manifest; see `manifestRows`. Throws `ERR_CTC_FILE`. */
export async function readManifest(path: string, options?: ManifestOptions): Promise<Manifest> {
  const rows: ManifestRow[] = [];
  for await (const row of manifestRows(path, options)) rows.push(row);
  return { path, rows };
}

export interface ManifestOptions {
  /** Default: as the file's name and first line say. */
  format?: ManifestFormat;
  /** The bytes, where `path` is only a name for them (standard input). */
  pieces?: AsyncIterable<Buffer>;
  /** Whether a row without a text is broken. Default: true. */
  needsText?: boolean;
  /** What tells rows with the id of an earlier one, which are faulty. Default: all ids are remembered. */
  earlier?: EarlierLines;
}

export interface EarlierLines {
  /** The line of the first row with this id, where that is an earlier one. */
  add(id: string, line: number): number | undefined;
}

/** Remembers all ids, about 30 bytes and the id for each. */
class AllLines implements EarlierLines {
  readonly #ids = new KeyIndex();
  readonly #lines = new NumberList();

  add(id: string, line: number): number | undefined {
    const first = this.#ids.add(id);
    this.#lines.add(line);
    return first === undefined ? undefined : this.#lines.at(first);
  }
}

/**
 * Rows in the order of the file; blank lines are skipped. Remembers nothing but what `earlier` does. Throws
 * `ERR_CTC_FILE` where the first 100 rows are all broken, since the file is then something else.
 */
export async function* manifestRows(
  path: string,
  options?: ManifestOptions,
): AsyncGenerator<ManifestRow> {
  for await (const rows of manifestRowGroups(path, options)) yield* rows;
}

/** As `manifestRows`, those that end in one piece of the file at a time: a promise for each row costs more than the row. */
export async function* manifestRowGroups(
  path: string,
  { format, pieces, needsText = true, earlier }: ManifestOptions = {},
): AsyncGenerator<Iterable<ManifestRow>> {
  const reader = new RowReader(path, format, needsText, earlier);
  for await (const lines of readLineGroups(path, pieces)) yield rowsIn(lines, reader);
  const last = reader.finish();
  if (last.length > 0) yield last;
}

function* rowsIn(lines: Iterable<Line>, reader: RowReader): Generator<ManifestRow> {
  for (const line of lines) {
    const row = reader.read(line);
    if (row === undefined) continue;
    // A list and its iterator for each row would cost as much as the row.
    if (reader.holds) yield* reader.hold(row);
    else yield row;
  }
}

/** The rows of a text in JSON Lines; see `manifestRows`. */
export function parseManifest(path: string, text: string): Manifest {
  const reader = new RowReader(path, 'jsonl', true);
  const lines = splitLines(text).map((source, index) => {
    return { line: index + 1, text: source, valid: true };
  });
  return { path, rows: [...rowsIn(lines, reader), ...reader.finish()] };
}

const mostBroken = 100;

class RowReader {
  readonly #path: string;
  readonly #needsText: boolean;
  #parse: ((line: Line) => ParsedRow | undefined) | undefined;
  #end: (() => void) | undefined;
  readonly #checker: RowChecker;
  /** The rows so far, while all of them are broken. */
  #broken: ManifestRow[] | undefined = [];
  #format: ManifestFormat | undefined;

  constructor(
    path: string,
    format: ManifestFormat | undefined,
    needsText: boolean,
    earlier?: EarlierLines,
  ) {
    this.#checker = new RowChecker(true, earlier);
    this.#path = path;
    this.#format = format;
    this.#needsText = needsText;
  }

  /** The row that is complete with this line. */
  read(line: Line): ManifestRow | undefined {
    if (this.#parse === undefined) {
      if (line.text.trim() === '') return undefined;
      const parser = makeParser(this.#path, this.#format, line.text, this.#needsText);
      this.#format = parser.format;
      this.#parse = parser.parse;
      this.#end = parser.end;
    }
    const parsed = this.#parse(line);
    return parsed && this.#checker.check(parsed);
  }

  /** Whether rows are held back: all of them so far are broken. */
  get holds(): boolean {
    return this.#broken !== undefined;
  }

  /** The rows that are held back no longer when this one has come. */
  hold(row: ManifestRow): ManifestRow[] {
    this.#broken!.push(row);
    if (row.fault?.status === 'bad-row' && this.#broken!.length < mostBroken) return [];
    return this.#release();
  }

  finish(): ManifestRow[] {
    this.#end?.();
    return this.#broken === undefined ? [] : this.#release();
  }

  #release(): ManifestRow[] {
    const rows = this.#broken!;
    this.#broken = undefined;
    const first = rows[0]?.fault;
    if (first !== undefined && rows.at(-1)!.fault?.status === 'bad-row') {
      throw fileError(
        this.#path,
        `has no usable row; line ${rows[0]!.line}: ${first.reason}`,
        remedies[this.#format!],
      );
    }
    return rows;
  }
}

/** From parsed rows to checked ones: ids that are there twice, frames that some rows lack. */
export class RowChecker {
  readonly #earlier: EarlierLines;
  readonly #sameFrames: boolean;
  /** Whether rows have frames, as the first one that is not broken says. */
  #framed: boolean | undefined;

  /** `sameFrames`: whether either all rows have frames or none has. */
  constructor(sameFrames: boolean, earlier: EarlierLines = new AllLines()) {
    this.#sameFrames = sameFrames;
    this.#earlier = earlier;
  }

  check({ line, id = `line-${line}`, text, frames, reason }: ParsedRow): ManifestRow {
    const row: ManifestRow = { line, id, text: reason === undefined ? text : '', frames };
    const first = this.#earlier.add(id, line);
    if (reason !== undefined) {
      row.fault = { status: 'bad-row', reason };
      return row;
    }
    if (first !== undefined) {
      const reason = `the id ${quote(id)} is already on line ${first}`;
      row.fault = { status: 'duplicate-id', reason };
      return row;
    }
    // A row that lacks what the others have would be evaluated over the padding.
    if (!this.#sameFrames) return row;
    this.#framed ??= frames !== undefined;
    if (this.#framed !== (frames !== undefined)) {
      const reason = this.#framed
        ? 'no "frames", which other rows have'
        : 'it has "frames", which the rows before it have not';
      row.fault = { status: 'bad-row', reason };
    }
    return row;
  }
}

const remedies: Record<ManifestFormat, string> = {
  jsonl: 'Write one JSON object a line: {"id": "a", "text": "hello", "frames": 50}',
  csv: 'Write a header (id,text,frames) and a line for each utterance',
  tsv: 'Write a header (id, text, frames, with tabs between) and a line for each utterance',
  kaldi: 'Write the id, a space and the text in each line',
};
