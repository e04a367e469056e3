// Gathers requests into batches for the pool.

export class BatchQueue {
  #pool;
  #size;
  #wait;
  #onBatch;
  #waiting = [];
  #timer;

  /**
   * A batch starts on an idle thread once `size` requests wait, or the first of them has waited for `wait` milliseconds.
   *
   * @param onBatch - Is told the size of each batch as it starts.
   */
  constructor(pool, { size, wait, onBatch }) {
    this.#pool = pool;
    this.#size = size;
    this.#wait = wait;
    this.#onBatch = onBatch;
  }

  /** Requests that no batch has taken yet. */
  get length() {
    return this.#waiting.length;
  }

  /** Resolves to what the pool finds. Rejects with the signal's reason if it aborts first; a line that waits then leaves the queue. */
  add(line, signal) {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const entry = { line, resolve, reject, since: performance.now() };
      signal.addEventListener('abort', () => this.#drop(entry, signal.reason), { once: true });
      this.#waiting.push(entry);
      this.#next();
    });
  }

  #drop(entry, reason) {
    const place = this.#waiting.indexOf(entry);
    if (place >= 0) this.#waiting.splice(place, 1);
    entry.reject(reason);
  }

  #next() {
    clearTimeout(this.#timer);
    while (this.#pool.idle > 0 && this.#waiting.length > 0) {
      const left = this.#waiting[0].since + this.#wait - performance.now();
      if (this.#waiting.length < this.#size && left > 0) {
        this.#timer = setTimeout(() => this.#next(), Math.ceil(left));
        return;
      }
      this.#start(this.#waiting.splice(0, this.#size));
    }
  }

  async #start(batch) {
    this.#onBatch(batch.length);
    try {
      const results = await this.#pool.run(batch.map(({ line }) => line));
      batch.forEach(({ resolve }, n) => {
        resolve(results[n]);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    this.#next();
  }
}
