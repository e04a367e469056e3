// A step of a data-parallel training loop: one batch, split over workers that share its memory.

import { Worker } from 'node:worker_threads';

/**
 * Starts workers for batches of shape [N, T, C].
 *
 * @returns `logits`, `gradient` (Float32Array) and `losses` (Float64Array) in shared memory; `step(labels, options)`, which
 * fills the last two from the first and resolves to the mean loss; `close()`.
 */
export function startWorkers(count, [N, T, C]) {
  const shared = {
    logits: new SharedArrayBuffer(4 * N * T * C),
    gradient: new SharedArrayBuffer(4 * N * T * C),
    losses: new SharedArrayBuffer(8 * N),
  };
  const workers = Array.from(
    { length: count },
    () =>
      new Worker(new URL('worker.mjs', import.meta.url), {
        workerData: { ...shared, shape: [N, T, C] },
      }),
  );

  const ask = (worker, message) =>
    new Promise((resolve, reject) => {
      const settle = (action) => (value) => {
        worker.off('message', onMessage).off('error', onError);
        action(value);
      };
      const onMessage = settle(resolve);
      const onError = settle(reject);
      worker.on('message', onMessage).on('error', onError).postMessage(message);
    });

  async function step(labels, inputLengths) {
    // What the mean divides by: a worker sees only its own part, and would divide by that part's N.
    const options = { reduction: 'mean', denominator: N };
    const bounds = Array.from({ length: count + 1 }, (_, i) => Math.round((i * N) / count));
    await Promise.all(
      workers.map((worker, i) => {
        const [first, end] = [bounds[i], bounds[i + 1]];
        return ask(worker, {
          first,
          labels: labels.slice(first, end),
          inputLengths: inputLengths.slice(first, end),
          options,
        });
      }),
    );
    // In the order of the batch, as one call sums them; the workers' own sums would round differently.
    const losses = new Float64Array(shared.losses);
    let sum = 0;
    for (let n = 0; n < N; n++) sum += losses[n] / Math.max(labels[n].length, 1);
    return sum / N;
  }

  return {
    logits: new Float32Array(shared.logits),
    gradient: new Float32Array(shared.gradient),
    losses: new Float64Array(shared.losses),
    step,
    close: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}
