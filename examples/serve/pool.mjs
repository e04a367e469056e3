// Threads that run the model, so that the event loop never waits for it.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export class Pool {
  #workers;
  #idle;

  /** Resolves when every thread has loaded the model. */
  static async start(count) {
    const workers = Array.from(
      { length: count },
      () => new Worker(new URL('worker.mjs', import.meta.url)),
    );
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    return new Pool(workers);
  }

  constructor(workers) {
    this.#workers = workers;
    this.#idle = [...workers];
  }

  /** Threads that have nothing to do. */
  get idle() {
    return this.#idle.length;
  }

  /** Runs a batch on an idle thread; there must be one. */
  async run(lines) {
    const worker = this.#idle.pop();
    worker.postMessage(lines);
    // Rejects when the thread dies: nothing that a request can hold does that, so the process ends too.
    const [{ results, error }] = await once(worker, 'message');
    this.#idle.push(worker);
    if (error !== undefined) throw error;
    return results;
  }

  async close() {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
