// Outputs of two real models at three stages of training (test/fixtures/README.md).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPacked } from './packed.js';
import { fixture, root } from './paths.js';

interface Corpus {
  name: 'ocr' | 'speech';
  blank: number;
  shape: [number, number, number];
  /** Every step-th utterance has its early checkpoints packed. */
  step: number;
  reductions: Record<Checkpoint | 'final_f16' | 'final_shuffled', { sum: number; mean: number }>;
  /** Of greedy decoding, as recorded when the models were trained. */
  cer: Record<Checkpoint, number>;
  utterances: (Record<`loss_${string}`, number> & {
    id: string;
    frames: number;
    greedy: string;
    cer: number;
  })[];
}

export type Checkpoint = 'final' | 'mid' | 'early';

export interface RealBatch {
  data: Float32Array;
  shape: [number, number, number];
  blank: number;
  targets: number[][];
  inputLengths: number[];
  /** float64, by PyTorch. */
  losses: number[];
  /** Of the whole corpus; undefined where only a part of it is kept. */
  reduced: { sum: number; mean: number } | undefined;
}

const packed = readPacked<{ corpora: Corpus[] }>(fixture('real.bin.br'));

export const corpora = packed.meta.corpora;

/** Where things truly are: [start, end] in frames, which have fractions. */
export interface TrueTimes {
  id: string;
  spans: [start: number, end: number][];
}

/** The characters of each OCR line, the words of each utterance. */
export function trueTimes(): { ocr: TrueTimes[]; speech: (TrueTimes & { words: string[] })[] } {
  return readPacked<ReturnType<typeof trueTimes>>(fixture('times.bin.br')).meta;
}

/** The final model's outputs; `losses` says which of PyTorch's numbers go with them. */
export function finalBatch(
  corpus: Corpus,
  losses: 'final' | 'final_f16' | 'final_shuffled',
): RealBatch {
  const folder = join(root, 'examples', 'data', corpus.name);
  const manifest = losses === 'final_shuffled' ? 'manifest_shuffled.jsonl' : 'manifest.jsonl';
  return {
    data: readNpy(join(folder, 'logits.npy')),
    shape: corpus.shape,
    blank: corpus.blank,
    targets: readTargets(folder, manifest),
    inputLengths: corpus.utterances.map(({ frames }) => frames),
    losses: corpus.utterances.map((utterance) => utterance[`loss_${losses}`]!),
    reduced: corpus.reductions[losses],
  };
}

/** An earlier model's outputs. The frames beyond a length were not kept: they hold NaN. */
export function earlyBatch(corpus: Corpus, checkpoint: 'mid' | 'early'): RealBatch {
  const [T, , C] = corpus.shape;
  const kept = corpus.utterances.flatMap((_, n) => (n % corpus.step === 0 ? [n] : []));
  const rows = packed.arrays.get(`${corpus.name}/${checkpoint}`)!;
  const data = new Float32Array(T * kept.length * C).fill(Number.NaN);
  let row = 0;
  kept.forEach((n, column) => {
    for (let t = 0; t < corpus.utterances[n]!.frames; t += 1, row += 1) {
      data.set(rows.subarray(row * C, (row + 1) * C), (t * kept.length + column) * C);
    }
  });
  const targets = readTargets(join(root, 'examples', 'data', corpus.name), 'manifest.jsonl');
  return {
    data,
    shape: [T, kept.length, C],
    blank: corpus.blank,
    targets: kept.map((n) => targets[n]!),
    inputLengths: kept.map((n) => corpus.utterances[n]!.frames),
    losses: kept.map((n) => corpus.utterances[n]![`loss_${checkpoint}`]!),
    reduced: corpus.step === 1 ? corpus.reductions[checkpoint] : undefined,
  };
}

/** float32, C order, version 1: read here by itself, so that these tests need no reader. */
function readNpy(file: string): Float32Array {
  const bytes = readFileSync(file);
  const start = 10 + bytes.readUInt16LE(8);
  return new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer);
}

function readTargets(folder: string, manifest: string): number[][] {
  const tokens = tokensIn(folder);
  return textsIn(folder, manifest).map((text) => {
    return [...text].map((symbol) => tokens.indexOf(symbol));
  });
}

function tokensIn(folder: string): string[] {
  return readFileSync(join(folder, 'tokens.txt'), 'utf8').replace(/\n$/, '').split('\n');
}

function textsIn(folder: string, manifest: string): string[] {
  const lines = readFileSync(join(folder, manifest), 'utf8').trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as { text: string }).text);
}

/** The symbols of the classes. */
export function readTokens({ name }: Corpus): string[] {
  return tokensIn(join(root, 'examples', 'data', name));
}

/** The true texts of all utterances. */
export function readTexts({ name }: Corpus): string[] {
  return textsIn(join(root, 'examples', 'data', name), 'manifest.jsonl');
}
