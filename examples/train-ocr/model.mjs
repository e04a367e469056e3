// A small convolutional recurrent network, in operations whose gradients every backend of TensorFlow.js has.
//
// The wasm backend cannot differentiate conv2d, so convolutions are matrix products over patches. The
// recurrent layer is a quasi-recurrent one (Bradbury et al. 2017): its gates depend on the input alone, so that
// all its products are done at once, and only h[t] = f[t] * h[t - 1] + (1 - f[t]) * z[t] is left to the loop.

import * as tf from '@tensorflow/tfjs';
import { HEIGHT, TOKENS, WIDTH } from './lines.mjs';

const KERNEL = 5;
const COLUMNS = WIDTH / 2;
const ROWS = HEIGHT / 2;
/** Frames that the network makes of a line: one for four columns of pixels. */
export const FRAMES = WIDTH / 4;

const CHANNELS = 16;
const WIDER = 48;
const FEATURES = 96;
const HIDDEN = 64;

const SHAPES = {
  patch: [KERNEL * KERNEL, CHANNELS],
  pair: [4 * CHANNELS, WIDER],
  column: [(ROWS / 2) * WIDER, FEATURES],
  // z and f, each for both directions.
  gates: [3 * FEATURES, 4 * HIDDEN],
  classes: [2 * HIDDEN, TOKENS.length],
};

/** Named variables: a matrix and a bias for each layer. */
export function createWeights(seed) {
  const weights = {};
  let nth = seed;
  for (const [name, shape] of Object.entries(SHAPES)) {
    // He et al. 2015, for layers with rectified outputs.
    const deviation = Math.sqrt(2 / shape[0]);
    const matrix = tf.tidy(() => tf.randomNormal(shape, 0, deviation, 'float32', ++nth));
    weights[name] = tf.variable(matrix, true, `${name}/matrix`);
    matrix.dispose();
    const bias = tf.zeros([shape[1]]);
    weights[`${name}Bias`] = tf.variable(bias, true, `${name}/bias`);
    bias.dispose();
  }
  return weights;
}

/** Pictures as patches of 5 x 5 pixels around every other pixel: [N * columns * rows, 25]. */
export function patchesOf(lines) {
  const patches = new Float32Array(lines.length * COLUMNS * ROWS * KERNEL * KERNEL);
  let k = 0;
  for (const { ink } of lines) {
    for (let x = -1; x < WIDTH - 1; x += 2) {
      for (let y = -1; y < HEIGHT - 1; y += 2) {
        for (let column = x; column < x + KERNEL; column++) {
          for (let row = y; row < y + KERNEL; row++, k++) {
            const inside = column >= 0 && column < WIDTH && row >= 0 && row < HEIGHT;
            if (inside) patches[k] = ink[row * WIDTH + column];
          }
        }
      }
    }
  }
  return tf.tensor2d(patches, [patches.length / (KERNEL * KERNEL), KERNEL * KERNEL]);
}

/**
 * Matrix product of x [n, k] and w [k, m]. In wasm only the plain product is fast, and the gradient that TensorFlow.js has for it
 * asks for products with a transposed operand; this one transposes first.
 */
const product = tf.customGrad((x, w, save) => {
  save([x, w]);
  return {
    value: tf.matMul(x, w),
    gradFunc: (dy, [x, w]) => [tf.matMul(dy, w.transpose()), tf.matMul(x.transpose(), dy)],
  };
});

/** Logits [T, N, C] of N lines. */
export function logitsOf(weights, patches) {
  return tf.tidy(() => {
    const layer = (x, name) => product(x, weights[name]).add(weights[`${name}Bias`]);
    const count = patches.shape[0] / (COLUMNS * ROWS);

    let x = layer(patches, 'patch').relu();
    // Squares of 2 x 2 positions become one: [N, 40, 2, 6, 2 * channels], the pair of columns next to the channels.
    x = x.reshape([count, FRAMES, 2, ROWS / 2, 2 * CHANNELS]).transpose([0, 1, 3, 2, 4]);
    x = layer(x.reshape([-1, 4 * CHANNELS]), 'pair').relu();
    x = layer(x.reshape([-1, (ROWS / 2) * WIDER]), 'column').relu();

    // Time first; each frame with its neighbours.
    x = x.reshape([count, FRAMES, FEATURES]).transpose([1, 0, 2]);
    const padded = x.pad([
      [1, 1],
      [0, 0],
      [0, 0],
    ]);
    const shifted = [0, 1, 2].map((t) => padded.slice([t, 0, 0], [FRAMES, count, FEATURES]));
    const gates = layer(tf.concat(shifted, 2).reshape([-1, 3 * FEATURES]), 'gates');
    const read = recur(gates.reshape([FRAMES, count, 4 * HIDDEN]));
    return layer(read.reshape([-1, 2 * HIDDEN]), 'classes').reshape([FRAMES, count, TOKENS.length]);
  });
}

/** [T, N, 4 * hidden] to [T, N, 2 * hidden]: half of the states run forwards in time, half backwards. */
function recur(gates) {
  const turned = turn(gates);
  const [z, f] = tf.split(turned, 2, 2);
  const keep = f.sigmoid();
  const add = tf.sub(1, keep).mul(z.tanh()).unstack();
  const states = [];
  for (const [t, factor] of keep.unstack().entries()) {
    states.push(t === 0 ? add[0] : factor.mul(states[t - 1]).add(add[t]));
  }
  return turn(tf.stack(states));
}

/** Every second block of `hidden` columns backwards in time. */
function turn(x) {
  const blocks = tf.split(x, x.shape[2] / HIDDEN, 2);
  return tf.concat(
    blocks.map((block, i) => (i % 2 === 0 ? block : block.reverse(0))),
    2,
  );
}
