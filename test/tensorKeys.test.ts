// Keys of tensors that are written as object literals: a misspelled one must not go unnoticed.

import assert from 'node:assert/strict';
import {
  beamDecode,
  ctcLoss,
  ctcLossSync,
  explain,
  forcedAlign,
  greedyDecode,
  posteriors,
} from '../lib/index.js';

const tensor = { data: new Float32Array(8), shape: [2, 2, 2] };
const single = { data: new Float32Array(4), shape: [2, 2] };
const targets = [[1], [1]];

type Call = (more: object) => unknown;
const calls: Record<string, Call> = {
  ctcLoss: (more) => ctcLoss({ ...tensor, ...more }, targets),
  ctcLossSync: (more) => ctcLossSync({ ...tensor, ...more }, targets),
  greedyDecode: (more) => greedyDecode({ ...tensor, ...more }),
  beamDecode: (more) => beamDecode({ ...tensor, ...more }),
  forcedAlign: (more) => forcedAlign({ ...tensor, ...more }, targets),
  posteriors: (more) => posteriors({ ...tensor, ...more }, targets),
  explain: (more) => explain({ ...single, ...more }, [1]),
};

describe('keys of tensors', () => {
  for (const [name, call] of Object.entries(calls)) {
    it(`misspelled ones are refused by ${name}`, async () => {
      for (const [key, near] of [
        ['stride', 'strides'],
        ['Shape', 'shape'],
        ['dim', 'dims'],
      ]) {
        const expected = {
          name: 'TypeError',
          code: 'ERR_CTC_UNKNOWN_OPTION',
          message: `unknown key '${key}' of input; did you mean '${near}'?`,
        };
        await assert.rejects(async () => call({ [key as string]: undefined }), expected);
      }
    });

    it(`others may be there for ${name}`, async () => {
      await call({ dtype: 'float32', fortranOrder: false, ids: ['a', 'b'], blank: 0, frames: 2 });
    });

    it(`all known ones, in any order, are taken by ${name}`, async () => {
      const { shape } = name === 'explain' ? single : tensor;
      await call({
        dims: shape,
        type: 'float32',
        strides: shape.length === 2 ? [2, 1] : [4, 2, 1],
      });
    });
  }

  it('those of targets are looked at as well', () => {
    const labels = { data: [1, 1], shape: [2, 1], texts: ['a', 'a'] };
    const options = { targetLengths: [1, 1] };
    ctcLossSync(tensor, labels, options);
    assert.throws(() => ctcLossSync(tensor, { ...labels, stride: [1, 1] } as object as never), {
      code: 'ERR_CTC_UNKNOWN_OPTION',
      message: "unknown key 'stride' of targets; did you mean 'strides'?",
    });
  });

  it('objects of a class may have any; those without a prototype may not', () => {
    class Tensor {
      data = tensor.data;
      dims = tensor.shape;
      name = 'logits';
      stride = 3;
    }
    assert.deepEqual(ctcLossSync(new Tensor(), targets), ctcLossSync(tensor, targets));
    const bare = Object.assign(Object.create(null), tensor, { shapes: [1] });
    assert.throws(() => ctcLossSync(bare, targets), /unknown key 'shapes'.*'shape'\?/);
  });
});
