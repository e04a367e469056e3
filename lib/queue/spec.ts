// What a run in the queue is: its files, its settings, its shards. This is what Redis holds of it.

import { createHash } from 'node:crypto';
import { rangeError, show, typeError } from '../errors.js';
import type { Format } from '../eval/formats.js';
import { formats } from '../eval/formats.js';
import type { Given } from '../eval/inputs.js';
import type { Settings } from '../eval/settings.js';
import { checkOptions, choice, flag, INPUT_KINDS, integer, LAYOUTS } from '../options.js';

/** An evaluation that is split into jobs. What the fields mean is said in docs/eval.md. */
export interface RunSpec {
  /** The model outputs: files, folders or patterns. */
  data: readonly string[];
  /** Ids, texts and frames. */
  manifest: string;
  /** The symbols of the classes. */
  tokens: string;
  /** The folder for the shards' files and for the merged results. All workers must see the same one. */
  out: string;
  /** In how many jobs the run is split, 1 to 100,000. */
  shards: number;
  /** Of the merged records. Default: 'jsonl'. */
  format?: 'jsonl' | 'csv' | 'parquet';
  /** Order of the axes of three-dimensional arrays. Default: 'TNC'. */
  layout?: 'TNC' | 'NTC';
  /** What the numbers are. Default: 'logits'. */
  input?: 'logits' | 'logProbs';
  /** Class of the blank, -1 for the last one. Default: the `<blank>` line of the tokens. */
  blank?: number;
  /** The array or column of the data that holds the outputs. */
  array?: string;
  /** The column of the data that holds the ids. */
  idColumn?: string;
  /** Read 16-bit integers as bfloat16. */
  bfloat16?: boolean;
  /** The token between words, or with which they begin; '' for none. */
  wordDelimiter?: string;
  /** How many of the worst utterances the summary has. Default: 10. */
  worst?: number;
  /** A page to look at, written with the merged results. Needs the packages `@observablehq/plot` and `linkedom`. */
  html?: string;
}

/** The files of a run; `stored` paths in Redis, `found` ones on a machine. */
export interface RunFiles {
  data: string[];
  manifest: string;
  tokens: string;
  out: string;
  html?: string;
}

/** A run as Redis holds it. */
export interface StoredRun extends RunFiles {
  format: 'node-ctc run 1';
  results: Format;
  shards: number;
  options: Omit<Given, 'tokens' | 'threads'>;
  /** What the run began with: a worker that finds something else does not evaluate. */
  settings: Settings;
}

export const mostShards = 100_000;

const keys: ReadonlySet<string> = new Set<keyof RunSpec>([
  'data',
  'manifest',
  'tokens',
  'out',
  'shards',
  'format',
  'layout',
  'input',
  'blank',
  'array',
  'idColumn',
  'bfloat16',
  'wordDelimiter',
  'worst',
  'html',
]);

/** A specification, checked, without its settings, which only the files tell. Throws TypeError and RangeError. */
export function checkSpec(spec: unknown): Omit<StoredRun, 'settings'> {
  const given = checkOptions(spec, keys);
  if (given.shards === undefined) {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', 'shards is missing: into how many jobs?');
  }
  const { data } = given;
  if (!Array.isArray(data) || data.length === 0 || !data.every(isText)) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `data must be an array of paths, not ${show(data)}`,
    );
  }
  if (data.some((path) => /^-$|\.(jsonl|ndjson)$/i.test(path))) {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      'JSON Lines are read only once and cannot be split: write the outputs to a file of another format',
    );
  }
  const blank =
    given.blank === undefined ? undefined : integer(given.blank, 'blank', -1, 2 ** 31 - 1, -1);
  return {
    format: 'node-ctc run 1',
    data: [...data],
    manifest: path(given.manifest, 'manifest'),
    tokens: path(given.tokens, 'tokens'),
    out: path(given.out, 'out'),
    html: given.html === undefined ? undefined : path(given.html, 'html'),
    results: choice(given.format, 'format', formats, 'jsonl'),
    shards: integer(given.shards, 'shards', 1, mostShards, 1),
    options: {
      layout: choice(given.layout, 'layout', LAYOUTS, 'TNC'),
      input: choice(given.input, 'input', INPUT_KINDS, 'logits'),
      blank,
      array: optionalText(given.array, 'array'),
      idColumn: optionalText(given.idColumn, 'idColumn'),
      bfloat16: flag(given.bfloat16, 'bfloat16', false),
      wordDelimiter: optionalText(given.wordDelimiter, 'wordDelimiter'),
      worst: integer(given.worst, 'worst', 0, 100_000, 10),
    },
  };
}

/** The same for the same files, settings and shards: 48 bits of a hash, in hexadecimal. BullMQ takes no number. */
export function runId(run: StoredRun): string {
  const id = createHash('sha256').update(JSON.stringify(run)).digest('hex').slice(0, 12);
  return id.replace(/^\d(?=\d*$)/, 'a');
}

/** The id of a shard's job. BullMQ takes no colon. */
export function shardId(run: string, shard: number): string {
  return `${run}-${shard}`;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function path(value: unknown, name: string): string {
  if (isText(value)) return value;
  throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${name} must be a path, not ${show(value)}`);
}

function optionalText(value: unknown, name: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw typeError('ERR_CTC_INVALID_ARG_TYPE', `${name} must be a string, not ${show(value)}`);
}
