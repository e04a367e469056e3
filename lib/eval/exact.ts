// Sums of doubles without rounding, so that any order and any split into parts gives the same bits.

/** Every finite double is a whole number of 2^-1074. */
const UNIT_EXPONENT = -1074;

const view = new DataView(new ArrayBuffer(8));

/** An exact sum of finite doubles, held as a whole number of 2^-1074 (at most 2,200 bits). */
export class ExactSum {
  #units = 0n;

  /** Adds a finite double. O(1). */
  add(value: number): void {
    view.setFloat64(0, value);
    const high = view.getUint32(0);
    const exponent = (high >>> 20) & 0x7ff;
    if (exponent === 0x7ff) throw new RangeError(`cannot add ${value} exactly`);
    const mantissa = (high & 0xfffff) * 2 ** 32 + view.getUint32(4);
    const units =
      exponent === 0 ? BigInt(mantissa) : BigInt(mantissa + 2 ** 52) << BigInt(exponent - 1);
    this.#units += high >>> 31 === 1 ? -units : units;
  }

  merge(other: ExactSum): void {
    this.#units += other.#units;
  }

  /** The sum, rounded once, to nearest, ties to even. */
  get value(): number {
    const negative = this.#units < 0n;
    const magnitude = negative ? -this.#units : this.#units;
    const bits = magnitude.toString(16).length * 4;
    // Number() rounds a BigInt correctly, but not beyond the range of doubles: the low bits are
    // replaced by one that tells whether any was set.
    const drop = BigInt(Math.max(0, bits - 128));
    const top = magnitude >> drop;
    const sticky = top << drop === magnitude ? 0n : 1n;
    const rounded = Number((top << 1n) | sticky);
    const sum = scale(rounded, Number(drop) - 1 + UNIT_EXPONENT);
    return negative ? -sum : sum;
  }

  /** For `fromJSON`, in any later process. */
  toJSON(): string {
    return this.#units.toString(16);
  }

  static fromJSON(text: unknown): ExactSum {
    if (typeof text !== 'string' || !/^-?[0-9a-f]{1,600}$/.test(text)) {
      throw new RangeError('not an exact sum');
    }
    const sum = new ExactSum();
    const negative = text.startsWith('-');
    const magnitude = BigInt(`0x${negative ? text.slice(1) : text}`);
    sum.#units = negative ? -magnitude : magnitude;
    return sum;
  }
}

// `value` has at most 53 significant bits, so that a step which stays in range loses none of them;
// 2^-1075, the least exponent asked for, is no double.
function scale(value: number, exponent: number): number {
  const half = Math.trunc(exponent / 2);
  return value * 2 ** half * 2 ** (exponent - half);
}
