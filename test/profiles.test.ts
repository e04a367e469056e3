// Each profile says what the same call spelled out says, and explicit options win.

import assert from 'node:assert/strict';
import { ctcLoss, ctcLossSync, type LossOptions, type Profile } from '../lib/index.js';
import { assertBitwise, assertClose, normal, seeded } from './support/close.js';

const [T, N, C] = [12, 3, 6];

// The conventions of the table in docs, one library each.
const conventions: Record<Profile, LossOptions & { layout: 'TNC' | 'NTC' }> = {
  torch: { input: 'logProbs', gradientOf: 'softmax', blank: 0, reduction: 'mean', layout: 'TNC' },
  paddle: { input: 'logits', blank: 0, reduction: 'mean', layout: 'TNC' },
  tensorflow: { input: 'logits', blank: 0, reduction: 'none', layout: 'TNC' },
  keras: { input: 'logits', blank: 0, reduction: 'meanBatch', layout: 'NTC' },
  nemo: {
    input: 'logProbs',
    gradientOf: 'softmax',
    blank: C - 1,
    reduction: 'meanBatch',
    layout: 'NTC',
  },
  'warp-ctc': { input: 'logits', blank: 0, reduction: 'none', layout: 'TNC' },
};

function problem(layout: 'TNC' | 'NTC') {
  const random = seeded(9);
  return {
    tensor: {
      data: Float64Array.from({ length: T * N * C }, () => normal(random)),
      shape: layout === 'TNC' ? [T, N, C] : [N, T, C],
    },
    // Neither 0 nor the last class: legal whichever is the blank.
    targets: [[1, 2, 2], [4], []],
  };
}

describe('profiles', () => {
  for (const [profile, spelledOut] of Object.entries(conventions) as [Profile, LossOptions][]) {
    it(`${profile} is its library's defaults`, async () => {
      const { tensor, targets } = problem(spelledOut.layout!);
      const got = await ctcLoss(tensor, targets, { profile });
      const want = ctcLossSync(tensor, targets, spelledOut as LossOptions<undefined, true>);
      assert.equal(got.loss, want.loss);
      assertBitwise(got.losses, want.losses, 'losses');
      assertBitwise(got.gradient, want.gradient, 'gradient');
    });

    it(`${profile}: explicit options win`, () => {
      const { tensor, targets } = problem('TNC');
      const explicit = {
        input: 'logits',
        blank: 5,
        reduction: 'meanVolume',
        layout: 'TNC',
      } as const;
      const got = ctcLossSync(tensor, targets, { profile, ...explicit });
      const want = ctcLossSync(tensor, targets, explicit);
      assert.equal(got.loss, want.loss);
      assertBitwise(got.gradient, want.gradient, 'gradient');
    });

    it(`${profile} weakens no check`, () => {
      const { tensor, targets } = problem(spelledOut.layout!);
      assert.throws(() => ctcLossSync(tensor, [[1], [2], [6]], { profile }), {
        code: 'ERR_CTC_INVALID_LABEL',
      });
      const blank = profile === 'nemo' ? C - 1 : 0;
      assert.throws(() => ctcLossSync(tensor, [[1], [2], [blank]], { profile }), {
        code: 'ERR_CTC_INVALID_LABEL',
      });
      assert.throws(() => ctcLossSync(tensor, targets.slice(1), { profile }), {
        code: 'ERR_CTC_INVALID_SHAPE',
      });
    });
  }

  it("Paddle's mean of an empty target divides by 1, not by 0", () => {
    const { tensor, targets } = problem('TNC');
    const { loss, losses } = ctcLossSync(tensor, targets, { profile: 'paddle' });
    assertClose(loss, (losses[0]! / 3 + losses[1]! + losses[2]!) / 3, 1e-14, 'mean');
  });

  it("Paddle's normByTimes divides gradients by their frames and leaves losses alone", () => {
    const { tensor, targets } = problem('TNC');
    const inputLengths = [12, 7, 4];
    const options = { profile: 'paddle', inputLengths } as const;
    const plain = ctcLossSync(tensor, targets, options);
    const normed = ctcLossSync(tensor, targets, { ...options, normByTimes: true });
    assert.equal(normed.loss, plain.loss);
    const expected = plain.gradient.map((g, i) => g / inputLengths[Math.floor(i / C) % N]!);
    assertClose(normed.gradient, expected, 1e-15, 'gradient');
  });

  it("torch's gradient of log-probabilities is exp(logProb) - posterior", () => {
    const { tensor, targets } = problem('TNC');
    const torch = ctcLossSync(tensor, targets, { profile: 'torch', reduction: 'sum' });
    const derivative = ctcLossSync(tensor, targets, { input: 'logProbs', reduction: 'sum' });
    const expected = derivative.gradient.map((g, i) => g + Math.exp(tensor.data[i]!));
    assertClose(torch.gradient, expected, 1e-12, 'gradient');
  });

  it('an unknown profile is refused', () => {
    const { tensor, targets } = problem('TNC');
    assert.throws(() => ctcLossSync(tensor, targets, { profile: 'pytorch' as 'torch' }), {
      name: 'RangeError',
      code: 'ERR_CTC_INVALID_ARG_VALUE',
      message:
        "profile is 'pytorch'; it must be one of 'torch', 'paddle', 'tensorflow', 'keras', " +
        "'nemo', 'warp-ctc'; did you mean 'torch'?",
    });
  });
});
