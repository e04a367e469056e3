// Numbers that others have published, copied by hand; the source stands with each.

import assert from 'node:assert/strict';
import { ctcLoss, ctcLossSync } from '../lib/index.js';
import { pathsOf } from './oracle/bruteforce.js';
import { assertClose } from './support/close.js';
import { tutorial } from './support/tutorial.js';

const types = [Float32Array, Float64Array] as const;

describe('published numbers', () => {
  describe('the tutorial: CAT in five frames, loss 13.5036', () => {
    const { shape, target, loss, totalProbability, logits, probabilities } = tutorial;
    for (const View of types) {
      it(`from its y_out as logits (${View.name})`, async () => {
        const result = await ctcLoss({ data: View.from(logits), shape }, [target], {
          reduction: 'none',
        });
        assert.equal(result.losses[0]!.toFixed(4), loss.toFixed(4));
        assert.equal(Math.exp(-result.losses[0]!).toExponential(3), '1.366e-6');
        assert.equal(totalProbability, 1.366e-6);
      });

      it(`from its softmax table as log-probabilities (${View.name})`, async () => {
        const data = View.from(probabilities.map(Math.log));
        const result = await ctcLoss({ data, shape }, [target], {
          input: 'logProbs',
          reduction: 'none',
        });
        assert.equal(result.losses[0]!.toFixed(4), loss.toFixed(4));
      });
    }

    it('both ways agree to six digits, and the mean is the loss over three labels', () => {
      const fromLogits = ctcLossSync({ data: Float64Array.from(logits), shape }, [target]);
      const fromLogProbs = ctcLossSync(
        { data: Float64Array.from(probabilities, Math.log), shape },
        [target],
        { input: 'logProbs' },
      );
      assert.equal(fromLogits.losses[0]!.toPrecision(6), '13.5036');
      assert.equal(fromLogProbs.losses[0]!.toPrecision(6), '13.5036');
      assertClose(fromLogits.loss, fromLogits.losses[0]! / 3, 1e-14, 'mean');
    });

    it('sums the probabilities of its table of 28 paths', () => {
      // Blank, C, A, T: the other letters are on no path.
      const symbols = [0, 3, 1, 20];
      const paths = pathsOf([1, 2, 3], { frames: 5, classes: 4, blank: 0 });
      const p = paths.map((path) =>
        path.reduce((product, s, t) => product * probabilities[t * 27 + symbols[s]!]!, 1),
      );
      assert.equal(p.length, 28);
      // The first and the last of the page's list.
      assert.equal(Math.min(...p.map((x) => Math.abs(x - 4.5374e-8))) < 1e-12, true);
      assert.equal(Math.min(...p.map((x) => Math.abs(x - 5.6894e-8))) < 1e-12, true);
      const total = p.reduce((sum, x) => sum + x, 0);
      const { losses } = ctcLossSync({ data: Float64Array.from(logits), shape }, [target]);
      assertClose(losses[0]!, -Math.log(total), 1e-12, 'loss');
    });
  });

  // TensorFlow's ctc_loss_op_test.py, testBasic: losses and derivatives from Alex Graves' own
  // implementation. Blank last; two more frames of NaN lie beyond the lengths.
  describe("Graves' tables in TensorFlow's testBasic", () => {
    const probabilities = [
      [
        [0.633766, 0.221185, 0.0917319, 0.0129757, 0.0142857, 0.0260553],
        [0.111121, 0.588392, 0.278779, 0.0055756, 0.00569609, 0.010436],
        [0.0357786, 0.633813, 0.321418, 0.00249248, 0.00272882, 0.0037688],
        [0.0663296, 0.643849, 0.280111, 0.00283995, 0.0035545, 0.00331533],
        [0.458235, 0.396634, 0.123377, 0.00648837, 0.00903441, 0.00623107],
      ],
      [
        [0.30176, 0.28562, 0.0831517, 0.0862751, 0.0816851, 0.161508],
        [0.24082, 0.397533, 0.0557226, 0.0546814, 0.0557528, 0.19549],
        [0.230246, 0.450868, 0.0389607, 0.038309, 0.0391602, 0.202456],
        [0.280884, 0.429522, 0.0326593, 0.0339046, 0.0326856, 0.190345],
        [0.423286, 0.315517, 0.0338439, 0.0393744, 0.0339315, 0.154046],
      ],
    ];
    const gradients = [
      [
        [-0.366234, 0.221185, 0.0917319, 0.0129757, 0.0142857, 0.0260553],
        [0.111121, -0.411608, 0.278779, 0.0055756, 0.00569609, 0.010436],
        [0.0357786, 0.633813, -0.678582, 0.00249248, 0.00272882, 0.0037688],
        [0.0663296, -0.356151, 0.280111, 0.00283995, 0.0035545, 0.00331533],
        [-0.541765, 0.396634, 0.123377, 0.00648837, 0.00903441, 0.00623107],
      ],
      [
        [-0.69824, 0.28562, 0.0831517, 0.0862751, 0.0816851, 0.161508],
        [0.24082, -0.602467, 0.0557226, 0.0546814, 0.0557528, 0.19549],
        [0.230246, 0.450868, 0.0389607, 0.038309, 0.0391602, -0.797544],
        [0.280884, -0.570478, 0.0326593, 0.0339046, 0.0326856, 0.190345],
        [-0.576714, 0.315517, 0.0338439, 0.0393744, 0.0339315, 0.154046],
      ],
    ];
    const targets = [
      [0, 1, 2, 1, 0],
      [0, 1, 1, 0],
    ];
    const timeMajor = (tables: number[][][], padding: number) => [
      ...[0, 1, 2, 3, 4].flatMap((t) => [...tables[0]![t]!, ...tables[1]![t]!]),
      ...new Array<number>(2 * 2 * 6).fill(padding),
    ];

    for (const View of types) {
      it(`losses 3.34211 and 5.42262, and every derivative (${View.name})`, () => {
        const data = View.from(timeMajor(probabilities, Number.NaN).map(Math.log));
        const { losses, gradient } = ctcLossSync({ data, shape: [7, 2, 6] }, targets, {
          inputLengths: [5, 5],
          blank: -1,
          reduction: 'none',
        });
        assertClose(losses, [3.34211, 5.42262], 2e-6, 'losses');
        assertClose(gradient, timeMajor(gradients, 0), 2e-6, 'gradient');
      });
    }
  });

  // warp-ctc's torch_binding/TUTORIAL.md: one utterance each, then the three in one batch.
  describe("warp-ctc's tutorial", () => {
    const cases = [
      { target: [1], rows: [[0, 0, 0, 0, 0]], loss: 1.6094379425049 },
      {
        target: [3, 3],
        rows: [
          [1, 2, 3, 4, 5],
          [6, 7, 8, 9, 10],
          [11, 12, 13, 14, 15],
        ],
        loss: 7.355742931366,
      },
      {
        target: [2, 3],
        rows: [
          [-5, -4, -3, -2, -1],
          [-10, -9, -8, -7, -6],
          [-15, -14, -13, -12, -11],
        ],
        loss: 4.938850402832,
      },
    ];

    for (const { target, rows, loss } of cases) {
      it(`${loss} for the labels ${target.join(' ')}`, () => {
        const data = Float32Array.from(rows.flat());
        const { losses } = ctcLossSync({ data, shape: [rows.length, 1, 5] }, [target], {
          profile: 'warp-ctc',
        });
        assertClose(losses, [loss], 1e-6, 'loss');
      });
    }

    it('the three in one batch, padded with zeros', () => {
      const data = new Float32Array(3 * 3 * 5);
      cases.forEach(({ rows }, n) => {
        rows.forEach((row, t) => {
          data.set(row, (t * 3 + n) * 5);
        });
      });
      const { losses } = ctcLossSync(
        { data, shape: [3, 3, 5] },
        cases.map(({ target }) => target),
        { profile: 'warp-ctc', inputLengths: [1, 3, 3] },
      );
      assertClose(
        losses,
        cases.map(({ loss }) => loss),
        1e-6,
        'losses',
      );
    });

    // tests/test_cpu.cpp small_test, also in Paddle's test_warpctc_op.py.
    it('2.46286 for its small test', () => {
      const data = Float32Array.from([0.1, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.6, 0.1, 0.1]);
      const { losses } = ctcLossSync({ data, shape: [2, 1, 5] }, [[1, 2]]);
      assertClose(losses, [2.46286], 1e-5, 'loss');
    });
  });

  // MXNet's tests/python/unittest/test_operator.py (test_ctc_loss) and test_loss.py (gluon's).
  describe("MXNet's tests", () => {
    it('4.04789 twice, one target padded', () => {
      const frames = [
        [1.2, 3.4, 1.2, -0.1, -2.34],
        [0.1, 0.2, 0.3, 0.22, 0.123],
        [-15, -14, -13, -12, -11],
      ];
      const data = Float32Array.from(frames.flatMap((frame) => [...frame, ...frame]));
      const targets = { data: [2, 3, 0, 2, 3, 0], shape: [2, 3] };
      const { losses } = ctcLossSync({ data, shape: [3, 2, 5] }, targets, {
        targetLengths: [2, 2],
      });
      assertClose(losses, [4.04789, 4.04789], 2e-6, 'losses');
    });

    it('7.3557 and 5.4091', () => {
      const data = Float32Array.from(
        [
          [-5, -4, -3, -2, -1, 1.2, 3.4, 1.2, -0.1, -2.34],
          [-10, -9, -8, -7, -6, 0.1, 0.2, 0.3, 0.22, 0.123],
          [-15, -14, -13, -12, -11, -15, -14.2, -13.5, -12.2, -11.22],
        ].flat(),
      );
      const { losses } = ctcLossSync({ data, shape: [3, 2, 5] }, [[2, 3, 1], [2]]);
      assertClose(losses, [7.3557, 5.4091], 1e-5, 'losses');
    });

    it('688.02826 and 145.34462 with 6000 classes', () => {
      const [T, N, C] = [8, 2, 6000];
      // Column i holds the class numbers rolled by i, over 13; read in rows as T x N x C.
      const data = new Float32Array(T * N * C);
      for (let c = 0; c < C; c += 1) {
        for (let i = 0; i < T * N; i += 1) {
          data[c * T * N + i] = Math.fround(Math.fround((c - i + C) % C) / 13);
        }
      }
      const targets = [
        [100, 200, 300, 400, 500],
        [1000, 2000, 3000, 4000],
      ];
      const { losses } = ctcLossSync({ data, shape: [T, N, C] }, targets);
      assertClose(losses, [688.02826, 145.34462], 1e-5, 'losses');
    });

    it('18.82820702 and 16.50581741 for uniform scores, batch-major, blank last', () => {
      const data = new Float32Array(2 * 20 * 4).fill(1);
      const { losses } = ctcLossSync(
        { data, shape: [2, 20, 4] },
        [
          [1, 0],
          [2, 1, 1],
        ],
        {
          layout: 'NTC',
          blank: -1,
        },
      );
      assertClose(losses, [18.82820702, 16.50581741], 2e-7, 'losses');
    });
  });
});
