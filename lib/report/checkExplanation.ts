import { show, typeError } from '../errors.js';
import type { Explanation } from '../explain.js';
import { typedArrayName } from '../tensor.js';

const isArray = (value: unknown) => Array.isArray(value);
const isCount = (value: unknown) => Number.isInteger(value);
const isNumber = (value: unknown) => typeof value === 'number';
const isMatrix = (value: unknown) => typedArrayName(value) === 'Float64Array';

const FIELDS: Partial<Record<keyof Explanation, (value: unknown) => boolean>> = {
  frames: isCount,
  classes: isCount,
  blank: isCount,
  target: isArray,
  symbols: isArray,
  states: isArray,
  status: (value) => typeof value === 'string',
  loss: isNumber,
  probability: isNumber,
  emissions: isMatrix,
  alpha: isMatrix,
  beta: isMatrix,
  posteriors: isMatrix,
  bestPath: (value) => typeof value === 'object' && value !== null,
  spans: isArray,
  starts: isMatrix,
  ends: isMatrix,
  pathCount: (value) => typeof value === 'bigint',
};

/** Refuses what no `explain()` returned; a copy of one, from another thread or realm, will do. */
export function checkExplanation(value: unknown): void {
  const fields = typeof value === 'object' && value !== null ? value : undefined;
  for (const [name, fits] of Object.entries(FIELDS)) {
    if (fields !== undefined && fits((fields as Record<string, unknown>)[name])) continue;
    const found = fields === undefined ? show(value) : `an object whose ${name} is another`;
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `explanation must be what explain() returned, not ${found}`,
    );
  }
}
