// From the lines of a manifest to its fields, for each format.

import { splitRecord } from './delimited.js';
import { fileError, quote } from './file.js';
import { parseJson } from './json.js';
import type { Line } from './lines.js';

export type ManifestFormat = 'jsonl' | 'csv' | 'tsv' | 'kaldi';

/** A row, or what is wrong with it in `reason`. */
export interface ParsedRow {
  line: number;
  id?: string;
  text?: string;
  frames?: number;
  reason?: string;
}

export interface Parser {
  format: ManifestFormat;
  /** undefined where the line is blank, a header, or not the last of its row. */
  parse: (line: Line) => ParsedRow | undefined;
  /** Throws `ERR_CTC_FILE` where a row has begun and not ended. */
  end: () => void;
}

/** The names of each field, the first that a row has counts; the later ones are other tools'. */
const names = {
  id: ['id', 'utt_id', 'key', 'audio_filepath'],
  text: ['text', 'transcript'],
  frames: ['frames', 'num_frames'],
} as const;

/** In tables, the names of some published corpora besides. */
const columnNames = {
  id: [...names.id, 'path', 'file', 'wav_filename'],
  text: [...names.text, 'sentence', 'transcription'],
  frames: names.frames,
} as const;

/** A parser for the format that `asked`, the file's name or its first line that is not blank tells. */
export function makeParser(
  path: string,
  asked: ManifestFormat | undefined,
  first: string,
  needsText: boolean,
): Parser {
  const format = asked ?? guessFormat(path, first);
  const end = () => {};
  if (format === 'jsonl') return { format, parse: (line) => parseJsonLine(line, needsText), end };
  if (format === 'kaldi') return { format, parse: parseKaldi, end };
  return { format, ...makeTable(path, format) };
}

function guessFormat(path: string, first: string): ManifestFormat {
  const name = path.toLowerCase();
  if (/\.(jsonl|ndjson|json)$/.test(name)) return 'jsonl';
  if (name.endsWith('.csv')) return 'csv';
  if (name.endsWith('.tsv')) return 'tsv';
  if (/^\s*[{[]/.test(first)) return 'jsonl';
  if (isHeader(first, '\t')) return 'tsv';
  if (isHeader(first, ',')) return 'csv';
  if (/(^|[/\\])text$|\.(txt|trn)$/.test(name)) return 'kaldi';
  return 'jsonl';
}

function isHeader(line: string, delimiter: ',' | '\t'): boolean {
  const fields = splitRecord(line, delimiter);
  return fields?.some((field) => columnNames.text.includes(field as 'text')) ?? false;
}

function parseJsonLine(
  { line, text: source, valid }: Line,
  needsText: boolean,
): ParsedRow | undefined {
  if (source.trim() === '') return undefined;
  if (!valid) return { line, reason: 'not UTF-8 text' };
  const row = emptyRow(line);
  let fields: Record<string, unknown>;
  try {
    fields = parseJson(source) as Record<string, unknown>;
  } catch (error) {
    return fail(row, error instanceof RangeError ? error.message : `not JSON: ${quote(source)}`);
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    return fail(row, `not a JSON object: ${quote(source)}`);
  }
  return readFields(fields, row, needsText);
}

/** Takes id, text and frames of a JSON object. */
export function readFields(
  fields: Record<string, unknown>,
  row: ParsedRow,
  needsText = true,
): ParsedRow {
  const idName = firstOf(names.id, fields);
  const id = idName === undefined ? undefined : fields[idName];
  if (typeof id === 'string' && id !== '') row.id = id;
  else if (typeof id === 'number') row.id = String(id);
  else if (idName !== undefined) return fail(row, `"${idName}" is ${show(id)}, not a name`);
  // NeMo's segments of one recording.
  if (idName === 'audio_filepath' && typeof fields.offset === 'number' && fields.offset !== 0) {
    row.id += `@${fields.offset}`;
  }

  const textName = firstOf(names.text, fields);
  if (textName === undefined && needsText) return fail(row, 'no "text"');
  if (textName !== undefined) {
    const text = fields[textName];
    if (typeof text !== 'string') return fail(row, `"${textName}" is ${show(text)}, not text`);
    row.text = text;
  }

  const framesName = firstOf(names.frames, fields);
  if (framesName === undefined) return row;
  const frames = fields[framesName];
  if (typeof frames !== 'number' || !Number.isSafeInteger(frames) || frames < 0) {
    return fail(row, `"${framesName}" is ${show(frames)}, not a count of frames`);
  }
  row.frames = frames;
  return row;
}

/** With all of its fields, so that all rows have one shape. */
function emptyRow(line: number): ParsedRow {
  return { line, id: undefined, text: undefined, frames: undefined, reason: undefined };
}

function fail(row: ParsedRow, reason: string): ParsedRow {
  row.reason = reason;
  return row;
}

function firstOf(among: readonly string[], fields: Record<string, unknown>): string | undefined {
  for (const name of among) if (Object.hasOwn(fields, name)) return name;
  return undefined;
}

// Kaldi's `text`: an id, spaces, and the rest is the text.
function parseKaldi({ line, text: source, valid }: Line): ParsedRow | undefined {
  const trimmed = source.trim();
  if (trimmed === '') return undefined;
  if (!valid) return { line, reason: 'not UTF-8 text' };
  const id = /^\S+/.exec(trimmed)![0];
  return { line, id, text: trimmed.slice(id.length).trimStart() };
}

// A quoted field of a CSV may go over so many lines or characters; beyond, the quote is a mistake.
const mostLines = 1000;
const mostCharacters = 2 ** 20;

function makeTable(path: string, format: 'csv' | 'tsv'): Pick<Parser, 'parse' | 'end'> {
  const delimiter = format === 'csv' ? ',' : '\t';
  let columns: { id?: number; text: number; frames?: number; count: number } | undefined;
  /** The lines of a row whose quote is still open. */
  let begun: { line: number; text: string; lines: number; valid: boolean } | undefined;
  const open = (line: number): Error =>
    fileError(
      path,
      `the quote that line ${line} opens is not closed`,
      'Write "" for a quote in it',
    );

  const parse = ({ line, text, valid }: Line): ParsedRow | undefined => {
    if (begun === undefined && text.trim() === '') return undefined;
    begun =
      begun === undefined
        ? { line, text, lines: 1, valid }
        : {
            line: begun.line,
            text: `${begun.text}\n${text}`,
            lines: begun.lines + 1,
            valid: begun.valid && valid,
          };
    const fields = splitRecord(begun.text, delimiter);
    if (fields === undefined) {
      if (begun.lines < mostLines && begun.text.length < mostCharacters) return undefined;
      throw open(begun.line);
    }
    const row = { line: begun.line };
    const whole = begun;
    begun = undefined;
    if (columns === undefined) {
      columns = readHeader(path, fields, format);
      return undefined;
    }
    if (!whole.valid) return { ...row, reason: 'not UTF-8 text' };
    if (fields.length !== columns.count) {
      const found = `${fields.length} fields; the header has ${columns.count}`;
      return { ...row, reason: `${found}: ${quote(whole.text)}` };
    }
    return readColumns(fields, columns, row);
  };
  const end = () => {
    if (begun !== undefined) throw open(begun.line);
  };
  return { parse, end };
}

type Columns = { id?: number; text: number; frames?: number; count: number };

function readHeader(path: string, fields: string[], format: 'csv' | 'tsv'): Columns {
  const header = fields.map((field) => field.trim());
  const find = (field: keyof typeof columnNames): number | undefined => {
    const name = columnNames[field].find((each) => header.includes(each));
    return name === undefined ? undefined : header.indexOf(name);
  };
  const text = find('text');
  if (text === undefined) {
    throw fileError(
      path,
      `its first line has no column "text": ${quote(fields.join(format === 'csv' ? ',' : '\t'))}`,
      'Write a header with the columns id, text and (for padded arrays) frames',
    );
  }
  return { id: find('id'), text, frames: find('frames'), count: fields.length };
}

function readColumns(fields: string[], columns: Columns, row: ParsedRow): ParsedRow {
  if (columns.id !== undefined) {
    if (fields[columns.id] === '') return { ...row, reason: 'the id is empty' };
    row.id = fields[columns.id]!;
  }
  row.text = fields[columns.text]!;
  if (columns.frames === undefined) return row;
  const frames = fields[columns.frames]!.trim();
  if (!/^\d{1,15}$/.test(frames)) {
    return { ...row, reason: `"frames" is ${quote(frames)}, not a count of frames` };
  }
  row.frames = Number(frames);
  return row;
}

/** A value of JSON for a message. Lists and objects are not looked into: they may be deeper than the stack. */
export function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'a list' : 'an object';
  }
  return quote(JSON.stringify(value) ?? 'undefined').slice(1, -1);
}
