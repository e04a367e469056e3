// The run of a command around what it computes: opens the files, listens for Ctrl-C, closes them.

import { readManifest } from '../io/manifest.js';
import { NpyFile } from '../io/npy.js';
import { readTokens } from '../io/tokens.js';
import { type Evaluation, prepare } from './evaluate.js';
import type { ArrayOptions, RunOptions } from './options.js';
import { showWarning } from './terminal.js';

export interface InputFiles {
  logits: string;
  /** undefined: rows are called by their numbers and have no texts. */
  manifest: string | undefined;
  /** Whether a row without a text is broken. Default: true. */
  needsText?: boolean;
}

/**
 * Calls `use` with what the files hold and with the list of warnings, which grows while it runs. Throws
 * `ERR_CTC_FILE`, UsageError, and an AbortError after Ctrl-C.
 */
export async function withInputs(
  files: InputFiles,
  options: ArrayOptions & RunOptions,
  use: (evaluation: Evaluation, warnings: readonly string[]) => Promise<void>,
): Promise<void> {
  const interrupt = new AbortController();
  // Once: a second Ctrl-C ends the process at once.
  process.once('SIGINT', () => interrupt.abort());

  const file = await NpyFile.open(files.logits, { bfloat16: options.bfloat16 });
  try {
    const { manifest, needsText } = files;
    const rows = manifest === undefined ? undefined : await readManifest(manifest, { needsText });
    const tokens = await readTokens(options.tokens);
    const warnings: string[] = [];
    const warn = (message: string) => {
      warnings.push(message);
      showWarning(message);
    };
    if (file.trailingBytes > 0) {
      warn(`${files.logits}: ${file.trailingBytes} bytes after the array are ignored`);
    }
    const { layout, input, blank, threads } = options;
    const { signal } = interrupt;
    const evaluation = prepare(file, rows, tokens, { layout, input, blank, threads, signal, warn });
    await use(evaluation, warnings);
  } finally {
    await file.close();
  }
}
