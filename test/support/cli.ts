// The command line as a process.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { root } from './paths.js';

export interface Run {
  code: number;
  out: string;
  err: string;
}

/** Runs `node-ctc` with these arguments in the repository's folder. */
export function runCli(...args: string[]): Promise<Run> {
  const main = join(root, 'dist/cjs/cli/main.js');
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { cwd: root }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

/** The files of a bundled model, seen from there. */
export function bundledFiles(name: 'ocr' | 'speech') {
  const at = (file: string) => join('examples/data', name, file);
  return { logits: at('logits.npy'), manifest: at('manifest.jsonl'), tokens: at('tokens.txt') };
}
