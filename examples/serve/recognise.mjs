// Lines of grey pixels in; what they read, where, and how sure that is out. Runs in a worker: a session of
// onnxruntime-node computes on the thread that calls it.

import { fileURLToPath } from 'node:url';
import { beamDecodeSync, ctcLossSync, forcedAlignSync } from 'node-ctc';
import * as ort from 'onnxruntime-node';
import { TOKENS } from './alphabet.mjs';
import { HEIGHT } from './image.mjs';

/** Columns of pixels that a frame of the model's output covers. */
const STRIDE = 4;

const model = fileURLToPath(new URL('model/model.onnx', import.meta.url));
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
});

/** The median of bytes. */
function medianOf(bytes) {
  const counts = new Uint32Array(256);
  for (const value of bytes) counts[value] += 1;
  const ranked = (rank) => {
    let value = 0;
    for (let below = counts[0]; below <= rank; below += counts[value]) value += 1;
    return value;
  };
  return (ranked((bytes.length - 1) >> 1) + ranked(bytes.length >> 1)) / 2;
}

/** The model's input, [N, 1, HEIGHT, W]: the background is 0, ink is positive, and so is padding: 0. */
function tensorOf(lines) {
  const widest = Math.max(...lines.map(({ width }) => width));
  const width = STRIDE * Math.ceil(widest / STRIDE);
  const pixels = new Float32Array(lines.length * HEIGHT * width);
  lines.forEach(({ grey, width: own }, n) => {
    const median = medianOf(grey);
    for (let y = 0; y < HEIGHT; y++) {
      const row = (n * HEIGHT + y) * width;
      for (let x = 0; x < own; x++) pixels[row + x] = (2 * (median - grey[y * own + x])) / 255;
    }
  });
  return new ort.Tensor('float32', pixels, [lines.length, 1, HEIGHT, width]);
}

const framesOf = ({ width }) => Math.ceil(width / STRIDE);

/** Characters with their place in the pixels of the file. */
function characters(line, spans) {
  const place = (frame) => Math.min(frame * STRIDE, line.width) * line.scale;
  return spans.map(({ token, score, start, end }) => ({
    text: TOKENS[token],
    confidence: score,
    start: place(start),
    end: place(end),
  }));
}

function pathOf(line, { text, logProb, tokens }) {
  const spans = tokens.map(({ label, ...rest }) => ({ token: label, ...rest }));
  return { text, confidence: Math.exp(logProb), characters: characters(line, spans) };
}

/** Loss and places of the transcripts; undefined where a line has none. */
function compare(logits, lines) {
  if (lines.every(({ labels }) => labels === undefined)) return [];
  const targets = lines.map(({ labels }) => labels ?? []);
  const options = { inputLengths: lines.map(framesOf), threads: 1 };
  const { losses, status } = ctcLossSync(logits, targets, {
    ...options,
    gradient: false,
    reduction: 'none',
  });
  const { utterances } = forcedAlignSync(logits, targets, options);
  return lines.map((line, n) => {
    if (line.labels === undefined) return undefined;
    // JSON knows no Infinity: a transcript that is too long for the line has no loss.
    const loss = status[n] === 'ok' ? losses[n] : null;
    return { status: status[n], loss, characters: characters(line, utterances[n].spans) };
  });
}

/**
 * Reads a batch of lines: `{ grey, width, scale }` of `readLine`, `paths`, how many readings to give, and
 * perhaps `labels`, the classes of a transcript.
 *
 * The session's tensor goes into each call as it is, and is read where it lies.
 */
export async function recognise(lines) {
  const { logits } = await session.run({ image: tensorOf(lines) });
  const { utterances } = beamDecodeSync(logits, {
    tokens: TOKENS,
    inputLengths: lines.map(framesOf),
    beamWidth: 32,
    topPaths: Math.max(...lines.map(({ paths }) => paths)),
    threads: 1,
  });
  const transcripts = compare(logits, lines);
  return lines.map((line, n) => {
    const paths = utterances[n].paths.slice(0, line.paths).map((path) => pathOf(line, path));
    return { ...paths[0], paths, transcript: transcripts[n] };
  });
}
