// A job's lock as far as this process knows. A process that was stopped, or cut off from Redis, for longer than
// the lock lasts has lost its job to another without noticing: it must ask before it writes.

import { LeaseLost } from './failures.js';

export class Lease {
  readonly #milliseconds: number;
  readonly #extend: () => Promise<boolean>;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #held: Moment;
  #pending: Promise<void> | undefined;

  /**
   * A lock that was just taken and lasts `milliseconds`. It is extended until `end`.
   *
   * @param extend - Extends it from now on; false where it is no longer this process's.
   * @param taken - When it was taken, by `Date.now()`. Default: now.
   */
  constructor(milliseconds: number, extend: () => Promise<boolean>, taken = Date.now()) {
    this.#held = { ...now(), wall: taken };
    this.#milliseconds = milliseconds;
    this.#extend = extend;
    this.#timer = setInterval(() => void this.#renew().catch(() => {}), milliseconds / 3);
  }

  /** Aborted once the job is lost, or by `stop`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get lost(): boolean {
    return this.signal.reason instanceof LeaseLost;
  }

  /** Stops the work. The lock is kept until `end`. */
  stop(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Resolves once it is certain that the lock holds; waits for Redis where it must. Throws LeaseLost or the signal's reason. */
  async check(): Promise<void> {
    for (;;) {
      this.signal.throwIfAborted();
      if (this.#age() < (2 / 3) * this.#milliseconds) return;
      await Promise.race([this.#renew(), aborted(this.signal)]);
    }
  }

  end(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    this.#pending ??= this.#ask().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #ask(): Promise<void> {
    const asked = now();
    if (await this.#extend()) this.#held = asked;
    else this.#controller.abort(new LeaseLost('its lock ran out'));
  }

  // One clock stands still while a machine sleeps, the other may be set back.
  #age(): number {
    const { monotonic, wall } = now();
    return Math.max(monotonic - this.#held.monotonic, wall - this.#held.wall);
  }
}

interface Moment {
  monotonic: number;
  wall: number;
}

function now(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
