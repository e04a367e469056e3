// Damage to bytes: flipped bits, numbers where checks go wrong, cuts, copies, and parts of other inputs.

import type { Random } from './random.js';

const numbers = [
  ...[0n, 1n, 2n, 3n, 7n, 8n, 16n, 64n, 100n, 255n, 256n, 1024n, 65535n, 65536n],
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 40n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n],
];
const spelled = [
  ...['0', '1', '-1', '2', '65536', '2147483647', '4294967296', '9007199254740993', '1e999'],
  ...['18446744073709551616', '-0', 'NaN', 'Infinity', '1e-400', '0x10', '', '1e5', '0.5', '٣'],
];

/** A changed copy of `input`, at most `most` bytes. `others` lend their parts, `words` are put in whole. */
export function mutate(
  random: Random,
  input: Buffer,
  others: readonly Buffer[],
  words: readonly string[],
  most: number,
): Buffer {
  let bytes: Buffer = Buffer.from(input);
  for (let times = 1 + random.below(4); times > 0; times--) {
    bytes = change(random, bytes, others, words).subarray(0, most);
  }
  return bytes;
}

function change(
  random: Random,
  bytes: Buffer,
  others: readonly Buffer[],
  words: readonly string[],
): Buffer {
  const at = random.below(bytes.length + 1);
  const length = random.below(Math.min(bytes.length - at, random.pick([1, 4, 16, 4096])) + 1);
  const replaced = (part: Uint8Array | string, count = part.length) =>
    Buffer.concat([
      bytes.subarray(0, at),
      typeof part === 'string' ? Buffer.from(part) : part,
      bytes.subarray(at + count),
    ]);
  switch (random.below(10)) {
    case 0: {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at] = copy[at]! ^ (1 << random.below(8));
      return copy;
    }
    case 1:
      return replaced(Uint8Array.of(random.below(256)));
    case 2: {
      const number = Buffer.alloc(8);
      number.writeBigUInt64LE(random.pick(numbers));
      return replaced(number.subarray(0, random.pick([1, 2, 4, 8])));
    }
    case 3:
      return bytes.subarray(0, at);
    case 4:
      return replaced('', length);
    case 5:
      return replaced(bytes.subarray(at, at + length), 0);
    case 6: {
      const other = random.pick(others.length > 0 ? others : [bytes]);
      const from = random.below(other.length + 1);
      return replaced(other.subarray(from, from + 1 + random.below(64)), random.pick([0, length]));
    }
    case 7:
      return words.length === 0 ? bytes : replaced(random.pick(words), random.pick([0, length]));
    case 8:
      return respell(random, bytes);
    default:
      return replaced(Buffer.alloc(1 + random.below(8), random.below(256)), 0);
  }
}

/** Another number in the place of one that is spelled in digits. */
function respell(random: Random, bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  const found = [...text.matchAll(/-?\d+/g)];
  if (found.length === 0) return bytes;
  const { index, 0: digits } = random.pick(found);
  return Buffer.concat([
    bytes.subarray(0, index),
    Buffer.from(random.pick(spelled)),
    bytes.subarray(index + digits.length),
  ]);
}
