// onnxruntime-node has no binary for every machine that this library runs on.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Context } from 'mocha';

type Report = { header: { glibcVersionRuntime?: string } };

const folder = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
const known = existsSync(join(folder, 'bin', 'napi-v6', process.platform, process.arch));
// Its binaries for Linux need glibc: Alpine has musl.
const musl =
  process.platform === 'linux' &&
  (process.report.getReport() as unknown as Report).header.glibcVersionRuntime === undefined;

/** Whether onnxruntime-node has a binary for this machine; where it has, failing to load it is an error. */
export const hasOnnxruntime = known && !musl;

/** Skips tests on machines that onnxruntime-node has no binary for. */
export function needOnnxruntime(test: Context): void {
  if (!hasOnnxruntime) test.skip();
}
