// Random inputs of the decoders: all element types, layouts, strides, lengths, masks and faults.

import fc from 'fast-check';
import type { Utterance } from '../oracle/problem.js';
import { seeded } from './close.js';
import { type DTypeName, decode, encode } from './half.js';

export interface DecodeCase {
  T: number;
  N: number;
  C: number;
  seed: number;
  scale: number;
  masks: boolean;
  fault: 'none' | 'NaN' | 'Infinity' | 'maskedFrame';
  /** Few different numbers, so that scores are equal. */
  ties: boolean;
  dtype: DTypeName;
  input: 'logits' | 'logProbs';
  layout: 'TNC' | 'NTC';
  strided: boolean;
  /** -1 is the last class. */
  blank: number;
  inputLengths: number[] | undefined;
  threads: number | undefined;
}

export function decodeCase(sizes: { T: number; N: number; C: number }): fc.Arbitrary<DecodeCase> {
  return fc
    .record({
      T: fc.integer({ min: 0, max: sizes.T }),
      N: fc.integer({ min: 0, max: sizes.N }),
      C: fc.integer({ min: 1, max: sizes.C }),
    })
    .chain(({ T, N, C }) =>
      fc.record({
        T: fc.constant(T),
        N: fc.constant(N),
        C: fc.constant(C),
        seed: fc.nat(),
        scale: fc.constantFrom(0.5, 3, 60),
        masks: fc.boolean(),
        fault: fc.constantFrom('none' as const, 'NaN' as const, 'Infinity' as const, 'maskedFrame'),
        ties: fc.boolean(),
        dtype: fc.constantFrom<DTypeName>('float32', 'float64', 'float16', 'bfloat16'),
        input: fc.constantFrom('logits' as const, 'logProbs' as const),
        layout: fc.constantFrom('TNC' as const, 'NTC' as const),
        strided: fc.boolean(),
        blank: fc.integer({ min: -1, max: C - 1 }),
        inputLengths: fc.option(
          fc.array(fc.integer({ min: 0, max: T }), { minLength: N, maxLength: N }),
          { nil: undefined },
        ),
        threads: fc.constantFrom(undefined, 1, 2, 7),
      }),
    ) as fc.Arbitrary<DecodeCase>;
}

/** The case as a call, and as problems of single utterances for the oracle. */
export function buildDecode(random: DecodeCase) {
  const { T, N, C, layout, dtype, strided, inputLengths, threads } = random;
  const values = decode(encode(dense(random), dtype), dtype);
  const blank = random.blank === -1 ? C - 1 : random.blank;
  let [time, batch, klass] = layout === 'TNC' ? [N * C, C, 1] : [C, T * C, 1];
  if (strided) [time, batch, klass] = [1, T + 1, (T + 1) * N];
  const laid = new Float64Array(strided && T * N > 0 ? (T + 1) * N * C : T * N * C).fill(
    Number.NaN,
  );
  const utterances: Omit<Utterance, 'labels'>[] = [];
  for (let n = 0; n < N; n += 1) {
    const frames = inputLengths?.[n] ?? T;
    const own = new Float64Array(frames * C);
    for (let t = 0; t < T; t += 1) {
      for (let c = 0; c < C; c += 1) {
        const value = values[(t * N + n) * C + c]!;
        // What lies beyond the length must not be looked at.
        laid[t * time + n * batch + c * klass] = t < frames ? value : Number.NaN;
        if (t < frames) own[t * C + c] = value;
      }
    }
    utterances.push({ values: own, frames, classes: C, blank, input: random.input });
  }
  const half = dtype === 'float16' || dtype === 'bfloat16';
  const strides = layout === 'TNC' ? [time, batch, klass] : [batch, time, klass];
  return {
    tensor: {
      data: encode(laid, dtype),
      shape: layout === 'TNC' ? [T, N, C] : [N, T, C],
      ...(half ? { type: dtype } : {}),
      ...(strided ? { strides } : {}),
    },
    options: { blank: random.blank, input: random.input, layout, inputLengths, threads },
    utterances,
  };
}

function dense({ T, N, C, seed, scale, masks, fault, ties, input }: DecodeCase): Float64Array {
  const uniform = seeded(seed);
  const values = new Float64Array(T * N * C);
  for (let row = 0; row < T * N; row += 1) {
    const spared = Math.floor(uniform() * C);
    for (let c = 0; c < C; c += 1) {
      let value = (uniform() - 0.5) * 2 * scale;
      if (ties) value = Math.round((2 * value) / scale);
      if (input === 'logProbs') value -= ties ? 2 : scale;
      if (masks && c !== spared && uniform() < 0.2) value = -Infinity;
      values[row * C + c] = value;
    }
  }
  if (T * N > 0 && uniform() < 0.3) {
    const row = Math.floor(uniform() * T * N);
    const c = row * C + Math.floor(uniform() * C);
    if (fault === 'NaN') values[c] = Number.NaN;
    else if (fault === 'Infinity') values[c] = Infinity;
    else if (fault === 'maskedFrame') values.fill(-Infinity, row * C, (row + 1) * C);
  }
  return values;
}
