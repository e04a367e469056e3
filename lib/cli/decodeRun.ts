// Decodes model outputs, a bounded part of them at a time, and counts the errors against
// the manifest's texts. Nothing is printed here.

import { beamDecode, greedyDecode } from '../decode.js';
import type { DecodedPath } from '../decodeCall.js';
import type { BeamOptions } from '../decodeOptions.js';
import { describeNonfinite } from '../eval/outputs.js';
import type { ReadRow } from '../eval/reader.js';
import { fileError, quote, readText, splitLines } from '../io/file.js';
import { type SourceBatch, tensorOf } from '../io/source.js';
import { Lexicon } from '../lexicon.js';
import { loadLanguageModel } from '../lm.js';
import { type ErrorCounts, errorRate } from '../metrics.js';
import type { DecodeOptions } from './decode.js';
import { type Evaluation, lookUp, type ReadStatus, readParts } from './evaluate.js';
import { UsageError } from './exit.js';

export type DecodeStatus = 'ok' | 'infeasible' | 'nonfinite' | ReadStatus;

/** One hypothesis. */
export interface Hypothesis extends DecodedPath {
  readonly text: string;
  readonly logProb: number;
  /** Undefined for greedy decoding. */
  readonly score?: number;
}

/** One row of the manifest and what was heard. */
export interface DecodeRecord {
  index: number;
  id: string;
  line: number;
  status: DecodeStatus;
  /** Why it could not be decoded; undefined when `status` is 'ok'. */
  reason?: string;
  frames?: number;
  /** The true text; undefined where there is none. */
  reference?: string;
  /** Best first; empty unless `status` is 'ok'. */
  paths: readonly Hypothesis[];
  /** Of the best hypothesis; undefined without a reference. */
  characters?: ErrorCounts;
  /** The same in words; undefined as well where there are no words. */
  words?: ErrorCounts;
}

/** How to decode. */
export interface Decoder {
  /** Undefined: greedy. */
  readonly beam: number | undefined;
  readonly wordDelimiter: string | null;
  readonly guides: Pick<
    BeamOptions,
    | 'topPaths'
    | 'lm'
    | 'lmUnit'
    | 'alpha'
    | 'beta'
    | 'unkScore'
    | 'lexicon'
    | 'hotwords'
    | 'hotwordWeight'
  >;
}

const delimiters = [' ', '|', '▁'];

/** Reads the guides. Throws `ERR_CTC_FILE`, UsageError for a delimiter that is no token. */
export async function makeDecoder(
  { symbols, blank, options: { signal } }: Evaluation,
  options: DecodeOptions,
  beam: number | undefined,
): Promise<Decoder> {
  const begins = (mark: string) =>
    symbols.some((symbol, c) => c !== blank && symbol.startsWith(mark));
  const given = options.wordDelimiter;
  if (given && !begins(given)) {
    throw new UsageError(
      `--word-delimiter is ${quote(given)}, and no token is that or begins with it`,
    );
  }
  // A mark that begins pieces is one only where it stands for a word's beginning: ▁, not |.
  const found = delimiters.find((mark) => (mark === '▁' ? begins(mark) : symbols.includes(mark)));
  const wordDelimiter = given === undefined ? (found ?? null) : given || null;
  if (beam === undefined) return { beam, wordDelimiter, guides: {} };
  const lm = options.lm === undefined ? undefined : await loadLanguageModel(options.lm, { signal });
  const { lexicon: file, hotword, top: topPaths } = options;
  const lexicon = file === undefined ? undefined : await readLexicon(file, symbols, wordDelimiter);
  const hotwords = hotword && readHotwords(hotword, options.hotwordWeight);
  const { lmUnit, alpha, beta, unkScore } = options;
  return {
    beam,
    wordDelimiter,
    guides: { topPaths, lm, lmUnit, alpha, beta, unkScore, lexicon, hotwords },
  };
}

/**
 * One word a line, or on every line a word and its tokens. A spelling may end with the delimiter, as
 * other tools' do.
 */
async function readLexicon(
  path: string,
  symbols: string[],
  delimiter: string | null,
): Promise<Lexicon> {
  const rows: { line: number; columns: string[] }[] = [];
  splitLines(await readText(path)).forEach((text, index) => {
    const columns = text.split(/\s+/u).filter((column) => column !== '');
    if (columns.length > 0) rows.push({ line: index + 1, columns });
  });
  const first = rows[0];
  if (first === undefined) {
    throw fileError(path, 'has no words', 'Write one word a line, or leave out --lexicon');
  }
  const spelled = first.columns.length > 1;
  const known = new Set(symbols);
  const entries = rows.map(({ line, columns: [word, ...spelling] }) => {
    if (spelling.length > 0 !== spelled) {
      throw fileError(
        path,
        `line ${line} ${spelled ? 'has no tokens' : 'has tokens'}, unlike line ${first.line}`,
        'Spell every word, or none',
      );
    }
    if (!spelled) return word!;
    if (spelling.length > 1 && spelling.at(-1) === delimiter) spelling.pop();
    const wrong = spelling.find((token) => !known.has(token));
    if (wrong === undefined) return [word!, spelling] as const;
    throw fileError(
      path,
      `line ${line} spells ${quote(word!)} with ${quote(wrong)}, which is no token`,
    );
  });
  return new Lexicon(entries, { tokens: symbols });
}

function readHotwords(given: string[], common = 10): Record<string, number> {
  return Object.fromEntries(
    given.map((each): [string, number] => {
      const at = each.lastIndexOf('=');
      return at < 0 ? [each, common] : [each.slice(0, at), Number(each.slice(at + 1))];
    }),
  );
}

/** The records of all rows, in order. */
export async function* decode(
  evaluation: Evaluation,
  decoder: Decoder,
): AsyncGenerator<DecodeRecord> {
  for await (const { rows, outputs } of readParts(evaluation)) {
    const records = rows.map((row) => ({ slot: row.slot, record: checkRow(row, outputs) }));
    yield* await decodePart(evaluation, decoder, outputs, records);
  }
}

/** A record with the place of its outputs; undefined where it has none. */
interface CheckedRecord {
  slot: number | undefined;
  record: DecodeRecord;
}

function checkRow(read: ReadRow, outputs: SourceBatch | undefined): DecodeRecord {
  const { row, index } = read;
  const { id, line, text: reference } = row;
  const { frames, fault } = lookUp(read, outputs);
  return { index, id, line, status: 'ok', frames, reference, paths: [], ...fault };
}

async function decodePart(
  { blank, symbols, options }: Evaluation,
  decoder: Decoder,
  outputs: SourceBatch | undefined,
  records: CheckedRecord[],
): Promise<DecodeRecord[]> {
  if (outputs === undefined) return records.map(({ record }) => record);
  const inputLengths = records
    .filter(({ slot }) => slot !== undefined)
    .map(({ record: { status, frames } }) => (status === 'ok' ? frames! : 0));
  const common = {
    inputLengths,
    blank,
    input: options.input,
    tokens: symbols,
    wordDelimiter: decoder.wordDelimiter,
    threads: options.threads,
    // The buffer is this module's own and is not written before the promise settles.
    buffers: 'borrow' as const,
    signal: options.signal,
  };
  const tensor = tensorOf(outputs);
  const found =
    decoder.beam === undefined
      ? (await greedyDecode(tensor, common)).utterances.map(({ status, ...path }) => {
          return { status, paths: status === 'ok' ? [path] : [] };
        })
      : (
          await beamDecode(tensor, {
            ...common,
            beamWidth: decoder.beam,
            ...decoder.guides,
          }).catch(inFlags)
        ).utterances;
  return records.map(({ slot, record }) => {
    if (record.status !== 'ok') return record;
    const n = slot!;
    const { status, paths } = found[n]!;
    if (status === 'nonfinite') {
      return { ...record, status, reason: describeNonfinite(outputs, n, inputLengths[n]!) };
    }
    if (status === 'infeasible') {
      return { ...record, status, reason: 'no hypothesis of the beam ends with a whole word' };
    }
    return count({ ...record, paths: paths as Hypothesis[] }, decoder);
  });
}

function count(record: DecodeRecord, { wordDelimiter }: Decoder): DecodeRecord {
  const { reference, paths } = record;
  if (reference === undefined) return record;
  const { text } = paths[0]!;
  const characters = errorRate(reference, text);
  if (wordDelimiter === null) return { ...record, characters };
  return { ...record, characters, words: errorRate(reference, text, { unit: 'word' }) };
}

const flags = { wordDelimiter: '--word-delimiter', lmUnit: '--lm-unit', lexicon: '--lexicon' };

/** What the library says about its options, said of the command line's. */
function inFlags(error: Error & { code?: string }): never {
  if (!(error instanceof RangeError) || error.code === 'ERR_CTC_BUFFER') throw error;
  throw new UsageError(
    Object.entries(flags).reduce(
      (text, [name, flag]) => text.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), flag),
      error.message,
    ),
  );
}
