// Batches with the same numbers in every run.

/** @typedef {import('./shapes.mjs').Shape} Shape */
/** @typedef {'float32' | 'float64' | 'float16' | 'bfloat16'} DType */
/**
 * @typedef {object} Batch
 * @property {{ data: Float32Array | Float64Array | Uint16Array, shape: number[], type: DType }} input
 * @property {number[][]} targets
 * @property {number[]} inputLengths
 * @property {number} blank
 */

/** Uniform in [0, 1): mulberry32. */
export function randomSource(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

/** Fills an array with normal(0, deviation) numbers (Box and Muller 1958). */
export function fillNormal(/** @type {Float32Array} */ data, deviation, random) {
  for (let i = 0; i < data.length; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    data[i] = radius * Math.cos(angle);
    if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
  }
  return data;
}

/**
 * Logits drawn as normal(0, 3), random labels without the blank 0, every utterance at full length.
 *
 * @param {Shape} shape
 * @param {DType} type
 * @returns {Batch}
 */
export function randomBatch({ T, N, C, L }, type = 'float32') {
  const random = randomSource(1);
  const logits = fillNormal(new Float32Array(T * N * C), 3, random);
  const targets = Array.from({ length: N }, () =>
    Array.from({ length: L }, () => 1 + Math.floor(random() * (C - 1))),
  );
  return {
    input: { data: converted(logits, type), shape: [T, N, C], type },
    targets,
    inputLengths: new Array(N).fill(T),
    blank: 0,
  };
}

/** @param {Float32Array} from @param {DType} type */
export function converted(from, type) {
  if (type === 'float32') return from;
  if (type === 'float64') return Float64Array.from(from);
  const round = type === 'bfloat16' ? toBrain : toHalf;
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length);
  const to = new Uint16Array(from.length);
  for (let i = 0; i < to.length; i++) to[i] = round(bits[i]);
  return to;
}

/** log_softmax of every row of C classes, in place of the logits. */
export function toLogProbs(/** @type {Float32Array | Float64Array} */ data, C) {
  for (let row = 0; row < data.length; row += C) {
    let most = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < C; c++) most = Math.max(most, data[row + c]);
    let sum = 0;
    for (let c = 0; c < C; c++) sum += Math.exp(data[row + c] - most);
    const norm = most + Math.log(sum);
    for (let c = 0; c < C; c++) data[row + c] -= norm;
  }
  return data;
}

function toBrain(bits) {
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

// To nearest even. Magnitudes below float16's normal range become 0 here, above it infinite.
function toHalf(bits) {
  const sign = (bits >>> 16) & 0x8000;
  const rest = bits & 0x7fffffff;
  if (rest < 0x38800000) return sign;
  if (rest >= 0x477ff000) return sign | 0x7c00;
  return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13);
}
