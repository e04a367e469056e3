// Every function on device 'cuda' around the sizes at which the kernels change their shape: lanes of a thread, tiles
// of a warp and warps of a block for the labels, threads of a row for the classes. These are the cases for
// compute-sanitizer, too (scripts/test-gpu.cjs).

import assert from 'node:assert/strict';
import {
  ctcLossSync,
  forcedAlignSync,
  greedyDecodeSync,
  posteriorsSync,
  type TensorLike,
} from '../../lib/index.js';
import { assertClose, seeded } from '../support/close.js';
import { emulated } from './where.js';

function compare(T: number, C: number, L: number): void {
  const random = seeded(T + C + L);
  // Quarters: sums are exact, and many paths tie.
  const data = Float32Array.from({ length: T * 2 * C }, () => Math.round(random() * 16) / 4);
  const tensor: TensorLike = { data, shape: [T, 2, C] };
  const target = Array.from({ length: L }, () => (C < 2 ? 0 : 1 + Math.floor(random() * (C - 1))));
  const targets = C < 2 ? [[], []] : [target, target.slice(0, Math.ceil(L / 2))];
  const on = { device: 'cuda' } as const;
  const [gpu, cpu] = [ctcLossSync(tensor, targets, on), ctcLossSync(tensor, targets)];
  assert.deepEqual(gpu.status, cpu.status);
  assertClose(gpu.losses, cpu.losses, 1e-6, 'losses');
  assertClose(gpu.gradient as Float32Array, cpu.gradient as Float32Array, 2e-5, 'gradient');
  const labels = (of: { utterances: readonly { labels: Int32Array }[] }) =>
    of.utterances.map((utterance) => utterance.labels);
  assert.deepEqual(
    labels(greedyDecodeSync(tensor, on)),
    labels(greedyDecodeSync(tensor)),
    'greedy labels',
  );
  assert.deepEqual(
    labels(forcedAlignSync(tensor, targets, on)),
    labels(forcedAlignSync(tensor, targets)),
    'aligned labels',
  );
  const [a, b] = [posteriorsSync(tensor, targets, on), posteriorsSync(tensor, targets)];
  b.utterances.forEach(({ occupancy }, n) => {
    assertClose(a.utterances[n]!.occupancy, occupancy, 1e-9, 'occupancy');
  });
}

describe('boundaries of the kernels on a GPU', function () {
  this.timeout(600_000);

  for (const edge of emulated ? [32, 64, 128] : [32, 64, 128, 256, 512, 1024, 2048]) {
    it(`${edge} labels, one less and one more`, () => {
      for (const L of [edge - 1, edge, edge + 1]) compare(L + Math.ceil(L / 4) + 5, 20, L);
    });
  }

  for (const edge of [2, 32, 128, 512, 2048, 8192]) {
    it(`${edge} classes, one less and one more`, () => {
      for (const C of [edge - 1, edge, edge + 1]) compare(6, C, 2);
    });
  }
});
