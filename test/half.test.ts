// The test helpers' 16-bit floats: every bit pattern, and the halfway cases.

import assert from 'node:assert/strict';
import { bfloatToNumber, halfToNumber, numberToBfloat, numberToHalf } from './support/half.js';

describe('test helpers: 16-bit floats', () => {
  const formats = [
    { name: 'float16', read: halfToNumber, write: numberToHalf, infinity: 0x7c00 },
    { name: 'bfloat16', read: bfloatToNumber, write: numberToBfloat, infinity: 0x7f80 },
  ];
  for (const { name, read, write, infinity } of formats) {
    it(`${name}: every number survives, and midpoints go to the even neighbour`, () => {
      for (let bits = 0; bits < infinity; bits += 1) {
        assert.equal(write(read(bits)), bits);
        assert.equal(write(-read(bits)), bits | 0x8000);
        if (bits + 1 < infinity) {
          const middle = (read(bits) + read(bits + 1)) / 2;
          assert.equal(write(middle), bits % 2 === 0 ? bits : bits + 1);
        }
      }
      assert.equal(read(infinity), Infinity);
      assert.equal(write(Infinity), infinity);
      assert.ok(Number.isNaN(read(write(Number.NaN))));
    });
  }
});
