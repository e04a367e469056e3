// Edit counts by bits: 32 rows of Levenshtein's table at a time.

/** What an alignment with the fewest errors is made of. */
export interface EditCounts {
  errors: number;
  substitutions: number;
}

// Two numbers are kept for each 32 rows of a column, 128 KiB for the largest table, and one for each 32 rows and
// unit, 256 KiB.
const mostKept = 2 ** 14;
const mostMasks = 2 ** 16;

/** Whether a table of n rows, of `units` different ones, and m columns is small enough for `countByBits`. */
export function fitsBits(n: number, m: number, units: number): boolean {
  const words = Math.ceil(n / 32);
  return words * m <= mostKept && words * (units + 1) <= mostMasks;
}

// Memory that grows and is used again: small typed arrays are costly to allocate and to collect.
/** Of each unit, the rows that have it. */
let masks = new Int32Array(256);
/** Of each column, the rows whose distance is that of the row above in the column before. */
let unchanged = new Int32Array(1024);
/** Of each column, the rows whose distance is one more than that of the row above. */
let above = new Int32Array(1024);
/** Of a column: rows one more and one less than the row above. */
let plus = new Int32Array(8);
let minus = new Int32Array(8);

/**
 * Errors and substitutions of the alignment that, going backwards from the ends, pairs units first,
 * deletes next and inserts last, among those with the fewest errors.
 *
 * Myers 1999, "A fast bit-vector algorithm for approximate string matching based on dynamic programming",
 * in blocks. The vectors of each column are kept for the way back. O(n * m / 32).
 *
 * @param a - The reference's units as numbers from 1 to `units`, equal ones for equal units.
 * @param n - How many there are.
 * @param b - The hypothesis's, with 0 for a unit that the reference lacks.
 * @param m - How many there are.
 */
export function countByBits(
  a: Int32Array,
  n: number,
  b: Int32Array,
  m: number,
  units: number,
): EditCounts {
  const words = (n + 31) >>> 5;
  reserve(words, m, units);
  // Of this function alone, which spares a look at the module's variables for each number.
  const rows = masks;
  const rising = plus;
  const falling = minus;
  const keptDiagonal = unchanged;
  const keptRising = above;
  for (let i = 0; i < n; i++) {
    const at = a[i]! * words + (i >>> 5);
    rows[at] = rows[at]! | (1 << (i & 31));
  }
  for (let j = 0, at = 0; j < m; j++) {
    // From one word to the next: whether the distance in its last row rose or fell from the column before.
    let rose = 1;
    let fell = 0;
    const row = b[j]! * words;
    for (let w = 0; w < words; w++, at++) {
      const up = rising[w]!;
      const down = falling[w]!;
      const equal = rows[row + w]! | fell;
      const diagonal = (((equal & up) + up) ^ up) | equal | down;
      const horizontalPlus = down | ~(diagonal | up);
      const horizontalMinus = up & diagonal;
      const shiftedPlus = (horizontalPlus << 1) | rose;
      const rises = (horizontalMinus << 1) | fell | ~(diagonal | shiftedPlus);
      rose = horizontalPlus >>> 31;
      fell = horizontalMinus >>> 31;
      rising[w] = rises;
      falling[w] = shiftedPlus & diagonal;
      keptDiagonal[at] = diagonal;
      keptRising[at] = rises;
    }
  }
  return walkBack(a, n, b, m, words);
}

function walkBack(a: Int32Array, n: number, b: Int32Array, m: number, words: number): EditCounts {
  let substitutions = 0;
  let others = 0;
  let i = n - 1;
  let j = m - 1;
  while (i >= 0 && j >= 0) {
    const at = j * words + (i >>> 5);
    const bit = 1 << (i & 31);
    if ((unchanged[at]! & bit) === 0) {
      substitutions += 1;
      i -= 1;
      j -= 1;
    } else if (a[i] === b[j]) {
      i -= 1;
      j -= 1;
    } else {
      others += 1;
      if ((above[at]! & bit) === 0) j -= 1;
      else i -= 1;
    }
  }
  return { errors: substitutions + others + (i + 1) + (j + 1), substitutions };
}

function reserve(words: number, columns: number, units: number): void {
  if (masks.length < (units + 1) * words) masks = new Int32Array(2 * (units + 1) * words);
  masks.fill(0, 0, (units + 1) * words);
  if (unchanged.length < columns * words) {
    unchanged = new Int32Array(2 * columns * words);
    above = new Int32Array(2 * columns * words);
  }
  if (plus.length < words) {
    plus = new Int32Array(2 * words);
    minus = new Int32Array(2 * words);
  }
  // The column before the first: 0, 1, 2, ...
  plus.fill(-1, 0, words);
  minus.fill(0, 0, words);
}
