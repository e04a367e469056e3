// The golden cases: float64 losses and gradients from an independent implementation
// (test/fixtures/README.md).

import { logDomain } from '../oracle/logdomain.js';
import { type BatchAnswer, solveBatch } from '../oracle/problem.js';
import { readPacked } from './packed.js';
import { fixture } from './paths.js';

type Special = number | 'Infinity' | '-Infinity' | 'NaN';

export interface GoldenCase {
  id: string;
  description: string;
  mode: 'logits' | 'logProbs';
  T: number;
  N: number;
  V: number;
  blank: number;
  targets: number[][];
  inputLengths: number[];
  targetLengths: number[];
  infeasible?: number[];
  /** Of the losses; absent where only a part of the case is kept. */
  reduced?: Record<'zeroInfinity=false' | 'zeroInfinity=true', { sum: Special; mean: Special }>;
  /** The stored gradients were left out: the oracle gives them. */
  gradientsFromOracle?: true;
}

export type GradientName = 'grad' | 'gradMean' | 'gradTorch' | 'gradTrue';

export interface Golden extends GoldenCase {
  input: Float32Array;
  loss: Float64Array;
  /** T x N x V, of the sum of the losses (gradMean: of their mean); undefined if the case has none. */
  gradient(name: GradientName): Float64Array | undefined;
}

let cache: Golden[] | undefined;

export function goldenCases(): Golden[] {
  if (cache) return cache;
  const { meta, arrays } = readPacked<{ cases: (GoldenCase & { gradients: GradientName[] })[] }>(
    fixture('golden.bin.br'),
  );
  cache = meta.cases.map((golden) => ({
    ...golden,
    input: arrays.get(`${golden.id}/input`) as Float32Array,
    loss: arrays.get(`${golden.id}/loss`) as Float64Array,
    gradient(name) {
      if (!golden.gradients.includes(name)) return undefined;
      if (!golden.gradientsFromOracle) return arrays.get(`${golden.id}/${name}`) as Float64Array;
      return oracleGradient(this, name);
    },
  }));
  return cache;
}

export function oracleAnswer(golden: Golden, gradientOf: 'input' | 'softmax'): BatchAnswer {
  return solveBatch(
    {
      values: golden.input,
      shape: [golden.T, golden.N, golden.V],
      targets: golden.targets,
      inputLengths: golden.inputLengths,
      blank: golden.blank,
      input: golden.mode,
      gradientOf,
    },
    logDomain,
  );
}

export function oracleGradient(golden: Golden, name: GradientName): Float64Array {
  const { gradient } = oracleAnswer(golden, name === 'gradTrue' ? 'input' : 'softmax');
  if (name !== 'gradMean') return gradient;
  const { N, V, targetLengths } = golden;
  return gradient.map((g, i) => {
    const n = Math.floor(i / V) % N;
    return g / Math.max(1, targetLengths[n]!) / N;
  });
}

export function special(value: Special): number {
  return Number(value);
}
