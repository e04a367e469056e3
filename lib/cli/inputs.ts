// The run of a command around what it computes: opens the files, listens for Ctrl-C, closes them.

import { openData } from '../eval/data.js';
import { readManifest } from '../io/manifest.js';
import { readTokens } from '../io/tokens.js';
import { type Evaluation, prepare } from './evaluate.js';
import type { ArrayOptions, RunOptions } from './options.js';
import { showWarning } from './terminal.js';

export interface InputFiles {
  logits: string;
  /** undefined: a row for each utterance, under its id or number and without a text. */
  manifest: string | undefined;
  /** Whether a row without a text is broken. Default: true. */
  needsText?: boolean;
}

/**
 * Calls `use` with what the files hold and with the list of warnings, which grows while it runs. Throws
 * `ERR_CTC_FILE`, UsageError, and an AbortError after Ctrl-C.
 */
export async function withInputs<R>(
  files: InputFiles,
  options: ArrayOptions & RunOptions,
  use: (evaluation: Evaluation, warnings: readonly string[]) => Promise<R>,
): Promise<R> {
  const interrupt = new AbortController();
  // Once: a second Ctrl-C ends the process at once.
  process.once('SIGINT', () => interrupt.abort());

  const { logits: path, needsText } = files;
  const source = await openData([path], options, interrupt.signal);
  try {
    const manifest =
      files.manifest === undefined ? undefined : await readManifest(files.manifest, { needsText });
    const tokens = await readTokens(options.tokens);
    const warnings: string[] = [];
    const warn = (message: string) => {
      warnings.push(message);
      showWarning(message);
    };
    source.warnings.forEach(warn);
    const { layout, input, blank, threads } = options;
    const { signal } = interrupt;
    const settings = { layout, input, blank, threads, signal, warn };
    return await use(prepare({ source, path, manifest, tokens }, settings), warnings);
  } finally {
    await source.close();
  }
}
