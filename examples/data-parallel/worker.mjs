// Computes the loss and the gradient of one part of a batch, in memory that all workers share.

import { parentPort, workerData } from 'node:worker_threads';
import { ctcLossSync } from 'node-ctc';

const { shape, logits, gradient, losses } = workerData;
const [, frames, classes] = shape;

parentPort.on('message', ({ first, labels, inputLengths, options }) => {
  // Batch-major, so that utterances that follow one another are one piece of memory.
  const start = first * frames * classes;
  const count = labels.length;
  const part = (memory) => new Float32Array(memory, 4 * start, count * frames * classes);
  const result = ctcLossSync({ data: part(logits), shape: [count, frames, classes] }, labels, {
    ...options,
    layout: 'NTC',
    inputLengths,
    gradient: part(gradient),
    threads: 1,
  });
  new Float64Array(losses, 8 * first, count).set(result.losses);
  parentPort.postMessage('done');
});
