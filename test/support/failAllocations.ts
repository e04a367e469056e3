// Every allocation of the native side fails once, for every function of the package that calls it. Runs on
// build/Release/ctc_counted.node (NODE_CTC_BINARY) with --expose-gc, in a process of its own; prints one
// JSON line for each function.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import {
  beamDecode,
  beamDecodeSync,
  type CtcError,
  ctcLoss,
  ctcLossSync,
  DeviceTensor,
  forcedAlign,
  forcedAlignSync,
  greedyDecode,
  greedyDecodeSync,
  Lexicon,
  loadLanguageModel,
  loadLanguageModelSync,
  parseLanguageModel,
  posteriors,
  posteriorsSync,
} from '../../lib/index.js';
import { native } from '../../lib/native.js';
import { languageModelText } from '../stress/jobs.js';
import { collectGarbage, makeBatch } from './batch.js';

/** What test/native/counted_addon.cpp adds. */
interface Counted {
  failAllocation(n: number): void;
  allocationFailed(): boolean;
  liveAllocations(): number;
}
const addon = native() as unknown as Counted;
const arpa = process.argv[2] as string;
writeFileSync(arpa, languageModelText);

const { data, shape, targets, inputLengths } = makeBatch({ T: 40, N: 3, C: 6, L: 8 });
const tensor = { data, shape };
const options = { inputLengths };
const tokens = ['', ' ', 'a', 'b', 'c', 'd'];
const words = ['a', 'ab', 'b', 'a-word-that-is-too-long-for-any-small-string'];
const beam = { ...options, tokens, beamWidth: 8, topPaths: 2 };
const guided = { ...beam, lm: parseLanguageModel(languageModelText), hotwords: ['ab', 'b a'] };
const short = { data: data.subarray(0, 6 * 6), shape: [6, 1, 6] };
const device = { device: 'cuda' as const };

/** Each allocates nothing beyond the call that is tried. */
const functions: Record<string, () => unknown> = {
  ctcLossSync: () => ctcLossSync(tensor, targets, options),
  'ctcLossSync alone': () => ctcLossSync(tensor, targets, { ...options, gradient: false }),
  ctcLoss: () => ctcLoss(tensor, targets, options),
  'ctcLoss into an array': () =>
    ctcLoss(tensor, targets, { ...options, gradient: new Float32Array(data.length) }),
  'ctcLoss on a device': () => ctcLoss(short, [[1, 2]], device),
  'DeviceTensor.uploadSync': () => readBack(DeviceTensor.uploadSync(short, device)),
  'DeviceTensor.upload': async () => readBack(await DeviceTensor.upload(short, device)),
  greedyDecodeSync: () => greedyDecodeSync(tensor, options),
  greedyDecode: () => greedyDecode(tensor, options),
  beamDecodeSync: () => beamDecodeSync(tensor, beam),
  beamDecode: () => beamDecode(tensor, beam),
  'beamDecode, guided': () => beamDecode(tensor, guided),
  'beamDecodeSync with a lexicon': () =>
    beamDecodeSync(tensor, { ...guided, lexicon: new Lexicon(words) }),
  forcedAlignSync: () => forcedAlignSync(tensor, targets, options),
  forcedAlign: () => forcedAlign(tensor, targets, { ...options, star: 'label' }),
  posteriorsSync: () => posteriorsSync(tensor, targets, options),
  posteriors: () => posteriors(tensor, targets, { ...options, recursions: true }),
  parseLanguageModel: () => scores(parseLanguageModel(languageModelText)),
  loadLanguageModelSync: () => scores(loadLanguageModelSync(arpa)),
  loadLanguageModel: async () => scores(await loadLanguageModel(arpa)),
};

function scores(model: ReturnType<typeof parseLanguageModel>): Float64Array {
  return model.score(['ab', 'b']);
}

async function readBack(memory: DeviceTensor): Promise<unknown> {
  try {
    return await memory.read();
  } finally {
    memory.dispose();
  }
}

async function settle(): Promise<number> {
  for (let i = 0; i < 4; i += 1) {
    collectGarbage?.();
    await turn();
  }
  return addon.liveAllocations();
}

for (const [name, run] of Object.entries(functions)) {
  const expected = await run();
  await settle();
  const before = await settle();
  let refused = 0;
  let n = 0;
  for (let failed = true; failed; n += 1) {
    addon.failAllocation(n);
    let error: unknown;
    let result: unknown;
    try {
      result = await run();
    } catch (thrown) {
      error = thrown;
    }
    failed = addon.allocationFailed();
    addon.failAllocation(-1);
    const what = `${name}, allocation ${n}`;
    if (error === undefined) {
      assert.deepEqual(result, expected, what);
    } else {
      assert.equal((error as CtcError).code, 'ERR_CTC_OUT_OF_MEMORY', `${what}: ${String(error)}`);
      assert.ok(failed, what);
      refused += 1;
    }
    assert.deepEqual(await run(), expected, `after ${what}`);
  }
  // A thread of a pool keeps one block between calls.
  const left = (await settle()) - before;
  process.stdout.write(`${JSON.stringify({ name, allocations: n - 1, refused, left })}\n`);
}
