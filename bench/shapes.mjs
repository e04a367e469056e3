// The batches that are measured: T frames, N utterances, C classes, L labels in each utterance.

/** @typedef {{ name: string, T: number, N: number, C: number, L: number }} Shape */

/** @type {readonly Shape[]} */
export const SHAPES = [
  { name: 'ocr-crnn', T: 26, N: 64, C: 37, L: 10 },
  { name: 'deepspeech-char', T: 400, N: 32, C: 29, L: 80 },
  { name: 'wav2vec2', T: 750, N: 8, C: 32, L: 150 },
  { name: 'bpe-1k', T: 250, N: 16, C: 1024, L: 40 },
  { name: 'bpe-5k', T: 200, N: 16, C: 5000, L: 40 },
  { name: 'ppocr-zh', T: 80, N: 64, C: 6625, L: 25 },
  { name: 'zh-asr', T: 300, N: 16, C: 4233, L: 30 },
  { name: 'longform-char', T: 6000, N: 1, C: 32, L: 1200 },
  { name: 'nanopore', T: 800, N: 64, C: 5, L: 400 },
  { name: 'tiny', T: 50, N: 1, C: 29, L: 10 },
  { name: 'warp-ctc-28', T: 150, N: 64, C: 28, L: 40 },
  { name: 'warp-ctc-5000', T: 150, N: 64, C: 5000, L: 20 },
];

/** Bound by memory, not by the lattice. */
export const isLarge = (/** @type {Shape} */ shape) => shape.C >= 1000;

/**
 * The shapes with the names given; all of them without one.
 *
 * @param {readonly string[] | undefined} names
 */
export function shapesNamed(names) {
  if (names === undefined) return SHAPES;
  return names.map((name) => {
    const shape = SHAPES.find((candidate) => candidate.name === name);
    if (shape !== undefined) return shape;
    const known = SHAPES.map((candidate) => candidate.name).join(', ');
    throw new Error(`no shape '${name}'; there are ${known}`);
  });
}
