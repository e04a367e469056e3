// What the model's classes mean.

import { readFileSync } from 'node:fs';
import { ServeError } from './errors.mjs';

/** The symbol of each class; class 0 is the blank. */
export const TOKENS = readFileSync(new URL('model/tokens.txt', import.meta.url), 'utf8')
  .replace(/\n$/, '')
  .split('\n');

const CLASSES = new Map(TOKENS.slice(1).map((symbol, i) => [symbol, i + 1]));

/**
 * The classes of a text's characters.
 *
 * @throws ServeError 400 `UNKNOWN_CHARACTER`
 */
export function labelsOf(text) {
  return Array.from(text, (symbol, i) => {
    const label = CLASSES.get(symbol);
    if (label !== undefined) return label;
    const shown = JSON.stringify(symbol);
    throw new ServeError(
      400,
      'UNKNOWN_CHARACTER',
      `character ${i} of the transcript is ${shown}, which the model cannot write`,
    );
  });
}
