// Model outputs, a manifest and tokens for the evaluation command, and the command as a process.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npyBytes, root, type Scratch } from '../io.helpers.js';

export const main = join(root, 'dist/cjs/cli/main.js');

export interface Run {
  code: number;
  out: string;
  err: string;
}

/** Runs the command to its end; `input` is its standard input. */
export function run(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  input = '',
): Promise<Run> {
  return new Promise((resolve) => {
    const options = { cwd: root, env: { ...process.env, ...env }, maxBuffer: 2 ** 28 };
    const child = execFile(process.execPath, [main, ...args], options, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
    // A command that does not read its input may be over before it is written.
    child.stdin!.on('error', () => {});
    child.stdin!.end(input);
  });
}

export function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [main, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
}

export const symbols = ['<blank>', ' ', 'a', 'b', 'c', 'é'];

export interface EvalCase {
  data: string;
  manifest: string;
  tokens: string;
  utterances: number;
  /** Of each utterance; the manifest leaves some of them out. */
  frames: number;
  /** The command's arguments for these files. */
  args: string[];
}

/**
 * `utterances` random outputs, N x T x C, that mostly say their texts. `row` replaces a row of the
 * manifest; a text that it returns is written as it is.
 */
export function makeCase(
  scratch: Scratch,
  { utterances = 40, frames = 24 } = {},
  row?: (n: number, fields: Record<string, unknown>) => Record<string, unknown> | string,
): EvalCase {
  const classes = symbols.length;
  let state = 12345;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const data = new Float32Array(utterances * frames * classes).map(() => 2 * next());
  const rows: string[] = [];
  for (let n = 0; n < utterances; n++) {
    let text = '';
    const length = Math.floor(next() * (frames / 3));
    for (let l = 0; l < length; l++) {
      const label = 1 + Math.floor(next() * (classes - 1));
      text += symbols[label];
      const said = next() < 0.9 ? label : 0;
      data[(n * frames + 3 * l + 1) * classes + said]! += 9;
    }
    for (let t = 0; t < frames; t++) data[(n * frames + t) * classes]! += 4;
    const fields = { id: `utt-${n}`, text, frames: frames - (n % 3) };
    const written = row?.(n, fields) ?? fields;
    rows.push(typeof written === 'string' ? written : JSON.stringify(written));
  }
  const shape = [utterances, frames, classes];
  const paths = {
    data: scratch.write(npyBytes({ shape, data })),
    manifest: scratch.write(`${rows.join('\n')}\n`),
    tokens: scratch.write(`${symbols.join('\n')}\n`),
  };
  const args = ['eval', paths.data, '--manifest', paths.manifest, '--tokens', paths.tokens];
  return { ...paths, utterances, frames, args: [...args, '--layout', 'NTC'] };
}

/** Writes each utterance of a case to a file of its own, T x C, into a new folder, unless `spoil` did something else. */
export function splitCase(
  { data, utterances, frames }: EvalCase,
  folder: string,
  spoil: (path: string, bytes: Buffer, n: number) => boolean,
): void {
  mkdirSync(folder);
  const each = frames * symbols.length;
  const bytes = Uint8Array.from(readFileSync(data)).slice(-4 * utterances * each);
  const elements = new Float32Array(bytes.buffer);
  for (let n = 0; n < utterances; n++) {
    const one = elements.subarray(n * each, (n + 1) * each);
    const bytes = npyBytes({ shape: [frames, symbols.length], data: one });
    const path = join(folder, `utt-${n}.npy`);
    if (!spoil(path, bytes, n)) writeFileSync(path, bytes);
  }
}

export function readLines<T>(path: string): T[] {
  return parseLines<T>(readFileSync(path, 'utf8'));
}

export function parseLines<T>(text: string): T[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}
