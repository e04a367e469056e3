// PyTorch in a process of its own, where a python3 on this machine has it.
import { spawn } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('pytorch.py', import.meta.url));
// Debian's is not the first on everybody's PATH.
const PYTHONS = ['python3', '/usr/bin/python3'];

/** @returns {Promise<Torch | undefined>} */
export async function startTorch() {
  for (const python of [process.env.PYTHON, ...PYTHONS].filter(Boolean)) {
    const torch = await Torch.start(python);
    if (torch !== undefined) return torch;
  }
  return undefined;
}

export class Torch {
  #child;
  #lines;
  version = '';

  constructor(child) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  static async start(python) {
    const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'ignore'] });
    const torch = new Torch(child);
    const failed = new Promise((resolve) => child.once('error', resolve));
    const first = await Promise.race([failed, torch.#lines.next()]);
    if (first instanceof Error || first.done) return undefined;
    torch.version = JSON.parse(first.value).version;
    return torch;
  }

  async #ask(request) {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const line = await this.#lines.next();
    if (line.done) throw new Error(`${script} ended`);
    return JSON.parse(line.value);
  }

  /** @param {import('./inputs.mjs').Batch} batch in float32 or float64 */
  async load({ input, targets, inputLengths, blank }) {
    const { data, shape, type: dtype } = input;
    const path = join(tmpdir(), `node-ctc-bench-${process.pid}.bin`);
    await writeFile(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    await this.#ask({ load: { path, shape, dtype, targets, inputLengths, blank } });
    await rm(path);
  }

  /** Losses of the loaded batch, and the gradient of their sum with respect to the logits. */
  async evaluate(/** @type {'float32' | 'float64'} */ dtype) {
    const path = join(tmpdir(), `node-ctc-bench-${process.pid}.bin`);
    const { losses } = await this.#ask({ evaluate: { dtype, path } });
    const bytes = await readFile(path);
    await rm(path);
    return { losses, gradient: new Float64Array(Uint8Array.from(bytes).buffer) };
  }

  /** The loss of the loaded batch, summed. */
  async loss() {
    return (await this.#ask({ run: { threads: 1, repeat: 1, gradient: false } })).loss;
  }

  /** A contender for inTurn(). */
  contender(threads, gradient = true) {
    return async (repeat) => {
      const { seconds } = await this.#ask({ run: { threads, repeat, gradient } });
      await wait(5); // its OpenMP threads spin for a while
      return seconds;
    };
  }

  stop() {
    this.#child.stdin.end();
  }
}
