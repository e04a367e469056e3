import { allocate } from './batch.js';
import { rangeError } from './errors.js';
import { bfloat16ToNumber, float16ToNumber } from './io/half.js';
import { DType, type ResolvedTensor } from './tensor.js';

/** What the numbers are; probabilities only here, for worked examples. */
export type ExplainInput = 'logits' | 'logProbs' | 'probabilities';

/** All frames as dense float64. */
export function readRows(tensor: ResolvedTensor): Float64Array {
  const { data, frames, classes, frameStride, classStride, span, bytesPerElement } = tensor;
  const rows = allocate(() => new Float64Array(frames * classes));
  if (rows.length === 0) return rows;
  // A getter among the arguments may have taken it away.
  if (data.byteLength < span * bytesPerElement) {
    throw rangeError('ERR_CTC_BUFFER', 'input.data was detached or shrunk during the call');
  }
  const read = elementReader(tensor);
  for (let t = 0; t < frames; t++) {
    for (let c = 0; c < classes; c++) {
      rows[t * classes + c] = read(t * frameStride + c * classStride);
    }
  }
  return rows;
}

/** Log-probabilities of logits; a frame that is nonfinite becomes NaN. */
export function logSoftmax(logits: Float64Array, classes: number): Float64Array {
  const logProbs = allocate(() => logits.slice());
  for (let at = 0; at < logProbs.length; at += classes) {
    const row = logProbs.subarray(at, at + classes);
    const largest = row.reduce((a, b) => (b > a || Number.isNaN(b) ? b : a), -Infinity);
    const sum = row.reduce((total, x) => total + Math.exp(x - largest), 0);
    // The difference first: it is exact where a large offset would eat the digits.
    for (let c = 0; c < classes; c++) row[c] = (row[c] as number) - largest - Math.log(sum);
  }
  return logProbs;
}

/** Turns probabilities into their natural logarithms. */
export function takeLogs(probabilities: Float64Array, classes: number): void {
  probabilities.forEach((p, i) => {
    // Rounded probabilities may come out a little above 1.
    if (!(p >= 0 && p <= 1.001)) {
      throw rangeError(
        'ERR_CTC_OUT_OF_RANGE',
        `input[${Math.floor(i / classes)}][${i % classes}] is ${p}, which is no probability; is it input: 'logits'?`,
      );
    }
    probabilities[i] = Math.log(p);
  });
}

function elementReader(tensor: ResolvedTensor): (i: number) => number {
  const { data, dtype, bytesPerElement } = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  switch (dtype) {
    case DType.float32:
      return (i) => view.getFloat32(i * bytesPerElement, littleEndian);
    case DType.float64:
      return (i) => view.getFloat64(i * bytesPerElement, littleEndian);
    case DType.float16:
      return (i) => float16ToNumber(view.getUint16(i * bytesPerElement, littleEndian));
    default:
      return (i) => bfloat16ToNumber(view.getUint16(i * bytesPerElement, littleEndian));
  }
}
