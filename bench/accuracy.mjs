// npm run bench:accuracy: errors of losses and gradients in float32 and in 16 bits, this package's and
// PyTorch's, against PyTorch in float64. Prints the tables of docs/numerics.md.
import { converted, fillNormal, randomBatch, randomSource } from './inputs.mjs';
import { startTorch } from './pytorch.mjs';
import { readRealBatches } from './realData.mjs';
import { table } from './report.mjs';

/** @typedef {import('./inputs.mjs').Batch} Batch */

const { ctcLossSync } = await import('../dist/esm/index.js');
const torch = await startTorch();
if (torch === undefined) {
  console.error('bench:accuracy needs PyTorch for the reference: apt-get install python3-torch');
  process.exit(1);
}

const synthetic = [
  ['random, T = 400, L = 80', randomBatch({ T: 400, N: 8, C: 29, L: 80 })],
  ['peaky as after training, T = 500', peakyBatch(false)],
  ['peaky, another text, T = 500', peakyBatch(true)],
  ['T = 20000, L = 5', randomBatch({ T: 20000, N: 1, C: 29, L: 5 })],
  ['T = 10000, L = 1000', randomBatch({ T: 10000, N: 1, C: 32, L: 1000 })],
  ['logits times 1e4, T = 200, L = 30', scaled(randomBatch({ T: 200, N: 8, C: 29, L: 30 }), 1e4)],
];
const real = readRealBatches().map(({ name, batch }) => [name, batch]);

const rows = [];
for (const [name, batch] of [...synthetic, ...real]) {
  await torch.load(batch);
  const exact = await torch.evaluate('float64');
  const ours = errors(evaluate(batch), exact);
  const theirs = errors(await torch.evaluate('float32'), exact);
  rows.push([name, ours.loss, theirs.loss, ours.gradient, theirs.gradient]);
}
table('float32', ['', 'loss, this', 'loss, PyTorch', 'gradient, this', 'gradient, PyTorch'], rows);

// The reference takes the rounded logits, so that only the arithmetic and the gradient's own
// rounding count: half a unit in the last place of numbers up to 1 is 2^-12 and 2^-9.
const narrow = [];
for (const [name, batch] of [...synthetic.slice(0, 3), ...real]) {
  const cells = [];
  for (const type of /** @type {const} */ (['float16', 'bfloat16'])) {
    const data = converted(batch.input.data, type);
    await torch.load({ ...batch, input: { ...batch.input, data: widened(data, type) } });
    const exact = await torch.evaluate('float64');
    const { losses, gradient } = evaluate({ ...batch, input: { ...batch.input, data, type } });
    const found = errors({ losses, gradient: widened(gradient, type) }, exact);
    cells.push(found.loss, found.gradient);
  }
  narrow.push([name, ...cells]);
}
table(
  '16-bit logits and gradients, this package',
  ['', 'loss, float16', 'gradient, float16', 'loss, bfloat16', 'gradient, bfloat16'],
  narrow,
);
torch.stop();

/** @param {Batch} batch */
function evaluate({ input, targets, inputLengths, blank }) {
  const options = { inputLengths, blank, reduction: /** @type {const} */ ('none') };
  return ctcLossSync(input, targets, options);
}

/** The worst utterance's |loss - exact| / max(1, |exact|), and the worst entry's |gradient - exact|. */
function errors(found, exact) {
  const worst = (count, error) => {
    let most = 0;
    // Written so that NaN and Infinity win.
    for (let i = 0; i < count; i++) if (!(error(i) <= most)) most = error(i);
    return most.toExponential(1);
  };
  return {
    loss: worst(
      exact.losses.length,
      (n) => Math.abs(found.losses[n] - exact.losses[n]) / Math.max(1, Math.abs(exact.losses[n])),
    ),
    gradient: worst(exact.gradient.length, (i) => Math.abs(found.gradient[i] - exact.gradient[i])),
  };
}

/**
 * Logits as of a model that has learned: one class of each frame stands out by 12, the blank between
 * the labels; or the same logits with the labels of other utterances.
 *
 * @returns {Batch}
 */
function peakyBatch(another) {
  const [T, N, C, L] = [500, 8, 29, 60];
  const random = randomSource(3);
  const data = fillNormal(new Float32Array(T * N * C), 1, random);
  const targets = [];
  for (let n = 0; n < N; n++) {
    const target = Array.from({ length: L }, () => 1 + Math.floor(random() * (C - 1)));
    targets.push(target);
    for (let t = 0; t < T; t++) {
      // Each label has an equal part of the frames and stands in two of them.
      const place = (t * L) / T;
      const inLabel = (place % 1) * (T / L) < 2;
      data[(t * N + n) * C + (inLabel ? target[Math.floor(place)] : 0)] += 12;
    }
  }
  if (another) targets.push(targets.shift());
  return {
    input: { data, shape: [T, N, C], type: 'float32' },
    targets,
    inputLengths: new Array(N).fill(T),
    blank: 0,
  };
}

function scaled(/** @type {Batch} */ batch, factor) {
  const data = batch.input.data;
  for (let i = 0; i < data.length; i++) data[i] *= factor;
  return batch;
}

/** 16-bit numbers as float32. */
function widened(data, type) {
  const wide = new Float32Array(data.length);
  const bits = new Uint32Array(wide.buffer);
  for (let i = 0; i < data.length; i++) {
    const x = data[i];
    if (type === 'bfloat16') {
      bits[i] = x << 16;
    } else {
      const [exponent, fraction] = [(x >> 10) & 31, x & 1023];
      const size =
        exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
      wide[i] = x & 0x8000 ? -size : size;
    }
  }
  return wide;
}
