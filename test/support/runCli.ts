// The command line as a process.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { root } from './paths.js';

export interface CliRun {
  code: number;
  out: string;
  err: string;
}

export function runCli(...args: string[]): Promise<CliRun> {
  const main = join(root, 'dist/esm/cli/main.js');
  return new Promise((resolve) => {
    const options = { cwd: root, maxBuffer: 2 ** 26 };
    execFile(process.execPath, [main, ...args], options, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

/** The files of a bundled model. */
export function bundledFiles(name: 'ocr' | 'speech') {
  const at = (file: string) => join('examples/data', name, file);
  return {
    logits: at('logits.npy'),
    manifest: at('manifest.jsonl'),
    tokens: at('tokens.txt'),
  };
}
