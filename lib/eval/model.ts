// What is told about a model: its symbols and its blank.

import { fileError } from '../io/file.js';
import type { Tokens } from '../io/tokens.js';
import { count } from './outputs.js';
import { UsageError } from './usage.js';

/** Throws `ERR_CTC_FILE` where the tokens are not those of the `classes` of `path`. */
export function checkTokens(tokens: Tokens, classes: number, path: string): void {
  if (tokens.symbols.length !== classes) {
    const lacksBlank = tokens.symbols.length + 1 === classes && tokens.blank === undefined;
    throw fileError(
      tokens.path,
      `has ${count(tokens.symbols.length, 'token')} and ${path} has ${classes} classes (its last axis)`,
      lacksBlank
        ? 'Add the line <blank> where the class of the blank is'
        : 'Give the tokens file of this model, one line for each class',
    );
  }
}

/**
 * The class of the blank: what --blank says, or the tokens.
 *
 * @throws UsageError where neither does, or they disagree.
 */
export function chooseBlank(tokens: Tokens, classes: number, given: number | undefined): number {
  if (given === undefined) {
    if (tokens.blank !== undefined) return tokens.blank;
    throw new UsageError(
      `which class is the blank? ${tokens.path} has no <blank> line: give --blank (-1 is the last class)`,
    );
  }
  if (given >= classes) {
    throw new UsageError(`--blank is ${given}; classes are 0 to ${classes - 1}`);
  }
  const blank = given === -1 ? classes - 1 : given;
  if (tokens.blank !== undefined && tokens.blank !== blank) {
    throw new UsageError(
      `--blank says class ${blank} and ${tokens.path} has ${tokens.symbols[tokens.blank]} as class ${tokens.blank}: leave out --blank or correct the file`,
    );
  }
  return blank;
}
