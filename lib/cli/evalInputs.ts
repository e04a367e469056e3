// Opens what `node-ctc eval` is given and checks that it belongs together.

import { Writing } from '../eval/reference.js';
import { openRows } from '../eval/rows.js';
import type { RunOptions } from '../eval/run.js';
import { settingsOf } from '../eval/settings.js';
import { fileError } from '../io/file.js';
import { type ArraySource, openSource } from '../io/openSource.js';
import { readTokens } from '../io/tokens.js';
import { UsageError } from './exit.js';
import { checkTokens, chooseBlank } from './model.js';
import { count } from './terminal.js';

interface Given {
  manifest: string;
  tokens: string;
  blank?: number;
  layout: 'TNC' | 'NTC';
  input: 'logits' | 'logProbs';
  array?: string;
  bfloat16?: boolean;
  wordDelimiter?: string;
  worst: number;
  threads?: number;
}

type Inputs = Pick<RunOptions, 'source' | 'rows' | 'settings' | 'engine'>;

/** Throws `ERR_CTC_FILE` and UsageError. */
export async function openInputs(
  data: readonly string[],
  options: Given,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<Inputs> {
  const { layout, input, array, bfloat16 } = options;
  const tokens = await readTokens(options.tokens);
  const source = await openSource(data, { layout, bfloat16, array });
  try {
    source.warnings.forEach(warn);
    const { symbols } = tokens;
    checkTokens(tokens, source.classes, source.paths[0]!);
    const blank = chooseBlank(tokens, source.classes, options.blank);
    const writing = makeWriting(symbols, blank, options.wordDelimiter);
    const rows = await openRows(options.manifest);
    checkCount(source, rows, layout);
    const settings = settingsOf(source, {
      input,
      layout,
      array: array ?? null,
      blank,
      wordDelimiter: writing.delimiter ?? null,
      worst: options.worst,
      symbols,
      manifest: { utterances: rows.count, sha256: rows.sha256 },
    });
    const engine = { input, blank, writing, threads: options.threads, signal };
    return { source, rows, settings, engine };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function makeWriting(symbols: string[], blank: number, delimiter: string | undefined): Writing {
  try {
    return new Writing(symbols, blank, delimiter === '' ? null : delimiter);
  } catch (error) {
    throw new UsageError(`--word-delimiter: ${(error as Error).message}`);
  }
}

/** Without ids, row n belongs to utterance n, so that there must be as many. */
function checkCount(
  source: ArraySource,
  rows: { path: string; count: number },
  layout: 'TNC' | 'NTC',
): void {
  if (source.keyed || rows.count === source.count) return;
  const { shape } = source;
  const read = shape && ` (${shape.join(' x ')}, read as ${shape.length === 2 ? 'T x C' : layout})`;
  const swapped = shape?.length === 3 && shape[layout === 'TNC' ? 0 : 1] === rows.count;
  throw fileError(
    rows.path,
    `has ${count(rows.count, 'row')} and ${source.paths.join(', ')} holds ${count(source.count, 'utterance')}${read ?? ''}`,
    swapped
      ? `With --layout ${layout === 'TNC' ? 'NTC' : 'TNC'} they agree`
      : 'Give one row for each utterance, in the order of the data',
  );
}
