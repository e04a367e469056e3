// Fills a GPU's memory: shows what happens when there is none left, and that none was left behind.

import assert from 'node:assert/strict';
import { DeviceTensor, devices } from '../../lib/index.js';

/** As many tensors of a 64th of the card's memory as it has room for; the next one is refused. */
export function fillMemory(): DeviceTensor[] {
  const frames = Math.floor(devices()[1]!.memory! / 64 / 4096);
  const shape = [frames, 1, 1024];
  // All frames are one row of the host's; what is like it has them all.
  const row = DeviceTensor.uploadSync({
    data: new Float32Array(1024),
    shape,
    strides: [0, 0, 1],
  });
  const all: DeviceTensor[] = [];
  assert.throws(
    () => {
      while (all.length <= 64) all.push(DeviceTensor.like(row));
    },
    { code: 'ERR_CTC_OUT_OF_MEMORY' },
  );
  row.dispose();
  return all;
}
