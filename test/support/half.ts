// 16-bit floats by the book, bit by bit: the package's own conversions are what is tested with them.

const scratch = new DataView(new ArrayBuffer(8));

export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 0x3ff;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0
    ? sign * mantissa * 2 ** -24
    : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** Rounds to the nearest float16, ties to even. */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = Object.is(Math.sign(value), -1) || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  // Spacing of the float16 numbers around `size`; 2^-24 below the normal range.
  const exponent = Math.max(-14, Math.floor(Math.log2(size === 0 ? 2 ** -14 : size)));
  const steps = roundToEven(size / 2 ** (exponent - 10));
  // A carry into the next binade adds up by itself.
  return sign | (exponent === -14 && steps < 1024 ? steps : ((exponent + 15) << 10) + steps - 1024);
}

export function bfloatToNumber(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

/** Rounds to the nearest bfloat16, ties to even. Exact for values that float32 holds. */
export function numberToBfloat(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const upper = bits >>> 16;
  const lower = bits & 0xffff;
  return lower > 0x8000 || (lower === 0x8000 && (upper & 1) === 1) ? upper + 1 : upper;
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

export type DTypeName = 'float32' | 'float64' | 'float16' | 'bfloat16';

/** The numbers in an array of that type. */
export function encode(values: ArrayLike<number>, dtype: DTypeName) {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(values);
    case 'float64':
      return Float64Array.from(values);
    case 'float16':
      return Uint16Array.from(values, numberToHalf);
    case 'bfloat16':
      return Uint16Array.from(values, numberToBfloat);
  }
}

/** What an array of that type says. */
export function decode(data: ArrayLike<number>, dtype: DTypeName): Float64Array {
  if (dtype === 'float16') return Float64Array.from(data, halfToNumber);
  if (dtype === 'bfloat16') return Float64Array.from(data, bfloatToNumber);
  return Float64Array.from(data);
}

/** One unit in the last place at `value`; 0 for float32 and float64, whose tolerances are given. */
export function unitInLastPlace(value: number, dtype: DTypeName): number {
  if (dtype === 'float32' || dtype === 'float64') return 0;
  const [bits, smallest] = dtype === 'float16' ? [10, -14] : [7, -126];
  const exponent =
    value === 0 ? smallest : Math.max(smallest, Math.floor(Math.log2(Math.abs(value))));
  return 2 ** (exponent - bits);
}
