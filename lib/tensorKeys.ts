import { show, typeError } from './errors.js';
import { nearest } from './options.js';

const KEYS = ['data', 'shape', 'dims', 'type', 'strides'];
// Keys met so far that are no misspellings. Readers of .npy files give objects with a dtype.
const others = new Set(['dtype']);
const MOST_OTHERS = 1000;

/**
 * Refuses misspelled keys of a tensor written as `{ data, shape }`, which would be a silent default: `stride`. A plain
 * object may have any others, such as a batch's ids; and objects of a class, as tensors of other libraries are, have what
 * they have. About 30 ns.
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
        if (!others.has(key)) checkOther(key, name);
    }
  }
}

function checkOther(key: string, name: string): void {
  const near = nearest(key, KEYS);
  if (near !== undefined) {
    throw typeError(
      'ERR_CTC_UNKNOWN_OPTION',
      `unknown key ${show(key)} of ${name}; did you mean '${near}'?`,
    );
  }
  if (others.size < MOST_OTHERS) others.add(key);
}
