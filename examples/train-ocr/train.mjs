// Trains a small network to read lines of digits, with the CTC loss of node-ctc in TensorFlow.js.
// `node examples/train-ocr/train.mjs --help` says how; README.md beside it says what happens.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { Presets, SingleBar } from 'cli-progress';
import { ctcLoss } from 'node-ctc/tfjs';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.mjs';
import { drawAlignments, judge, read } from './evaluate.mjs';
import { drawLines, FONTS, randomFrom } from './lines.mjs';
import { createWeights, logitsOf, patchesOf } from './model.mjs';

const USAGE = `Usage: node examples/train-ocr/train.mjs [options]

  --quick            60 steps, to see the loss fall
  --resume           go on from the checkpoint in the output folder
  --steps <n>        stop after so many steps       (default 4000, with --quick 60)
  --target <cer>     or at this character error rate on fresh lines (default 0.03)
  --batch <n>        lines in a step                (default 16)
  --seed <n>         of weights and lines           (default 1)
  --backend <name>   wasm or cpu, which is slower   (default wasm)
  --out <folder>     (default examples/train-ocr/out)
  --help`;

// At most this character error rate, or the program fails.
const GOOD = 0.1;
const CHECK_EVERY = 100;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
    steps: { type: 'string' },
    target: { type: 'string' },
    batch: { type: 'string' },
    seed: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
    out: { type: 'string', default: fileURLToPath(new URL('out', import.meta.url)) },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const steps = numberOf('steps', options.quick ? 60 : 4000);
const target = numberOf('target', 0.03);
const batch = numberOf('batch', 16);
const seed = numberOf('seed', 1);

function numberOf(name, fallback) {
  const number = options[name] === undefined ? fallback : Number(options[name]);
  if (number >= 0 && (name === 'target' || Number.isInteger(number))) return number;
  console.error(`--${name} is ${options[name]}; it must be a number from 0\n\n${USAGE}`);
  process.exit(2);
}

tf.enableProdMode();
if (!['wasm', 'cpu'].includes(options.backend) || !(await tf.setBackend(options.backend))) {
  console.error(`there is no backend '${options.backend}'`);
  process.exit(2);
}
mkdirSync(options.out, { recursive: true });
const checkpoint = join(options.out, 'checkpoint.safetensors');

const weights = createWeights(seed);
const optimizer = tf.train.adam(2e-3);
const random = randomFrom(seed);
let progress = { step: 0, first: undefined, loss: undefined, cer: undefined, seconds: 0 };
if (options.resume) {
  if (!existsSync(checkpoint)) {
    console.error(`there is no ${checkpoint} to go on from`);
    process.exit(2);
  }
  progress = await loadCheckpoint(checkpoint, weights, optimizer);
  random.state = progress.random;
  console.log(`Goes on from step ${progress.step}.`);
}

console.log(
  `Lines of 3 to 9 digits in ${FONTS.length} fonts, ${batch} a step, on ${tf.getBackend()}.`,
);

/** One step of the optimizer; returns the loss. */
function learn() {
  const lines = drawLines(random, batch);
  const patches = patchesOf(lines);
  const labels = lines.map((line) => line.labels);
  const loss = optimizer.minimize(
    () => ctcLoss(logitsOf(weights, patches), labels),
    true,
    Object.values(weights),
  );
  const [value] = loss.dataSync();
  tf.dispose([patches, loss]);
  return value;
}

/** Lines that were never learned from: their own random numbers, new ones at each step. */
const freshLines = (count) => drawLines(randomFrom(0x7e57 + seed + 7919 * progress.step), count);

const bar = new SingleBar(
  {
    format:
      '{bar} step {value}/{total}  loss {loss}  CER {cer}  {rate} lines/s  {eta_formatted} left',
  },
  Presets.shades_classic,
);
const shown = ({ loss, cer, seconds, step }) => ({
  loss: loss.toFixed(3),
  cer: cer === undefined ? '-' : `${(100 * cer).toFixed(1)}%`,
  rate: seconds === 0 ? '-' : Math.round((step * batch) / seconds),
});

let stopped = false;
process.once('SIGINT', () => {
  stopped = true;
});

const save = () =>
  saveCheckpoint(checkpoint, weights, optimizer, { ...progress, random: random.state });
const isTerminal = process.stdout.isTTY;
if (isTerminal) bar.start(steps, progress.step, { loss: '-', cer: '-', rate: '-' });
while (progress.step < steps && !stopped && !(progress.cer < target)) {
  const start = performance.now();
  const loss = learn();
  progress.step++;
  progress.first ??= loss;
  // A mean that forgets: the last twenty steps or so.
  progress.loss = progress.loss === undefined ? loss : 0.95 * progress.loss + 0.05 * loss;
  progress.seconds += (performance.now() - start) / 1000;
  const check = progress.step % CHECK_EVERY === 0;
  if (check) {
    progress.cer = (await read(weights, freshLines(64))).rate;
    await save();
  }
  if (isTerminal) {
    bar.update(progress.step, shown(progress));
  } else if (check || progress.step % 20 === 0) {
    const { loss, cer, rate } = shown(progress);
    console.log(`step ${progress.step}  loss ${loss}  CER ${cer}  ${rate} lines/s`);
  }
  // Lets Ctrl-C in.
  await new Promise(setImmediate);
}
if (isTerminal) bar.stop();
await save();
if (stopped) {
  console.log(`Stopped after step ${progress.step}; the same command with --resume goes on.`);
  process.exit(130);
}

const lines = freshLines(options.quick ? 32 : 512);
const { logits, texts, rate } = await read(weights, lines);
judge(options.out, lines, logits);
const picture = join(options.out, 'alignments.png');
const few = 8;
const [frames, , classes] = logits.shape;
await drawAlignments(picture, lines.slice(0, few), texts, {
  data: logits.data,
  shape: [frames, few, classes],
  strides: [lines.length * classes, classes, 1],
});

const percent = (100 * rate).toFixed(2);
console.log(`${progress.step} steps in ${progress.seconds.toFixed(0)} s`);
console.log(`loss ${progress.first.toFixed(3)} at first, ${progress.loss.toFixed(3)} at last`);
console.log(`character error rate on ${lines.length} fresh lines: ${percent}%`);
console.log(
  `wrote ${checkpoint}, logits.npy, manifest.jsonl, tokens.txt, alignments.png, report.html`,
);
if (options.quick ? !(progress.loss < progress.first / 2) : !(rate < GOOD)) {
  console.error(options.quick ? 'The loss did not fall.' : `That is not below ${100 * GOOD}%.`);
  process.exitCode = 1;
}
