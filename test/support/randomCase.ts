// Random calls of the loss over all its options, and what they must give according to an oracle.

import fc from 'fast-check';
import type { LossOptions } from '../../lib/index.js';
import {
  type Answer,
  type BatchAnswer,
  framesNeeded,
  solveBatch,
  type Utterance,
} from '../oracle/problem.js';
import { seeded } from './close.js';
import { type DTypeName, decode, encode, unitInLastPlace } from './half.js';

export interface Sizes {
  frames: number;
  utterances: number;
  classes: number;
  labels: number;
}

type Fault = 'none' | 'NaN' | 'Infinity' | 'maskedFrame' | 'unused';

export interface RandomCase {
  T: number;
  N: number;
  C: number;
  seed: number;
  scale: number;
  masks: boolean;
  fault: Fault;
  garbagePadding: boolean;
  dtype: DTypeName;
  input: 'logits' | 'logProbs';
  gradientOf: 'input' | 'softmax';
  layout: 'TNC' | 'NTC';
  strides: 'dense' | 'gaps' | 'classMajor';
  /** -1 is the last class. */
  blank: number;
  targets: number[][];
  targetFormat: 'ragged' | 'typed' | 'padded' | 'flat';
  inputLengths: number[] | undefined;
  integers: 'number' | 'Int32' | 'BigInt64' | 'Uint16';
  reduction: 'none' | 'sum' | 'mean' | 'meanBatch' | 'meanVolume';
  normByTimes: boolean;
  gradOutput: number | number[] | undefined;
  denominator: number | undefined;
  infeasible: 'infinity' | 'zero';
  gradient: boolean | 'array';
  threads: number | undefined;
  synchronous: boolean;
}

export function randomCase(sizes: Sizes): fc.Arbitrary<RandomCase> {
  return fc
    .record({
      T: fc.integer({ min: 0, max: sizes.frames }),
      N: fc.integer({ min: 0, max: sizes.utterances }),
      C: fc.integer({ min: 1, max: sizes.classes }),
    })
    .chain(({ T, N, C }) =>
      fc
        .record({
          seed: fc.nat(),
          scale: fc.constantFrom(0, 1, 5, 60),
          masks: fc.boolean(),
          fault: fc.constantFrom<Fault>(
            'none',
            'none',
            'none',
            'NaN',
            'Infinity',
            'maskedFrame',
            'unused',
          ),
          garbagePadding: fc.boolean(),
          dtype: fc.constantFrom<DTypeName>('float32', 'float64', 'float16', 'bfloat16'),
          input: fc.constantFrom('logits' as const, 'logProbs' as const),
          gradientOf: fc.constantFrom('input' as const, 'softmax' as const),
          layout: fc.constantFrom('TNC' as const, 'NTC' as const),
          strides: fc.constantFrom('dense' as const, 'gaps' as const, 'classMajor' as const),
          blank: fc.integer({ min: -1, max: C - 1 }),
          picks: fc.array(fc.array(fc.nat(), { maxLength: sizes.labels, size: 'max' }), {
            minLength: N,
            maxLength: N,
          }),
          targetFormat: fc.constantFrom(
            'ragged' as const,
            'typed' as const,
            'padded' as const,
            'flat' as const,
          ),
          inputLengths: fc.option(
            fc.array(fc.integer({ min: 0, max: T }), { minLength: N, maxLength: N }),
            { nil: undefined },
          ),
          integers: fc.constantFrom(
            'number' as const,
            'Int32' as const,
            'BigInt64' as const,
            'Uint16' as const,
          ),
          reduction: fc.constantFrom(
            'none' as const,
            'sum' as const,
            'mean' as const,
            'meanBatch' as const,
            'meanVolume' as const,
          ),
          normByTimes: fc.boolean(),
          gradOutput: fc.oneof(
            fc.constant(undefined),
            fc.constantFrom(-2.5, 0, 0.125, 3),
            fc.array(fc.constantFrom(-1, 0, 0.5, 7), { minLength: N, maxLength: N }),
          ),
          denominator: fc.constantFrom(undefined, undefined, 0.5, 64),
          infeasible: fc.constantFrom('infinity' as const, 'zero' as const),
          gradient: fc.constantFrom(true, true, false, 'array' as const),
          threads: fc.constantFrom(undefined, 1, 2, 5),
          synchronous: fc.boolean(),
        })
        .map(({ picks, denominator, ...rest }): RandomCase => {
          const blank = rest.blank === -1 ? C - 1 : rest.blank;
          const others = Array.from({ length: C }, (_, c) => c).filter((c) => c !== blank);
          return {
            ...rest,
            T,
            N,
            C,
            targets: picks.map((row) =>
              others.length === 0 ? [] : row.map((pick) => others[pick % others.length]!),
            ),
            denominator: ['none', 'sum'].includes(rest.reduction) ? undefined : denominator,
          };
        }),
    );
}

export interface Call {
  tensor: {
    data: Float32Array | Float64Array | Uint16Array;
    shape: number[];
    type?: string;
    strides?: number[];
  };
  targets: Parameters<typeof import('../../lib/index.js').ctcLoss>[1];
  options: LossOptions;
}

/** The numbers of the case as the oracle sees them, and the arguments that say the same. */
export function build(random: RandomCase): { values: Float64Array; call: Call } {
  const values = decode(encode(dense(random), random.dtype), random.dtype);
  return {
    values,
    call: {
      tensor: lay(values, random),
      targets: targetsOf(random),
      options: optionsOf(random),
    },
  };
}

/** T x N x C values with masks, faults and garbage where the case has them. */
function dense(random: RandomCase): Float64Array {
  const { T, N, C, targets } = random;
  const uniform = seeded(random.seed);
  const blank = random.blank === -1 ? C - 1 : random.blank;
  const values = new Float64Array(T * N * C);
  for (let n = 0; n < N; n += 1) {
    const used = [blank, ...targets[n]!];
    const frames = random.inputLengths?.[n] ?? T;
    for (let t = 0; t < T; t += 1) {
      // One class that counts stays, so that masks alone never make a frame nonfinite.
      const spared = used[Math.floor(uniform() * used.length)]!;
      for (let c = 0; c < C; c += 1) {
        let value = (uniform() - 0.5) * 2 * random.scale;
        if (random.input === 'logProbs') value -= random.scale;
        if (random.masks && c !== spared && uniform() < 0.15) value = -Infinity;
        if (t >= frames && random.garbagePadding) value = uniform() < 0.5 ? Number.NaN : Infinity;
        values[(t * N + n) * C + c] = value;
      }
    }
    // An utterance that is infeasible and nonfinite at once may be called either.
    if (uniform() < 0.5 && frames > 0 && frames >= framesNeeded(targets[n]!)) {
      breakFrame(values, random, n, Math.floor(uniform() * frames), used, uniform);
    }
  }
  return values;
}

function breakFrame(
  values: Float64Array,
  { N, C, fault, input, gradientOf }: RandomCase,
  n: number,
  t: number,
  used: number[],
  uniform: () => number,
): void {
  const row = values.subarray((t * N + n) * C, (t * N + n + 1) * C);
  const anyUsed = used[Math.floor(uniform() * used.length)]!;
  const unused = row.findIndex((_, c) => !used.includes(c));
  if (fault === 'NaN') row[anyUsed] = Number.NaN;
  else if (fault === 'Infinity') row[anyUsed] = Infinity;
  else if (fault === 'maskedFrame') row.fill(-Infinity);
  // exp(NaN) is part of no promise; otherwise log-probabilities that are not used do not count.
  else if (fault === 'unused' && unused >= 0 && input === 'logProbs' && gradientOf === 'input') {
    row[unused] = Number.NaN;
  }
}

function lay(values: Float64Array, random: RandomCase): Call['tensor'] {
  const { T, N, C, dtype, layout } = random;
  const shape = layout === 'TNC' ? [T, N, C] : [N, T, C];
  // Distances between neighbours in time, batch and class.
  let [time, batch, klass] = layout === 'TNC' ? [N * C, C, 1] : [C, T * C, 1];
  if (random.strides === 'gaps') [time, batch, klass] = [2 * (N * (C + 3) + 1), 2 * (C + 3), 2];
  if (random.strides === 'classMajor') [time, batch, klass] = [1, T + 1, (T + 1) * N];
  const size = T * N * C === 0 ? 0 : (T - 1) * time + (N - 1) * batch + (C - 1) * klass + 1;
  const laid = new Float64Array(random.strides === 'dense' ? size : size + 5).fill(Number.NaN);
  for (let t = 0; t < T; t += 1) {
    for (let n = 0; n < N; n += 1) {
      for (let c = 0; c < C; c += 1) {
        laid[t * time + n * batch + c * klass] = values[(t * N + n) * C + c]!;
      }
    }
  }
  const tensor: Call['tensor'] = { data: encode(laid, dtype), shape };
  if (dtype === 'float16' || dtype === 'bfloat16') tensor.type = dtype;
  if (random.strides !== 'dense') {
    tensor.strides = layout === 'TNC' ? [time, batch, klass] : [batch, time, klass];
  }
  return tensor;
}

function integerArray(values: number[], kind: RandomCase['integers']) {
  switch (kind) {
    case 'number':
      return values;
    case 'Int32':
      return Int32Array.from(values);
    case 'BigInt64':
      return BigInt64Array.from(values, BigInt);
    case 'Uint16':
      return Uint16Array.from(values);
  }
}

function targetsOf({ targets, targetFormat, integers, N }: RandomCase): Call['targets'] {
  if (targetFormat === 'ragged') return targets;
  if (targetFormat === 'typed') return targets.map((row) => integerArray(row, integers));
  if (targetFormat === 'flat') return integerArray(targets.flat(), integers);
  // Padding that would be refused if it were looked at.
  const S = Math.max(0, ...targets.map((row) => row.length)) + 1;
  const data = targets.flatMap((row) => [
    ...row,
    ...new Array<number>(S - row.length).fill(60_000),
  ]);
  return { data: integerArray(data, integers), shape: [N, S] };
}

function optionsOf(random: RandomCase): LossOptions {
  const { integers, targets, inputLengths, targetFormat, T, N, C } = random;
  const options: Record<string, unknown> = {
    blank: random.blank,
    input: random.input,
    layout: random.layout,
    reduction: random.reduction,
    normByTimes: random.normByTimes,
    gradOutput: random.gradOutput,
    denominator: random.denominator,
    infeasible: random.infeasible,
    gradient:
      random.gradient === 'array'
        ? encode(new Float64Array(T * N * C + 2).fill(7), random.dtype)
        : random.gradient,
    threads: random.threads,
  };
  if (random.input === 'logProbs') options.gradientOf = random.gradientOf;
  if (inputLengths) options.inputLengths = integerArray(inputLengths, integers);
  if (targetFormat === 'padded' || targetFormat === 'flat') {
    options.targetLengths = integerArray(
      targets.map((row) => row.length),
      integers,
    );
  }
  return options as LossOptions;
}

export interface Expected {
  loss: number | undefined;
  losses: Float64Array;
  status: string[];
  sums: { loss: number; lossPerLabel: number; utterances: number; labels: number };
  /** In the input's layout, with what each entry may be off by. */
  gradient: Float64Array;
  tolerance: Float64Array;
}

export function expected(
  random: RandomCase,
  values: Float64Array,
  solve: (problem: Utterance) => Answer,
): Expected {
  const { T, N, C, targets, reduction } = random;
  const answer = solveBatch(
    {
      values,
      shape: [T, N, C],
      targets,
      blank: random.blank === -1 ? C - 1 : random.blank,
      input: random.input,
      gradientOf: random.gradientOf,
      ...(random.inputLengths ? { inputLengths: random.inputLengths } : {}),
    },
    solve,
  );
  const losses = answer.losses.map((loss, n) =>
    answer.status[n] === 'infeasible' && random.infeasible === 'zero' ? 0 : loss,
  );
  const perLabel = losses.map((loss, n) => loss / Math.max(1, targets[n]!.length));
  const total = (numbers: Float64Array) => numbers.reduce((sum, x) => sum + x, 0);
  const labels = targets.reduce((sum, row) => sum + row.length, 0);
  const sums = { loss: total(losses), lossPerLabel: total(perLabel), utterances: N, labels };
  const divisor = random.denominator ?? (reduction === 'meanVolume' ? Math.max(1, labels) : N);
  const loss = {
    none: undefined,
    sum: sums.loss,
    mean: sums.lossPerLabel / divisor,
    meanBatch: sums.loss / divisor,
    meanVolume: N === 0 && random.denominator === undefined ? Number.NaN : sums.loss / divisor,
  }[reduction];
  return { loss, losses, status: answer.status, sums, ...gradientIn(random, answer, divisor) };
}

function gradientIn(random: RandomCase, answer: BatchAnswer, divisor: number) {
  const { T, N, C, targets, reduction, layout, dtype } = random;
  const gradient = new Float64Array(T * N * C);
  const tolerance = new Float64Array(T * N * C);
  for (let n = 0; n < N; n += 1) {
    const { gradOutput } = random;
    let scale = typeof gradOutput === 'object' ? gradOutput[n]! : (gradOutput ?? 1);
    if (reduction !== 'none' && reduction !== 'sum') scale /= divisor;
    if (reduction === 'mean') scale /= Math.max(1, targets[n]!.length);
    if (random.normByTimes) scale /= Math.max(1, random.inputLengths?.[n] ?? T);
    for (let t = 0; t < T; t += 1) {
      for (let c = 0; c < C; c += 1) {
        const g = answer.gradient[(t * N + n) * C + c]!;
        const at = (layout === 'TNC' ? t * N + n : n * T + t) * C + c;
        gradient[at] = g * scale;
        tolerance[at] =
          (dtype === 'float64' ? 1e-9 : 2e-5) * Math.max(1, Math.abs(g)) * Math.abs(scale) +
          (g * scale === 0 ? 0 : unitInLastPlace(g * scale, dtype));
      }
    }
  }
  return { gradient, tolerance };
}
