// What the drawing of an utterance's lattice needs, small enough to be kept: the log-probabilities of the
// blank and of the labels that its text has. A run takes them from its data, a stream as they go by, and a
// shard leaves them for the merge, so that all three draw the same.

import { bfloat16ToNumber, float16ToNumber } from '../io/half.js';
import { type ArraySource, ReadBuffer, type SourceBatch } from '../io/source.js';
import { withBlankSign } from '../report/escape.js';
import type { EngineOptions } from './evaluate.js';
import { Ranking } from './ranking.js';
import { isWorse, type LossOfOne, type Ranked } from './statistics.js';

/** The worst of how many utterances are drawn. */
export const mostDrawn = 5;
// The matrices of an explanation have a number for each state and frame: 16 MiB each.
const mostCells = 2 ** 21;

/** An utterance's lattice; class 0 is the blank, the others are the labels that occur. */
export interface Lattice {
  /** The utterance's place in the manifest. */
  index: number;
  frames: number;
  labels: number[];
  symbols: string[];
  /** frames x symbols. */
  logProbs: Float64Array;
}

/** Or why there is none. */
export type MaybeLattice = Lattice | { index: number; missing: string };

/** The lattice of utterance `slot`, whose labels are classes of the model. */
export function takeLattice(
  index: number,
  outputs: SourceBatch,
  slot: number,
  frames: number,
  labels: readonly number[],
  { input, blank, writing }: EngineOptions,
): MaybeLattice {
  const states = 2 * labels.length + 1;
  if (frames * states > mostCells) {
    const missing = `${frames} frames x ${states} states are too many to draw here.`;
    return { index, missing };
  }
  const classes = [blank, ...[...new Set(labels)].sort((a, b) => a - b)];
  const places = new Map(classes.map((label, place) => [label, place]));
  const symbols = withBlankSign(writing.symbols, blank);
  return {
    index,
    frames,
    labels: labels.map((label) => places.get(label)!),
    symbols: classes.map((label) => symbols[label]!),
    logProbs: takeLogProbs(outputs, slot, frames, classes, input),
  };
}

/** Columns `classes` of the log-probabilities. */
function takeLogProbs(
  { data, type, shape, strides }: SourceBatch,
  slot: number,
  frames: number,
  classes: readonly number[],
  input: 'logits' | 'logProbs',
): Float64Array {
  const decode =
    type === 'float16' ? float16ToNumber : type === 'bfloat16' ? bfloat16ToNumber : Number;
  const taken = new Float64Array(frames * classes.length);
  for (let t = 0; t < frames; t++) {
    const start = t * strides[0] + slot * strides[1];
    const read = (c: number) => decode(data[start + c * strides[2]]!);
    let [largest, sum] = [0, 1];
    if (input === 'logits') {
      largest = -Infinity;
      for (let c = 0; c < shape[2]; c++) largest = Math.max(largest, read(c));
      sum = 0;
      for (let c = 0; c < shape[2]; c++) sum += Math.exp(read(c) - largest);
    }
    // The difference first: it is exact where a large offset would eat the digits.
    for (const [i, c] of classes.entries()) {
      taken[t * classes.length + i] = read(c) - largest - Math.log(sum);
    }
  }
  return taken;
}

/** The utterances whose lattices are drawn. */
export function drawnOf(worst: readonly Ranked[]): readonly Ranked[] {
  return worst.slice(0, mostDrawn);
}

/** Reads the lattices of `worst` once more from where they came. */
export async function readLattices(
  source: ArraySource,
  worst: readonly Ranked[],
  engine: EngineOptions,
): Promise<MaybeLattice[]> {
  const buffer = new ReadBuffer();
  const lattices: MaybeLattice[] = [];
  for (const { index, id, frames, text } of drawnOf(worst)) {
    engine.signal?.throwIfAborted();
    const position = source.keyed ? source.find(id) : index;
    try {
      const outputs = await source.read([position!], buffer, engine.signal);
      const labels = engine.writing.labelsOf(text);
      const held = outputs.frames[0]!;
      lattices.push(
        outputs.faults[0] === undefined && held >= frames!
          ? takeLattice(index, outputs, 0, frames!, labels, engine)
          : { index, missing: 'Its outputs could not be read again.' },
      );
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_CTC_FILE') throw error;
      lattices.push({ index, missing: 'Its outputs could not be read again.' });
    }
  }
  return lattices;
}

/** Keeps the lattices of the worst utterances of a stream, which cannot be read again. */
export class LatticeKeeper {
  readonly #engine: EngineOptions;
  readonly #worst = new Ranking<LossOfOne & { lattice?: MaybeLattice }>(mostDrawn, isWorse);

  constructor(engine: EngineOptions) {
    this.#engine = engine;
  }

  /** An utterance that has a loss; in any order. */
  offer(
    record: LossOfOne & { frames: number | null },
    outputs: SourceBatch,
    slot: number,
    labels: readonly number[],
  ): void {
    const { index, lossPerLabel, frames } = record;
    if (!this.#worst.admits(record)) return;
    const lattice = takeLattice(index, outputs, slot, frames!, labels, this.#engine);
    this.#worst.add({ index, lossPerLabel, lattice });
  }

  of(worst: readonly Ranked[]): MaybeLattice[] {
    const kept = new Map(this.#worst.items.map(({ index, lattice }) => [index, lattice!]));
    return drawnOf(worst).map(({ index }) => kept.get(index)!);
  }
}
