import { show, typeError } from './errors.js';
import { nearest } from './options.js';

const KEYS = ['data', 'shape', 'dims', 'type', 'strides'];
// What belongs into the options, and does nothing here.
const OPTIONS = [
  'inputLengths',
  'targetLengths',
  'blank',
  'input',
  'layout',
  'reduction',
  'device',
];

/**
 * Refuses unknown keys of a tensor written as `{ data, shape }`: a misspelled one would be a silent default. Tensors of
 * other libraries are objects of a class, with more properties. About 10 ns.
 *
 * @throws TypeError `ERR_CTC_UNKNOWN_OPTION`, naming the key and the nearest known one.
 */
export function checkTensorKeys(tensor: object, name: string): void {
  const prototype: unknown = Object.getPrototypeOf(tensor);
  if (prototype !== Object.prototype && prototype !== null) return;
  for (const key in tensor) {
    // Faster than a Set: keys are compared as pointers.
    switch (key) {
      case 'data':
      case 'shape':
      case 'dims':
      case 'type':
      case 'strides':
        break;
      default:
        throw unknownKey(key, name);
    }
  }
}

function unknownKey(key: string, name: string): Error {
  const near = nearest(key, KEYS);
  const option = near === undefined ? nearest(key, OPTIONS) : undefined;
  const hint =
    near !== undefined
      ? `; did you mean '${near}'?`
      : option !== undefined
        ? `; did you mean the option '${option}'? Options are an argument of their own`
        : `; the keys are ${KEYS.join(', ')}`;
  return typeError('ERR_CTC_UNKNOWN_OPTION', `unknown key ${show(key)} of ${name}${hint}`);
}
