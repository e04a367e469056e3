// The TensorFlow.js entry on its cpu and wasm backends: values, gradients, memory, errors.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { beamDecodeSync, greedyDecodeSync } from '../lib/decode.js';
import * as main from '../lib/index.js';
import {
  beamDecode,
  CtcLoss,
  CtcOutput,
  ctcLoss,
  greedyDecode,
  labelTensor,
  type TensorLossOptions,
} from '../lib/tfjs/index.js';
import { assertBitwise, assertClose, normal, seeded } from './support/close.js';

const [T, N, C] = [9, 3, 6];
const labels = [[1, 2, 2, 5], [4], []];
const lengths = [9, 7, 4];

// Keeps the cpu backend's greeting off the terminal.
tf.enableProdMode();

function logits(layout: 'TNC' | 'NTC' = 'TNC', seed = 5): tf.Tensor3D {
  const random = seeded(seed);
  const data = Float32Array.from({ length: T * N * C }, () => 2 * normal(random));
  return tf.tensor3d(data, layout === 'TNC' ? [T, N, C] : [N, T, C]);
}

/** The main entry's answer for the same numbers. */
function expected(x: tf.Tensor, targets: main.Targets, options: main.LossSyncOptions) {
  const input = { data: x.dataSync<'float32'>().slice(), shape: x.shape };
  return main.ctcLossSync(input, targets, options);
}

for (const backend of ['cpu', 'wasm']) {
  describe(`TensorFlow.js on ${backend}`, () => {
    before(async () => {
      assert.ok(await tf.setBackend(backend));
      await tf.ready();
    });
    beforeEach(() => tf.engine().startScope());
    afterEach(() => tf.engine().endScope());

    for (const reduction of ['sum', 'mean', 'meanBatch', 'meanVolume'] as const) {
      for (const layout of ['TNC', 'NTC'] as const) {
        it(`gives the loss and the gradient of '${reduction}', ${layout}`, () => {
          const x = logits(layout);
          const options = { reduction, layout, inputLengths: lengths };
          const want = expected(x, labels, options);
          const { value, grad } = tf.valueAndGrad((x) => ctcLoss(x, labels, options))(x);
          assert.deepEqual(value.shape, []);
          assert.equal(value.dtype, 'float32');
          assert.equal(value.dataSync()[0], Math.fround(want.loss as number));
          assert.deepEqual(grad.shape, x.shape);
          assertBitwise(grad.dataSync(), want.gradient as Float32Array, 'gradient');
          assertBitwise(ctcLoss(x, labels, options).dataSync(), value.dataSync(), 'no gradient');
        });

        it(`multiplies the upstream gradient of '${reduction}', ${layout}`, () => {
          const x = logits(layout);
          const options = { reduction, layout, inputLengths: lengths };
          const want = expected(x, labels, options).gradient as Float32Array;
          const grad = tf.grad((x) => ctcLoss(x, labels, options).mul(-2.5))(x);
          assertBitwise(
            grad.dataSync(),
            want.map((g) => g * -2.5),
            'gradient',
          );
        });
      }
    }

    for (const layout of ['TNC', 'NTC'] as const) {
      it(`gives N losses for 'none', each with an upstream gradient of its own, ${layout}`, () => {
        const x = logits(layout);
        const options = { reduction: 'none', layout, inputLengths: lengths } as const;
        const upstream = [0.5, -3, 0];
        const want = expected(x, labels, { ...options, gradOutput: upstream });
        const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => ctcLoss(x, labels, options))(
          x,
          tf.tensor1d(upstream),
        );
        assertBitwise(value.dataSync(), Float32Array.from(want.losses), 'losses');
        assertClose(grad.dataSync(), want.gradient as Float32Array, 1e-6, 'gradient');
      });
    }

    it('takes every form of labels', () => {
      const x = logits();
      const want = expected(x, labels, { reduction: 'sum', blank: 0 }).loss;
      const zeros = [1, 2, 2, 5, 4, 0, 0, 0, 0, 0, 0, 0];
      const minus = zeros.map((label) => label || -1);
      const forms: [string, Parameters<typeof ctcLoss>[1], TensorLossOptions][] = [
        ['ragged', labels, {}],
        ['int32, padded with the blank', tf.tensor2d(zeros, [N, 4], 'int32'), {}],
        ['float32', tf.tensor2d(zeros, [N, 4]), {}],
        ['[N, S, 1]', labelTensor(labels), {}],
        ['padded with -1', tf.tensor2d(minus, [N, 4], 'int32'), { padding: -1 }],
        ['a tensor and lengths', tf.tensor2d(minus, [N, 4], 'int32'), { targetLengths: [4, 1, 0] }],
        [
          'tensors of lengths',
          tf.tensor2d(zeros, [N, 4], 'int32'),
          { targetLengths: tf.tensor1d([4, 1, 0], 'int32'), inputLengths: tf.tensor1d([9, 9, 9]) },
        ],
        ['flat', tf.tensor1d([1, 2, 2, 5, 4], 'int32'), { targetLengths: [4, 1, 0] }],
      ];
      for (const [form, given, options] of forms) {
        const loss = ctcLoss(x, given, { reduction: 'sum', ...options });
        assert.equal(loss.dataSync()[0], Math.fround(want as number), form);
      }
    });

    it('takes one utterance [T, C] and its labels', () => {
      const x = logits().slice([0, 1, 0], [T, 1, C]).reshape([T, C]);
      const want = expected(x, [3, 4], { blank: -1 });
      for (const given of [[3, 4], tf.tensor1d([3, 4], 'int32'), tf.tensor1d([3, 4, 5], 'int32')]) {
        const { value, grad } = tf.valueAndGrad((x) => ctcLoss(x, given, { blank: -1 }))(x);
        assert.equal(value.dataSync()[0], Math.fround(want.loss as number));
        assertBitwise(grad.dataSync(), want.gradient as Float32Array, 'gradient');
      }
    });

    it('any blank, log-probabilities, and other libraries by profile', () => {
      for (let blank = -1; blank < C; blank++) {
        const free = [1, 2, 3, 4].filter((label) => label !== blank);
        const given = [free, free.slice(1), []];
        const x = logits();
        const want = expected(x, given, { blank });
        const padded = labelTensor(given, 0);
        assert.equal(ctcLoss(x, given, { blank }).dataSync()[0], Math.fround(want.loss as number));
        const loss = ctcLoss(x, padded, { blank, padding: 0 });
        assert.equal(loss.dataSync()[0], Math.fround(want.loss as number));
      }
      const x = tf.logSoftmax(logits());
      for (const options of [{ input: 'logProbs' }, { profile: 'torch' }] as const) {
        const want = expected(x, labels, options);
        const { value, grad } = tf.valueAndGrad((x) => ctcLoss(x, labels, options))(x);
        assert.equal(value.dataSync()[0], Math.fround(want.loss as number));
        assertBitwise(grad.dataSync(), want.gradient as Float32Array, 'gradient');
      }
      const keras = ctcLoss(logits('NTC'), labels, { profile: 'keras' });
      const spelledOut = ctcLoss(logits('NTC'), labels, { layout: 'NTC', reduction: 'meanBatch' });
      assert.equal(keras.dataSync()[0], spelledOut.dataSync()[0]);
      assert.deepEqual(ctcLoss(logits(), labels, { profile: 'tensorflow' }).shape, [N]);
    });

    it('infeasible utterances are Infinity, and leave the gradient of the others alone', () => {
      const x = logits();
      const given = [[1, 1, 1, 1, 1, 1], [4], []];
      const options = { reduction: 'none' } as const;
      const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => ctcLoss(x, given, options))(
        x,
        tf.ones([N]),
      );
      assert.equal(value.dataSync()[0], Infinity);
      const want = expected(x, given, options);
      assert.deepEqual(want.status, ['infeasible', 'ok', 'ok']);
      assertBitwise(grad.dataSync(), want.gradient as Float32Array, 'gradient');
      assert.equal(
        ctcLoss(x, given, { reduction: 'sum', infeasible: 'zero' }).dataSync()[0],
        Math.fround((want.losses[1] as number) + (want.losses[2] as number)),
      );
    });

    it('its gradient through a small network is the slope of its loss', () => {
      const random = seeded(8);
      const noise = (shape: number[], scale = 0.5) =>
        tf.tensor(
          Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => scale * normal(random)),
          shape,
        );
      const features = noise([T, N, 4], 1).reshape([T * N, 4]);
      const weights = [noise([4, 8]), noise([8]), noise([8, C]), noise([C])];
      const network = (w: tf.Tensor[]) => {
        const hidden = features
          .matMul(w[0] as tf.Tensor)
          .add(w[1] as tf.Tensor)
          .tanh();
        const scores = hidden
          .matMul(w[2] as tf.Tensor)
          .add(w[3] as tf.Tensor)
          .reshape([T, N, C]);
        const losses = ctcLoss(scores, labels, { reduction: 'none', inputLengths: lengths });
        return losses
          .square()
          .mul(tf.tensor1d([1, 0.5, 2]))
          .sum()
          .sqrt() as tf.Scalar;
      };
      const gradients = tf.grads((...w: tf.Tensor[]) => network(w))(weights);
      for (const [i, gradient] of gradients.entries()) {
        for (let trial = 0; trial < 3; trial++) {
          const direction = noise(weights[i]!.shape, 1);
          const at = (step: number) =>
            network(
              weights.map((w, j) => (i === j ? w.add(direction.mul(step)) : w)),
            ).dataSync()[0]!;
          // Fourth order in the step, so that float32 losses allow one of 1/32.
          const h = 1 / 32;
          const slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
          const projected = gradient.mul(direction).sum().dataSync()[0]!;
          assertClose(projected, slope, 2e-3 * Math.max(1, Math.abs(slope)), `weights ${i}`);
        }
      }
    });

    it('an optimizer learns with it, and memory stays flat over 1,000 steps', function () {
      this.timeout(300_000);
      const weights = tf.variable(tf.zeros([C, C]));
      const x = logits().reshape([T * N, C]);
      const optimizer = tf.train.sgd(0.5);
      const step = () =>
        optimizer.minimize(
          () => ctcLoss(x.matMul(weights).reshape([T, N, C]), labels),
          true,
        ) as tf.Scalar;
      const first = step();
      const before = tf.memory();
      for (let i = 0; i < 1000; i++) step().dispose();
      const after = tf.memory();
      assert.equal(after.numTensors, before.numTensors);
      assert.equal(after.numDataBuffers, before.numDataBuffers);
      assert.equal(after.numBytes, before.numBytes);
      const last = step();
      assert.ok(last.dataSync()[0]! < first.dataSync()[0]! * 0.8, `${first} to ${last}`);
      weights.dispose();
      optimizer.dispose();
    });

    it('a model is compiled with it, fitted, evaluated, saved and loaded', async function () {
      this.timeout(120_000);
      const model = tf.sequential();
      model.add(
        tf.layers.dense({
          units: C,
          inputShape: [T, C],
          kernelInitializer: tf.initializers.identity({ gain: 0.1 }),
        }),
      );
      model.add(new CtcOutput());
      model.compile({ optimizer: tf.train.adam(0.05), loss: CtcLoss() });
      const x = logits('NTC');
      const y = labelTensor(labels);
      const history = await model.fit(x, y, { epochs: 30, batchSize: 2, verbose: 0 });
      const losses = history.history.loss as number[];
      assert.ok(losses.at(-1)! < losses[0]! / 2, `${losses[0]} to ${losses.at(-1)}`);

      const predicted = model.predict(x) as tf.Tensor;
      assert.deepEqual(predicted.shape, [N, T, C]);
      const want = expected(predicted, labels, { layout: 'NTC', reduction: 'meanBatch' });
      const evaluated = model.evaluate(x, y, { batchSize: N }) as tf.Scalar;
      assertClose(evaluated.dataSync()[0]!, want.loss as number, 1e-5, 'evaluate');

      let artifacts: tf.io.ModelArtifacts | undefined;
      await model.save(
        tf.io.withSaveHandler(async (saved) => {
          artifacts = saved;
          return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(saved) };
        }),
      );
      const loaded = await tf.loadLayersModel(tf.io.fromMemory(artifacts!));
      assertBitwise(
        (loaded.predict(x) as tf.Tensor).dataSync(),
        predicted.dataSync(),
        'loaded model',
      );
      model.dispose();
      loaded.dispose();
    });

    it("CtcLoss gives every utterance's loss, over its labels with 'mean'", () => {
      const x = logits('NTC');
      const given = labels.map((row) => row.map((label) => label - 1));
      const want = expected(x, given, { layout: 'NTC', reduction: 'none', blank: -1 }).losses;
      const y = labelTensor(given, 5);
      assertBitwise(CtcLoss({ blank: -1 })(y, x).dataSync(), Float32Array.from(want), 'losses');
      assertClose(
        CtcLoss({ blank: -1, reduction: 'mean' })(y, x).dataSync(),
        Float32Array.from([want[0]! / 4, want[1]!, want[2]!]),
        1e-6,
        'losses over labels',
      );
      const minus = labelTensor(given, -1);
      assertBitwise(
        CtcLoss({ blank: -1, padding: -1, reduction: 'mean' })(minus, x).dataSync(),
        CtcLoss({ blank: -1, reduction: 'mean' })(y, x).dataSync(),
        'padding',
      );
    });

    it('decodes tensors as the main entry does, also when they are disposed meanwhile', async () => {
      for (const layout of ['TNC', 'NTC'] as const) {
        const x = logits(layout);
        const options = { layout, inputLengths: lengths, tokens: ['', 'a', 'b', 'c', 'd', ' '] };
        const plain = { data: x.dataSync<'float32'>().slice(), shape: x.shape };
        const greedy = greedyDecode(x, options);
        const beam = beamDecode(x, { ...options, beamWidth: 20, topPaths: 3 });
        x.dispose();
        assert.deepEqual(await greedy, greedyDecodeSync(plain, options));
        assert.deepEqual(
          await beam,
          beamDecodeSync(plain, { ...options, beamWidth: 20, topPaths: 3 }),
        );
      }
    });

    it('leaves no tensors behind, also when it throws', async () => {
      const x = logits();
      const before = tf.memory().numTensors;
      ctcLoss(x, labels).dispose();
      CtcLoss()(
        tf.tidy(() => labelTensor(labels)),
        logits('NTC'),
      ).dispose();
      const made = 2;
      assert.equal(tf.memory().numTensors, before + made);
      assert.throws(() => ctcLoss(x, [[9], [], []]));
      assert.throws(() => tf.grad((x) => ctcLoss(x, [[9], [], []]))(x));
      await greedyDecode(x);
      assert.equal(tf.memory().numTensors, before + made);
    });

    it('an upstream second derivative is an error, not a silent 0', () => {
      const x = logits();
      const slope = tf.grad((x) => ctcLoss(x, labels));
      assert.throws(() => tf.grad((x) => slope(x).square().sum())(x), { code: 'ERR_CTC_GRADIENT' });
    });
  });
}

describe('TensorFlow.js entry', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('reads a tensor of the cpu backend where it lies', () => {
    const values = new Float32Array(T * N * C);
    const x = tf.tensor3d(values, [T, N, C]);
    assert.equal(x.dataSync(), values);
    const before = ctcLoss(x, labels).dataSync()[0];
    // Behind TensorFlow.js' back: only what reads the same memory can notice.
    values.set(logits().dataSync());
    assert.notEqual(ctcLoss(x, labels).dataSync()[0], before);
    x.dispose();
  });

  it('is in the package for import and require', async () => {
    const module = await import('node-ctc/tfjs' as string);
    const required = createRequire(import.meta.url)('node-ctc/tfjs');
    const names = ['CtcLoss', 'CtcOutput', 'beamDecode', 'ctcLoss', 'greedyDecode', 'labelTensor'];
    for (const entry of [module, required]) {
      assert.deepEqual(Object.keys(entry).sort(), names.sort());
      assert.deepEqual(entry.ctcLoss(logits(), labels).shape, []);
    }
  });

  const bad: [string, () => unknown, object][] = [
    [
      'no tensor',
      () => ctcLoss([1, 2] as never, labels),
      { name: 'TypeError', code: 'ERR_CTC_INVALID_ARG_TYPE', message: /^logits must be a tensor/ },
    ],
    [
      'integers for logits',
      () => ctcLoss(logits().cast('int32'), labels),
      { name: 'TypeError', code: 'ERR_CTC_INVALID_ARG_TYPE', message: /cast\('float32'\)$/ },
    ],
    [
      'a disposed tensor',
      () => {
        const x = logits();
        x.dispose();
        return ctcLoss(x, labels);
      },
      { name: 'RangeError', code: 'ERR_CTC_BUFFER', message: 'logits is disposed' },
    ],
    [
      'four dimensions',
      () => ctcLoss(logits().expandDims(0), labels),
      { name: 'RangeError', code: 'ERR_CTC_INVALID_SHAPE' },
    ],
    [
      'a scalar',
      () => ctcLoss(tf.scalar(1), labels),
      { name: 'RangeError', code: 'ERR_CTC_INVALID_SHAPE' },
    ],
    [
      'a label that is no class',
      () => ctcLoss(logits(), [[1], [6], []]),
      {
        name: 'RangeError',
        code: 'ERR_CTC_INVALID_LABEL',
        message: 'targets[1][0] is 6; classes are 0 to 5',
      },
    ],
    [
      'a label after padding',
      () => ctcLoss(logits(), tf.tensor2d([1, 0, 3, 1, 1, 1, 0, 0, 0], [3, 3], 'int32')),
      {
        name: 'RangeError',
        code: 'ERR_CTC_INVALID_LABEL',
        message:
          'labels[0][2] is 3, after padding (0) at labels[0][1]; ' +
          'if that is no padding, give targetLengths or another padding',
      },
    ],
    [
      'a row of labels for a batch',
      () => ctcLoss(logits(), tf.tensor1d([1, 2, 3], 'int32')),
      { name: 'TypeError', code: 'ERR_CTC_INVALID_ARG_TYPE', message: /^targetLengths must be/ },
    ],
    [
      'a fraction for a label',
      () => ctcLoss(logits(), tf.tensor2d([1, 2, 3, 1.5, 0, 0], [3, 2])),
      {
        name: 'RangeError',
        code: 'ERR_CTC_INVALID_LABEL',
        message: 'labels[1][1] is 1.5, not an integer',
      },
    ],
    [
      'strings for labels',
      () => ctcLoss(logits(), tf.tensor2d(['a', 'b', 'c'], [3, 1])),
      { name: 'TypeError', code: 'ERR_CTC_INVALID_ARG_TYPE' },
    ],
    [
      'labels of four dimensions',
      () => ctcLoss(logits(), tf.ones([3, 2, 1, 1], 'int32')),
      { name: 'RangeError', code: 'ERR_CTC_INVALID_SHAPE' },
    ],
    [
      'too few rows of labels',
      () => ctcLoss(logits(), labelTensor([[1]])),
      { name: 'RangeError', code: 'ERR_CTC_INVALID_SHAPE' },
    ],
    [
      'too few frames, when asked to throw',
      () => ctcLoss(logits(), labels, { inputLengths: [4, 7, 7], infeasible: 'throw' }),
      { name: 'RangeError', code: 'ERR_CTC_INFEASIBLE' },
    ],
    [
      'a misspelled option',
      () => ctcLoss(logits(), labels, { inputLength: lengths } as never),
      { name: 'TypeError', code: 'ERR_CTC_UNKNOWN_OPTION', message: /did you mean 'inputLengths'/ },
    ],
    [
      'gradOutput',
      () => ctcLoss(logits(), labels, { gradOutput: 2 } as never),
      { name: 'TypeError', code: 'ERR_CTC_UNKNOWN_OPTION', message: /TensorFlow.js asks/ },
    ],
    [
      'padding beside lengths',
      () => ctcLoss(logits(), labelTensor(labels), { padding: 0, targetLengths: [1, 1, 0] }),
      { name: 'RangeError', code: 'ERR_CTC_INVALID_ARG_VALUE' },
    ],
    [
      'padding of ragged labels',
      () => ctcLoss(logits(), labels, { padding: 0 }),
      { name: 'RangeError', code: 'ERR_CTC_INVALID_ARG_VALUE' },
    ],
    [
      'padding that is no integer',
      () => ctcLoss(logits(), labelTensor(labels), { padding: '0' as never }),
      { name: 'TypeError', code: 'ERR_CTC_INVALID_ARG_TYPE' },
    ],
    [
      'a layout for CtcLoss',
      () => CtcLoss({ layout: 'TNC' } as never),
      { name: 'TypeError', code: 'ERR_CTC_UNKNOWN_OPTION', message: /^layout is no option/ },
    ],
    [
      "a reduction that is not Keras'",
      () => CtcLoss({ reduction: 'sum' as never }),
      { name: 'RangeError', code: 'ERR_CTC_INVALID_ARG_VALUE' },
    ],
    [
      'options that are no object',
      () => CtcLoss(3 as never),
      { name: 'TypeError', code: 'ERR_CTC_INVALID_ARG_TYPE' },
    ],
    [
      'labelTensor of numbers',
      () => labelTensor([1, 2] as never),
      { name: 'TypeError', code: 'ERR_CTC_INVALID_ARG_TYPE' },
    ],
    [
      'labelTensor of nothing',
      () => labelTensor(undefined as never),
      { name: 'TypeError', code: 'ERR_CTC_INVALID_ARG_TYPE' },
    ],
    [
      'labelTensor with a label that is the padding',
      () => labelTensor([[1], [2, 0]]),
      {
        name: 'RangeError',
        code: 'ERR_CTC_INVALID_LABEL',
        message: 'labels[1][1] is 0; and the padding is that too',
      },
    ],
    [
      'labelTensor with a string',
      () => labelTensor([['a']] as never),
      { name: 'TypeError', code: 'ERR_CTC_INVALID_LABEL' },
    ],
  ];
  for (const [what, call, error] of bad) {
    it(`refuses ${what}`, () => {
      tf.tidy(() => assert.throws(call, error));
    });
  }

  it('refuses bad arguments of decoders as rejections', async () => {
    const x = logits();
    await assert.rejects(greedyDecode({} as never), { code: 'ERR_CTC_INVALID_ARG_TYPE' });
    await assert.rejects(greedyDecode(x, { buffers: 'auto' } as never), {
      code: 'ERR_CTC_UNKNOWN_OPTION',
    });
    await assert.rejects(greedyDecode(x, 3 as never), { code: 'ERR_CTC_INVALID_ARG_TYPE' });
    await assert.rejects(beamDecode(x, [] as never), { code: 'ERR_CTC_INVALID_ARG_TYPE' });
    await assert.rejects(beamDecode(x, { beamwidth: 3 } as never), {
      code: 'ERR_CTC_UNKNOWN_OPTION',
    });
    x.dispose();
  });

  it('accepts batches without utterances, frames or labels', () => {
    tf.tidy(() => {
      assert.equal(labelTensor([]).shape[0], 0);
      assert.deepEqual(labelTensor([[], []]).shape, [2, 1, 1]);
      assert.ok(Number.isNaN(ctcLoss(tf.zeros([T, 0, C]), []).dataSync()[0]));
      assert.equal(ctcLoss(tf.zeros([0, 2, C]), [[], []]).dataSync()[0], 0);
      const { grad } = tf.valueAndGrad((x) => ctcLoss(x, [[], []]))(tf.zeros([0, 2, C]));
      assert.deepEqual(grad.shape, [0, 2, C]);
    });
  });
});
