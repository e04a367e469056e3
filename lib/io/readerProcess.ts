// The one child process in which libraries read files: some of their faults end a process, and not only the
// thread that they are in. It answers one request at a time, so that it is known which file keeps it busy. It is
// ended when that takes too long, and the next request starts another one. Between requests it holds nobody up: a
// process ends without waiting for it.

import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { libraryFolder } from '../here.cjs';
import { escapeControls } from './file.js';
import type { Reply, Request } from './readerChild.js';

// A list of numbers takes 8 bytes for each, and a row group of Parquet may have 1 GiB of them in 4 bytes.
const heapMegabytes = Math.min(8192, Math.floor(totalmem() / 2 ** 21));

// What V8 says at its end is above a trace of the stack.
const keptCharacters = 2 ** 14;

/** The memory for this many bytes of a batch. */
type Reserve = (bytes: number) => ArrayBuffer;

interface Waiting {
  reserve: Reserve;
  resolve: (reply: Reply) => void;
  reject: (reason: unknown) => void;
}

/** Why the process has ended: the end of a sentence that begins with a file's path. */
export class ReaderEnded extends Error {
  constructor(
    reason: string,
    readonly remedy = 'Write or download it again',
  ) {
    super(reason);
  }
}

export class ReaderProcess {
  readonly #script: string;
  readonly #heapMegabytes: number;
  #child: ChildProcess | undefined;
  #number = 0;
  #waiting: Waiting | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(script = join(libraryFolder, 'io', 'readerChild.js'), heap = heapMegabytes) {
    this.#script = script;
    this.#heapMegabytes = heap;
  }

  /** Which process it is by now: what was opened in one is not open in the next. */
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
   * Within a `take`. A batch's elements are written to the memory of `reserve`. Throws ReaderEnded where no answer came:
   * not within `seconds`, or never. An abort of `signal` ends the process as well, which cannot be asked to stop, and
   * throws its reason.
   */
  async send(
    request: Request,
    seconds: number,
    signal?: AbortSignal,
    reserve: Reserve = (bytes) => new ArrayBuffer(bytes),
  ): Promise<Reply> {
    signal?.throwIfAborted();
    this.#child ??= this.#start();
    const child = this.#child;
    // Ticks instead of one long wait, which would be over when a stopped process (Ctrl-Z) goes on.
    let ticks = 0;
    const clock = setInterval(() => {
      ticks += 1;
      if (ticks > seconds) this.end(new ReaderEnded(`has kept its library busy for ${ticks} s`));
    }, 1000);
    const stop = () => this.end(signal!.reason);
    signal?.addEventListener('abort', stop, { once: true });
    child.ref();
    try {
      return await new Promise<Reply>((resolve, reject) => {
        this.#waiting = { reserve, resolve, reject };
        // What goes wrong is the end of the process.
        child.send(request, () => {});
      });
    } finally {
      this.#waiting = undefined;
      clearInterval(clock);
      signal?.removeEventListener('abort', stop);
      child.unref();
    }
  }

  /** Ends the process; whoever waits for its answer gets `reason`. */
  end(reason: unknown): void {
    const child = this.#child;
    this.#child = undefined;
    this.#number += 1;
    this.#waiting?.reject(reason);
    child?.kill('SIGKILL');
  }

  #start(): ChildProcess {
    let child: ChildProcess;
    try {
      child = fork(this.#script, {
        serialization: 'advanced',
        // Those of this process may be of no use in another one.
        execArgv: [`--max-old-space-size=${this.#heapMegabytes}`],
        env: readerEnvironment(process.env),
        // Its end of the first tells it when this process is gone; elements come by the fourth.
        stdio: ['pipe', 'ignore', 'pipe', 'pipe', 'ipc'],
      });
      child.unref();
      child.channel!.unref();
      for (const stream of child.stdio) (stream as Socket | null)?.unref();
    } catch (error) {
      throw noProcess(error);
    }
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-keptCharacters);
    });
    child.on('message', (reply: Reply) => {
      if (this.#child === child) this.#receive(child, reply);
    });
    const ended = (reason: Error) => {
      if (this.#child === child) this.end(reason);
    };
    child.on('error', (error) => ended(noProcess(error)));
    child.on('close', (_, signal) => {
      ended(new ReaderEnded(describeEnd(signal, said, this.#heapMegabytes)));
    });
    return child;
  }

  #receive(child: ChildProcess, reply: Reply): void {
    const waiting = this.#waiting;
    const bytes = reply.bytes ?? 0;
    if (waiting === undefined || bytes === 0) {
      waiting?.resolve(reply);
      return;
    }
    let memory: Uint8Array;
    try {
      memory = new Uint8Array(waiting.reserve(bytes), 0, bytes);
    } catch (error) {
      this.end(error);
      return;
    }
    const pipe = child.stdio[3] as Socket;
    let filled = 0;
    const fill = (piece: Buffer) => {
      memory.set(piece, filled);
      filled += piece.length;
      if (filled < bytes) return;
      pipe.off('data', fill);
      pipe.pause();
      waiting.resolve(reply);
    };
    pipe.on('data', fill);
    pipe.resume();
  }
}

/**
 * `env` for the reader. NODE_OPTIONS may say how packages are found (Yarn's Plug'n'Play) and is kept, but for the
 * debugger: the reader must not wait for it, nor take its port.
 */
function readerEnvironment({ NODE_OPTIONS: options, ...env }: NodeJS.ProcessEnv) {
  if (options === undefined) return env;
  return { ...env, NODE_OPTIONS: options.replace(/(?<!\S)--inspect\S*/g, '') };
}

function noProcess(error: unknown): ReaderEnded {
  return new ReaderEnded(
    `needs a process that reads it, which cannot be started (${(error as Error).message})`,
    'Allow more processes (ulimit -u), open files (ulimit -n) or memory',
  );
}

/** By what the process said to its end on the standard error stream. */
function describeEnd(signal: NodeJS.Signals | null, said: string, megabytes: number): string {
  if (said.includes('heap out of memory'))
    return `takes more than ${megabytes} MB of memory to read`;
  if (said.includes('invalid size error')) return 'asks for more memory than a list may take';
  // Not by this process: by the system.
  if (signal === 'SIGKILL') return 'takes more memory to read than there is: its reader was killed';
  const [, line = signal] = /^(?:# )?((?:fatal|\w*error)\b.*)$/im.exec(said) ?? [];
  return `has crashed its library${line === null ? '' : ` (${escapeControls(line.slice(0, 200))})`}`;
}
