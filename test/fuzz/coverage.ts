// Which parts of some scripts ran, as V8 counts it: every function and every branch in it. What makes
// a fuzzer guided, without instrumenting a line.

import { type Profiler, Session } from 'node:inspector';

export class Coverage {
  readonly #session = new Session();
  readonly #isWanted: (url: string) => boolean;

  constructor(isWanted: (url: string) => boolean) {
    this.#isWanted = isWanted;
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
    this.take();
  }

  /** What ran since the last call, each block with how often. Takes milliseconds, whatever ran. */
  take(): Map<string, number> {
    const { result } = this.#post('Profiler.takePreciseCoverage') as {
      result: Profiler.ScriptCoverage[];
    };
    const blocks = new Map<string, number>();
    for (const { url, functions } of result) {
      if (!this.#isWanted(url)) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count > 0) blocks.set(`${url}:${startOffset}-${endOffset}`, count);
        }
      }
    }
    return blocks;
  }

  close(): void {
    this.#session.disconnect();
  }

  // Answers before it returns: the session is in this thread.
  #post(method: string, params?: object): unknown {
    let answer: unknown;
    this.#session.post(method, params, (error, result) => {
      if (error) throw error;
      answer = result;
    });
    return answer;
  }
}
