// Opens what an evaluation is given and checks that it belongs together.

import { readTokens, type Tokens } from '../io/tokens.js';
import { checkCount, type DataOptions, openData } from './data.js';
import { checkTokens, chooseBlank } from './model.js';
import { Writing } from './reference.js';
import { openRows } from './rows.js';
import type { RunOptions } from './run.js';
import { settingsOf } from './settings.js';
import type { StreamOptions } from './stream.js';
import { UsageError } from './usage.js';

/** What is asked of an evaluation besides its files. */
export interface Given extends DataOptions {
  tokens: string;
  blank?: number;
  input: 'logits' | 'logProbs';
  wordDelimiter?: string;
  worst: number;
  threads?: number;
}

export type Inputs = Pick<RunOptions, 'source' | 'rows' | 'settings' | 'engine'>;
type StreamInputs = Pick<StreamOptions, 'stream' | 'choices' | 'engine' | 'checkClasses'>;

/** Throws `ERR_CTC_FILE`, UsageError and the signal's reason. */
export async function openInputs(
  data: readonly string[],
  manifest: string,
  options: Given,
  warn: (message: string) => void,
  signal: AbortSignal | undefined,
): Promise<Inputs> {
  const tokens = await readTokens(options.tokens);
  const source = await openData(data, options, signal);
  try {
    source.warnings.forEach(warn);
    checkTokens(tokens, source.classes, source.paths[0]!);
    const { engine, choices } = chooseModel(tokens, source.classes, options, signal);
    const rows = await openRows(manifest, signal);
    checkCount(source, rows, options.layout);
    const counted = { utterances: rows.count, sha256: rows.sha256 };
    const settings = settingsOf(source, { ...choices, manifest: counted });
    return { source, rows, settings, engine };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** For utterances in JSON Lines, from standard input where `path` is '-'. Throws as `openInputs`. */
export async function openStreamInputs(
  path: string,
  options: Given,
  signal: AbortSignal,
): Promise<StreamInputs> {
  const tokens = await readTokens(options.tokens);
  const { engine, choices } = chooseModel(tokens, tokens.symbols.length, options, signal);
  const { openStream } = await import('../io/jsonlStream.js');
  const stream = openStream(path);
  const checkClasses = (classes: number) => checkTokens(tokens, classes, stream.path);
  return { stream, choices, engine, checkClasses };
}

function chooseModel(
  tokens: Tokens,
  classes: number,
  { blank: given, input, layout, array, wordDelimiter, worst, threads }: Given,
  signal: AbortSignal | undefined,
): Pick<StreamInputs, 'engine' | 'choices'> {
  const { symbols } = tokens;
  const blank = chooseBlank(tokens, classes, given);
  const writing = makeWriting(symbols, blank, wordDelimiter);
  const delimiter = writing.delimiter ?? null;
  return {
    engine: { input, blank, writing, threads, signal },
    choices: {
      input,
      layout,
      array: array ?? null,
      blank,
      wordDelimiter: delimiter,
      worst,
      symbols,
    },
  };
}

function makeWriting(symbols: string[], blank: number, delimiter: string | undefined): Writing {
  try {
    return new Writing(symbols, blank, delimiter === '' ? null : delimiter);
  } catch (error) {
    throw new UsageError(`--word-delimiter: ${(error as Error).message}`);
  }
}
