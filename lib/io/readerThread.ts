// The one thread in which libraries read files. It answers one request at a time, so that it is known which
// file keeps it busy. It is ended when that takes too long, and the next request starts another one. Between
// requests it holds nobody up: a process ends without waiting for it.

import { totalmem } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { libraryFolder } from '../here.cjs';
import type { Reply, Request } from './containedWorker.js';

// A list of numbers takes 8 bytes for each, and a row group of Parquet may have 1 GiB of them in 4 bytes.
const heapMegabytes = Math.min(8192, Math.floor(totalmem() / 2 ** 21));

interface Waiting {
  resolve: (reply: Reply) => void;
  reject: (reason: unknown) => void;
}

/** Why the thread has been ended: the end of a sentence that begins with a file's path. */
export class ThreadEnded extends Error {}

export class ReaderThread {
  readonly #script: string;
  readonly #heapMegabytes: number;
  #worker: Worker | undefined;
  #number = 0;
  #waiting: Waiting | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(script = join(libraryFolder, 'io', 'containedWorker.js'), heap = heapMegabytes) {
    this.#script = script;
    this.#heapMegabytes = heap;
  }

  /** Which thread it is by now: what was opened in one is not open in the next. */
  get number(): number {
    return this.#number;
  }

  /** Runs `task` when the ones before it are over. */
  take<R>(task: () => Promise<R>): Promise<R> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /**
   * Within a `take`. Throws ThreadEnded where no answer came: not within `seconds`, or never. An abort of `signal`
   * ends the thread as well, which cannot be asked to stop, and throws its reason.
   */
  async send(
    request: Request,
    seconds: number,
    transfer: ArrayBuffer[] = [],
    signal?: AbortSignal,
  ): Promise<Reply> {
    signal?.throwIfAborted();
    this.#worker ??= this.#start();
    const worker = this.#worker;
    // Ticks instead of one long wait, which would be over when a stopped process (Ctrl-Z) goes on.
    let ticks = 0;
    const clock = setInterval(() => {
      ticks += 1;
      if (ticks > seconds) this.end(`has kept its library busy for ${ticks} s`);
    }, 1000);
    const stop = () => {
      this.#waiting?.reject(signal!.reason);
      this.end('was stopped');
    };
    signal?.addEventListener('abort', stop, { once: true });
    worker.ref();
    try {
      return await new Promise<Reply>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        worker.postMessage(request, transfer);
      });
    } finally {
      this.#waiting = undefined;
      clearInterval(clock);
      signal?.removeEventListener('abort', stop);
      worker.unref();
    }
  }

  end(reason: string): void {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#number += 1;
    this.#waiting?.reject(new ThreadEnded(reason));
    void worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(this.#script, {
      // Those of the process may be of no use in a thread.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: this.#heapMegabytes },
    });
    const ended = (reason: string) => {
      if (this.#worker === worker) this.end(reason);
    };
    worker.on('message', (reply: Reply) => {
      if (this.#worker === worker) this.#waiting?.resolve(reply);
    });
    worker.on('error', (error: NodeJS.ErrnoException) => {
      const memory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      ended(
        memory
          ? `takes more than ${this.#heapMegabytes} MB of memory to read`
          : `has crashed its library (${error.message.split('\n', 1)[0]})`,
      );
    });
    worker.on('exit', () => ended('has crashed its library'));
    return worker;
  }
}
