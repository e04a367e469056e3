// Sums of doubles without rounding, so that any order and any split into parts gives the same bits.

/** Every finite double is a whole number of 2^-1074. */
const UNIT_EXPONENT = -1074;

const view = new DataView(new ArrayBuffer(8));
const powers = Float64Array.from({ length: 33 }, (_, i) => 2 ** i);

// What is added lately is kept as digits of 32 bits, in doubles: a BigInt for each number takes fifty times as long.
const digits = 67;
// So many digits below 2^33 add up to less than 2^53.
const mostAdded = 2 ** 20;

/** An exact sum of finite doubles, held as a whole number of 2^-1074 (at most 2,200 bits). */
export class ExactSum {
  /** Without what is still in `#digits`. */
  #folded = 0n;
  readonly #digits = new Float64Array(digits);
  #added = 0;

  /** Adds a finite double. O(1). */
  add(value: number): void {
    view.setFloat64(0, value);
    const high = view.getUint32(0);
    const exponent = (high >>> 20) & 0x7ff;
    if (exponent === 0x7ff) throw new RangeError(`cannot add ${value} exactly`);
    const sign = high >>> 31 === 1 ? -1 : 1;
    const low = view.getUint32(4);
    const rest = (high & 0xfffff) + (exponent === 0 ? 0 : 2 ** 20);
    // The mantissa's lowest bit is this one of the sum.
    const place = exponent === 0 ? 0 : exponent - 1;
    const shift = place & 31;
    const at = place >>> 5;
    const upper = rest * powers[shift]!;
    const most = Math.floor(upper / 2 ** 32);
    this.#digits[at]! += sign * ((low << shift) >>> 0);
    this.#digits[at + 1]! +=
      sign * (upper - most * 2 ** 32 + Math.floor(low / powers[32 - shift]!));
    this.#digits[at + 2]! += sign * most;
    this.#added += 1;
    if (this.#added === mostAdded) this.#fold();
  }

  merge(other: ExactSum): void {
    this.#folded += other.#units;
  }

  get #units(): bigint {
    this.#fold();
    return this.#folded;
  }

  #fold(): void {
    if (this.#added === 0) return;
    for (let i = digits - 1, sum = 0n; i >= 0; i--) {
      sum = (sum << 32n) + BigInt(this.#digits[i]!);
      if (i === 0) this.#folded += sum;
    }
    this.#digits.fill(0);
    this.#added = 0;
  }

  /** The sum, rounded once, to nearest, ties to even. */
  get value(): number {
    const units = this.#units;
    const negative = units < 0n;
    const magnitude = negative ? -units : units;
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
    sum.#folded = negative ? -magnitude : magnitude;
    return sum;
  }
}

// `value` has at most 53 significant bits, so that a step which stays in range loses none of them;
// 2^-1075, the least exponent asked for, is no double.
function scale(value: number, exponent: number): number {
  const half = Math.trunc(exponent / 2);
  return value * 2 ** half * 2 ** (exponent - half);
}
