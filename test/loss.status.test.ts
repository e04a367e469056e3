// What comes back at the edges: infeasible and nonfinite utterances, empty targets, no frames, no
// utterances. Each beside good utterances, which must not notice.

import assert from 'node:assert/strict';
import { ctcLoss, ctcLossSync } from '../lib/index.js';
import { assertBitwise, assertClose, normal, seeded } from './support/close.js';

const [T, N, C] = [6, 3, 5];
const targets = [[1, 2], [3, 3], [4]];

function data(View: Float32ArrayConstructor | Float64ArrayConstructor = Float32Array) {
  const random = seeded(3);
  const numbers = new View(T * N * C);
  for (let i = 0; i < numbers.length; i += 1) numbers[i] = normal(random);
  return numbers;
}

/** Row t of utterance n. */
function row<A extends Float32Array | Float64Array>(array: A, t: number, n: number): A {
  return array.subarray((t * N + n) * C, (t * N + n + 1) * C) as A;
}

function column<A extends Float32Array | Float64Array>(array: A, n: number): number[] {
  return Array.from({ length: T }, (_, t) => [...row(array, t, n)]).flat();
}

interface Fault {
  what: string;
  status: 'infeasible' | 'nonfinite';
  /** Breaks utterance 1. */
  spoil: (x: Float32Array | Float64Array) => void;
  inputLengths?: number[];
}

const faults: Fault[] = [
  {
    what: 'NaN among the logits',
    status: 'nonfinite',
    spoil: (x) => {
      row(x, 2, 1)[4] = Number.NaN;
    },
  },
  {
    what: '+Infinity among the logits',
    status: 'nonfinite',
    spoil: (x) => {
      row(x, 5, 1)[0] = Infinity;
    },
  },
  {
    what: 'a frame of nothing but -Infinity',
    status: 'nonfinite',
    spoil: (x) => {
      row(x, 3, 1).fill(-Infinity);
    },
  },
  {
    what: '-Infinity on a label in every frame',
    status: 'infeasible',
    spoil: (x) => {
      for (let t = 0; t < T; t += 1) row(x, t, 1)[3] = -Infinity;
    },
  },
  {
    what: '-Infinity on the blank that must part two equal labels',
    status: 'infeasible',
    spoil: (x) => {
      for (let t = 0; t < T; t += 1) row(x, t, 1)[0] = -Infinity;
    },
  },
  { what: 'too few frames', status: 'infeasible', spoil: () => {}, inputLengths: [6, 2, 6] },
  { what: 'no frames', status: 'infeasible', spoil: () => {}, inputLengths: [6, 0, 6] },
];

describe('status', () => {
  for (const { what, status, spoil, inputLengths } of faults) {
    for (const View of [Float32Array, Float64Array] as const) {
      it(`${what}: '${status}', and the others are unharmed (${View.name})`, async () => {
        const clean = ctcLossSync({ data: data(View), shape: [T, N, C] }, targets, {
          reduction: 'sum',
        });
        const spoiled = data(View);
        spoil(spoiled);
        const tensor = { data: spoiled, shape: [T, N, C] };
        const options = { inputLengths: inputLengths ?? [T, T, T] };
        for (const infeasible of ['infinity', 'zero'] as const) {
          const got = await ctcLoss(tensor, targets, { ...options, infeasible, reduction: 'sum' });
          const loss = status === 'nonfinite' ? Number.NaN : infeasible === 'zero' ? 0 : Infinity;
          assert.deepEqual(got.status, ['ok', status, 'ok']);
          assert.equal(got.losses[1], loss);
          assert.equal(got.losses[0], clean.losses[0]);
          assert.equal(got.losses[2], clean.losses[2]);
          assert.equal(got.loss, clean.losses[0]! + loss + clean.losses[2]!);
          assert.deepEqual(column(got.gradient, 1), new Array(T * C).fill(0));
          for (const n of [0, 2]) {
            assert.deepEqual(column(got.gradient, n), column(clean.gradient, n));
          }
          const mean = ctcLossSync(tensor, targets, { ...options, infeasible });
          const want = (clean.losses[0]! / 2 + loss / 2 + clean.losses[2]!) / 3;
          if (Number.isNaN(want)) assert.ok(Number.isNaN(mean.loss));
          else assert.ok(mean.loss === want || Math.abs(mean.loss - want) < 1e-12);
          const alone = ctcLossSync(tensor, targets, { ...options, infeasible, gradient: false });
          assert.deepEqual(alone.status, got.status);
        }
      });
    }
  }

  // What models mask with instead of -Infinity: down to the lowest number of each type.
  for (const View of [Float32Array, Float64Array] as const) {
    for (const input of ['logits', 'logProbs'] as const) {
      it(`finite masks give what -Infinity gives (${View.name}, ${input})`, () => {
        const [frames, classes] = [24, 5];
        const random = seeded(8);
        const values = Array.from({ length: frames * classes }, () => normal(random) - 3);
        const call = (mask: number, masked: (t: number, c: number) => boolean) => {
          const x = View.from(values as ArrayLike<number> as number[]);
          for (let t = 0; t < frames; t += 1) {
            for (let c = 0; c < classes; c += 1) if (masked(t, c)) x[t * classes + c] = mask;
          }
          return ctcLossSync({ data: x, shape: [frames, 1, classes] }, [[1, 2, 3, 4]], {
            input,
            reduction: 'sum',
          });
        };
        const masks = [-1e6, -1e15, -1e18, -1e20, -1e22, -1e24, -1e26, -1e30, -3.4028235e38];
        if (View === Float64Array) masks.push(-1e100, -1e200, -1e300, -Number.MAX_VALUE);
        const beginning = (t: number, c: number) => t < 6 && c > 0;
        const expected = call(-Infinity, beginning);
        for (const mask of masks) {
          const got = call(mask, beginning);
          assert.deepEqual(got.status, ['ok'], `${mask}`);
          assertClose(got.losses, expected.losses, 1e-6, `losses with ${mask}`);
          assertClose(got.gradient, expected.gradient, 2e-5, `gradient with ${mask}`);
        }
        // One frame has to be paid for: a loss as large as the mask, or none that is finite.
        for (const mask of masks) {
          const got = call(mask, (_, c) => c === 3);
          if (got.status[0] === 'ok') assertClose(got.loss / -mask, 1, 1e-4, `loss with ${mask}`);
          else assert.deepEqual([got.status[0], got.loss], ['infeasible', Infinity]);
          assert.ok(got.gradient.every(Number.isFinite), `gradient with ${mask}`);
        }
      });
    }
  }

  it('the stride of a dimension of one does not matter', () => {
    const x = data().subarray(0, 12);
    const dense = ctcLossSync({ data: x, shape: [4, 1, 3] }, [[1]]);
    for (const stride of [-7, 0, 1e9]) {
      const got = ctcLossSync({ data: x, shape: [4, 1, 3], strides: [3, stride, 1] }, [[1]]);
      assert.equal(got.loss, dense.loss);
      assertBitwise(got.gradient, dense.gradient, 'gradient');
    }
  });

  it('log-probabilities: only the columns that are used count, with and without a gradient', () => {
    for (const gradient of [true, false]) {
      const x = data();
      const tensor = { data: x, shape: [T, N, C] };
      const options = { input: 'logProbs', reduction: 'none', gradient } as const;
      const clean = ctcLossSync(tensor, targets, options);
      // Utterance 1 reads as 3 3: classes 1, 2 and 4 are on no path.
      for (let t = 0; t < T; t += 1) row(x, t, 1).set([Number.NaN, Infinity], 1);
      const unused = ctcLossSync(tensor, targets, options);
      assert.deepEqual(unused.status, ['ok', 'ok', 'ok']);
      assertBitwise(unused.losses, clean.losses, 'losses');
      if (gradient) assertBitwise(unused.gradient!, clean.gradient!, 'gradient');
      row(x, 4, 1)[3] = Number.NaN;
      const used = ctcLossSync(tensor, targets, options);
      assert.deepEqual(used.status, ['ok', 'nonfinite', 'ok']);
    }
  });

  it('-Infinity elsewhere is a mask: the other classes share the probability', () => {
    const x = data(Float64Array);
    for (let t = 0; t < T; t += 1) row(x, t, 2)[2] = -Infinity;
    const { losses, gradient } = ctcLossSync({ data: x, shape: [T, N, C] }, targets, {
      reduction: 'none',
    });
    const narrow = Float64Array.from(
      Array.from({ length: T }, (_, t) => [...row(x, t, 2)].filter((_, c) => c !== 2)).flat(),
    );
    const without = ctcLossSync({ data: narrow, shape: [T, 4] }, [3], { reduction: 'none' });
    assertClose(losses[2]!, without.losses[0]!, 1e-13, 'loss');
    for (let t = 0; t < T; t += 1) assert.equal(row(gradient, t, 2)[2], 0);
  });

  it('garbage beyond a length is never read', () => {
    const x = data();
    const options = { inputLengths: [6, 4, 3], reduction: 'none' } as const;
    const clean = ctcLossSync({ data: x, shape: [T, N, C] }, targets, options);
    for (const [t, n] of [
      [4, 1],
      [5, 1],
      [3, 2],
      [4, 2],
      [5, 2],
    ] as const) {
      row(x, t, n).fill(t % 2 === 0 ? Number.NaN : Infinity);
    }
    const got = ctcLossSync({ data: x, shape: [T, N, C] }, targets, options);
    assert.deepEqual(got.status, ['ok', 'ok', 'ok']);
    assertBitwise(got.losses, clean.losses, 'losses');
    assertBitwise(got.gradient, clean.gradient, 'gradient');
    assert.deepEqual([...row(got.gradient, 5, 2)], [0, 0, 0, 0, 0]);
  });

  it("a caller's array is written whole, zeros included", async () => {
    const gradient = new Float32Array(T * N * C + 3).fill(7);
    const options = { inputLengths: [6, 1, 0], gradient } as const;
    for (const call of [ctcLoss, ctcLossSync] as const) {
      gradient.fill(7);
      const result = await call({ data: data(), shape: [T, N, C] }, targets, options);
      assert.equal(result.gradient, gradient);
      assert.deepEqual(column(gradient, 1), new Array(T * C).fill(0));
      assert.deepEqual(column(gradient, 2), new Array(T * C).fill(0));
      assert.deepEqual([...gradient.subarray(T * N * C)], [7, 7, 7]);
    }
  });

  it('no frames: no labels cost nothing, any label is infeasible', () => {
    const { losses, status, gradient } = ctcLossSync(
      { data: new Float32Array(0), shape: [0, 2, 5] },
      [[], [1]],
    );
    assert.deepEqual([...losses], [0, Infinity]);
    assert.deepEqual(status, ['ok', 'infeasible']);
    assert.equal(gradient.length, 0);
  });

  it('no utterances: the sum is 0, a mean NaN', async () => {
    const tensor = { data: new Float32Array(0), shape: [4, 0, 5] };
    for (const [reduction, loss] of [
      ['none', undefined],
      ['sum', 0],
      ['mean', Number.NaN],
      ['meanBatch', Number.NaN],
      ['meanVolume', Number.NaN],
    ] as const) {
      const result = await ctcLoss(tensor, [], { reduction });
      assert.equal(result.loss, loss);
      assert.deepEqual(result.status, []);
      assert.equal(result.losses.length, 0);
      assert.deepEqual(result.sums, { loss: 0, lossPerLabel: 0, utterances: 0, labels: 0 });
    }
  });

  it('one frame, one class, the blank alone', () => {
    const { losses, gradient } = ctcLossSync({ data: Float32Array.of(3), shape: [1, 1, 1] }, [[]], {
      reduction: 'none',
    });
    assert.deepEqual([...losses], [0]);
    assert.deepEqual([...gradient], [0]);
  });

  it('one utterance as [T, C]', () => {
    const x = data().subarray(0, T * C);
    const flat = ctcLossSync({ data: x, shape: [T, C] }, [1, 2], { inputLengths: 5 });
    const batch = ctcLossSync({ data: x, shape: [T, 1, C] }, [[1, 2]], { inputLengths: [5] });
    assert.equal(flat.loss, batch.loss);
    assertBitwise(flat.gradient, batch.gradient, 'gradient');
  });
});

describe("gradientOf: 'softmax' of what is no log-probability", () => {
  const options = { input: 'logProbs', gradientOf: 'softmax', reduction: 'sum' } as const;
  // The largest exponent whose exponential is finite lies between the two.
  const limits = [
    [Float32Array, 88.7, 88.8],
    [Float64Array, 709.7, 709.8],
  ] as const;
  for (const [View, below, above] of limits) {
    it(`overflows at its own place, whatever the scale: ${View.name}`, () => {
      const shape = [2, 1, 3];
      const logProbs = (value: number) => View.of(-0.5, value, -1, -0.7, -2, -1);
      const of = (value: number, gradOutput: number) => {
        return ctcLossSync({ data: logProbs(value), shape }, [[2]], { ...options, gradOutput });
      };
      for (const scale of [1, 1e-3]) {
        const [small, large, ordinary] = [of(below, scale), of(above, scale), of(-1, scale)];
        assert.ok(Number.isFinite(small.gradient[1]));
        assert.equal(large.gradient[1], Infinity);
        // The column is in no path.
        assert.deepEqual([large.loss, large.status], [ordinary.loss, ['ok']]);
        for (const i of [0, 2, 3, 4, 5]) assert.equal(large.gradient[i], ordinary.gradient[i]);
      }
      // The true derivative has no exponential of it.
      const { gradient } = ctcLossSync({ data: logProbs(above), shape }, [[2]], {
        ...options,
        gradientOf: 'input',
      });
      assert.equal(gradient[1], 0);
    });
  }
});
