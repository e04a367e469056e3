// Which array of a file that holds several is the model's output.

import { fileError, quote } from './file.js';
import type { KeyIndex } from './keyIndex.js';
import { columnNames } from './rowMatrix.js';
import type { SourceOptions } from './source.js';

export interface Container {
  readonly ids: KeyIndex;
  readonly warnings: string[];
  /** Throws `ERR_CTC_FILE` for an array that cannot be read. */
  shape(position: number): readonly number[];
}

const outputNames: readonly string[] = columnNames.logits;
// Beyond so many arrays, they are utterances.
const mostNamed = 64;

/**
 * The position of the array that holds a whole batch: the one named by `options.array`, or the only one of three axes,
 * or of two where its name is one for outputs (`logits`) and no utterance's; undefined where the arrays are one for each utterance. Throws `ERR_CTC_FILE` where that is not clear.
 */
export function chooseArray(
  path: string,
  container: Container,
  { array }: SourceOptions,
): number | undefined {
  const { ids } = container;
  if (array !== undefined) {
    const position = ids.find(array);
    if (position !== undefined) return position;
    throw fileError(path, `has no array ${quote(array)}`, `It has ${list(ids, ids.count)}`);
  }
  if (ids.count > mostNamed) return undefined;
  const [flat, deep]: [number[], number[]] = [[], []];
  for (let i = 0; i < ids.count; i++) {
    const axes = axesOf(container, i);
    if (axes === 2) flat.push(i);
    if (axes === 3) deep.push(i);
  }
  const isOutputs = flat.length === 1 && outputNames.includes(ids.at(flat[0]!));
  const chosen = deep[0] ?? (isOutputs ? flat[0] : undefined);
  if (chosen === undefined) return undefined;
  if (deep.length > 1) {
    throw fileError(
      path,
      `has ${deep.length} arrays of three axes`,
      `Name the one with the model's outputs (--array); it has ${list(ids, ids.count)}`,
    );
  }
  if (ids.count > 1) {
    container.warnings.push(
      `${path}: of ${list(ids, ids.count)}, ${quote(ids.at(chosen))} is read`,
    );
  }
  return chosen;
}

function axesOf(container: Container, position: number): number | undefined {
  try {
    return container.shape(position).length;
  } catch {
    // Lengths and texts beside the outputs are no floats.
    return undefined;
  }
}

function list(ids: KeyIndex, count: number): string {
  const shown = Array.from({ length: Math.min(count, 8) }, (_, i) => quote(ids.at(i)));
  return shown.join(', ') + (count > shown.length ? `, and ${count - shown.length} more` : '');
}
