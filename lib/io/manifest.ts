// Manifests in JSON Lines: one object a line with an utterance's id, text and frames. Row n belongs
// to utterance n of the logits, so a broken row keeps its place and is reported, not skipped.

import { fileError, quote, readText, splitLines } from './file.js';

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

/** The names of each field, the first that a row has counts; the later ones are other tools'. */
const names = {
  id: ['id', 'utt_id', 'key', 'audio_filepath'],
  text: ['text', 'transcript'],
  frames: ['frames', 'num_frames'],
} as const;

export interface ManifestOptions {
  /** Whether a row without a text is broken. Default: true. */
  needsText?: boolean;
}

/** Reads a JSONL manifest; see `parseManifest`. Throws `ERR_CTC_FILE`. */
export async function readManifest(path: string, options?: ManifestOptions): Promise<Manifest> {
  return parseManifest(path, await readText(path), options);
}

/**
 * Rows in the order of the file; blank lines are skipped. Throws `ERR_CTC_FILE` only when there is no usable
 * row at all, since the file is then something else.
 */
export function parseManifest(
  path: string,
  text: string,
  { needsText = true }: ManifestOptions = {},
): Manifest {
  const rows: ManifestRow[] = [];
  const lineOf = new Map<string, number>();
  splitLines(text).forEach((source, index) => {
    if (source.trim() === '') return;
    const row = parseRow(source, index + 1, needsText);
    const first = lineOf.get(row.id);
    if (first !== undefined && row.fault === undefined) {
      const reason = `the id ${quote(row.id)} is already on line ${first}`;
      row.fault = { status: 'duplicate-id', reason };
    }
    if (first === undefined) lineOf.set(row.id, row.line);
    rows.push(row);
  });

  const broken = rows[0]?.fault;
  if (broken?.status === 'bad-row' && rows.every((row) => row.fault?.status === 'bad-row')) {
    throw fileError(
      path,
      `has no usable row; line ${rows[0]!.line}: ${broken.reason}`,
      'Write one JSON object a line: {"id": "a", "text": "hello", "frames": 50}',
    );
  }
  markMissingFrames(rows);
  return { path, rows };
}

function parseRow(source: string, line: number, needsText: boolean): ManifestRow {
  const row: ManifestRow = { line, id: `line-${line}`, text: '', frames: undefined };
  const fail = (reason: string): ManifestRow => {
    row.fault = { status: 'bad-row', reason };
    return row;
  };

  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(source);
  } catch {
    return fail(`not JSON: ${quote(source)}`);
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    return fail(`not a JSON object: ${quote(source)}`);
  }
  const find = (field: keyof typeof names) =>
    names[field].find((name) => Object.hasOwn(fields, name));

  const idName = find('id');
  const id = idName === undefined ? undefined : fields[idName];
  if (typeof id === 'string' && id !== '') row.id = id;
  else if (typeof id === 'number') row.id = String(id);
  else if (idName !== undefined) return fail(`"${idName}" is ${show(id)}, not a name`);

  const textName = find('text');
  if (textName === undefined && needsText) return fail('no "text"');
  const text = textName === undefined ? undefined : fields[textName];
  if (textName !== undefined && typeof text !== 'string') {
    return fail(`"${textName}" is ${show(text)}, not text`);
  }
  row.text = text as string | undefined;

  const framesName = find('frames');
  if (framesName === undefined) return row;
  const frames = fields[framesName];
  if (typeof frames !== 'number' || !Number.isSafeInteger(frames) || frames < 0) {
    return fail(`"${framesName}" is ${show(frames)}, not a count of frames`);
  }
  row.frames = frames;
  return row;
}

// A row that lacks what the others have would be evaluated over the padding.
function markMissingFrames(rows: ManifestRow[]): void {
  if (rows.every((row) => row.frames === undefined)) return;
  for (const row of rows) {
    if (row.frames !== undefined || row.fault !== undefined) continue;
    row.fault = { status: 'bad-row', reason: 'no "frames", which other rows have' };
  }
}

function show(value: unknown): string {
  return quote(JSON.stringify(value) ?? 'undefined').slice(1, -1);
}
