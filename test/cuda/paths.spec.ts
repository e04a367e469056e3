// Greedy decoding, forced alignment and posteriors on device 'cuda', a GPU or its emulation, on the cases of
// the CPU's tests: labels, frames and statuses are the CPU's, numbers agree.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  beamDecodeSync,
  ctcLossSync,
  DeviceTensor,
  forcedAlign,
  forcedAlignSync,
  greedyDecode,
  greedyDecodeSync,
  pinnedArray,
  posteriors,
  posteriorsSync,
  type Targets,
  type TensorLike,
} from '../../lib/index.js';
import { detach, makeBatch } from '../support/batch.js';
import { assertBitwise, assertClose } from '../support/close.js';
import { goldenCases } from '../support/golden.js';
import { build, randomCase } from '../support/randomCase.js';
import { batchOptions } from '../support/randomLattice.js';
import { corpora, earlyBatch, finalBatch } from '../support/real.js';
import { emulated } from './where.js';

function assertGreedy(tensor: TensorLike | DeviceTensor, cpuTensor: TensorLike, options: object) {
  const gpu = greedyDecodeSync(tensor, { ...options, device: 'cuda' }).utterances;
  const cpu = greedyDecodeSync(cpuTensor, options).utterances;
  assert.equal(gpu.length, cpu.length);
  cpu.forEach((want, n) => {
    const got = gpu[n]!;
    assert.equal(got.status, want.status);
    assert.deepEqual(got.labels, want.labels);
    assert.equal(got.text, want.text);
    assert.ok(Object.is(got.blankRatio, want.blankRatio));
    assertClose(got.logProb, want.logProb, 1e-6, `logProb of ${n}`);
    const frames = ({ start, end }: { start: number; end: number }) => [start, end];
    assert.deepEqual(got.tokens.map(frames), want.tokens.map(frames));
    const scores = (of: typeof want) => of.tokens.map(({ score }) => score);
    assertClose(scores(got), scores(want), 1e-6, `scores of ${n}`);
  });
}

function assertAligned(
  tensor: TensorLike | DeviceTensor,
  cpuTensor: TensorLike,
  targets: Targets,
  options: object,
) {
  const gpu = forcedAlignSync(tensor, targets, { ...options, device: 'cuda' }).utterances;
  const cpu = forcedAlignSync(cpuTensor, targets, options).utterances;
  assert.equal(gpu.length, cpu.length);
  cpu.forEach((want, n) => {
    const got = gpu[n]!;
    assert.equal(got.status, want.status);
    assert.deepEqual(got.labels, want.labels, `labels of ${n}`);
    const parts = (of: typeof want) => of.spans.map(({ token, start, end }) => [token, start, end]);
    assert.deepEqual(parts(got), parts(want), `spans of ${n}`);
    assertClose(got.score, want.score, 1e-6, `score of ${n}`);
    assertClose(got.logProbs, want.logProbs, 1e-6, `logProbs of ${n}`);
    const scores = (of: typeof want) => of.spans.map(({ score }) => score);
    assertClose(scores(got), scores(want), 1e-6, `span scores of ${n}`);
  });
}

function assertPosteriors(
  tensor: TensorLike | DeviceTensor,
  cpuTensor: TensorLike,
  targets: Targets,
  options: object,
) {
  const gpu = posteriorsSync(tensor, targets, { ...options, device: 'cuda' }).utterances;
  const cpu = posteriorsSync(cpuTensor, targets, options).utterances;
  assert.equal(gpu.length, cpu.length);
  cpu.forEach((want, n) => {
    const got = gpu[n]!;
    assert.equal(got.status, want.status);
    assert.deepEqual([got.frames, got.states], [want.frames, want.states]);
    for (const name of ['occupancy', 'starts', 'ends', 'alpha', 'beta'] as const) {
      assert.equal(got[name] === undefined, want[name] === undefined);
      assertClose(got[name] ?? [], want[name] ?? [], 1e-9, `${name} of ${n}`);
    }
    assertClose(got.loss, want.loss, 1e-9, `loss of ${n}`);
  });
}

describe('decoding, alignment and posteriors on a GPU', function () {
  this.timeout(600_000);

  for (const golden of goldenCases()) {
    it(`golden case ${golden.id}: ${golden.description}`, () => {
      const { T, N, V, targets, inputLengths, blank, mode } = golden;
      // The emulation takes minutes for the longest ones: there once, in float32, and without what has
      // a number for each of a million states.
      const brief = emulated && T * N >= 500;
      const states = T * N * Math.max(...targets.map((target) => target.length));
      for (const View of brief ? [Float32Array] : [Float32Array, Float64Array]) {
        const tensor = { data: new View(golden.input), shape: [T, N, V] };
        const options = { inputLengths, blank, input: mode };
        assertGreedy(tensor, tensor, options);
        assertAligned(tensor, tensor, targets, options);
        if (brief && states > 3e5) continue;
        assertPosteriors(tensor, tensor, targets, { ...options, recursions: true });
      }
    });
  }

  for (const corpus of corpora) {
    const batches = [
      ['final', () => finalBatch(corpus, 'final')],
      ['half trained', () => earlyBatch(corpus, 'mid')],
      ['wrong transcripts', () => finalBatch(corpus, 'final_shuffled')],
      ['hardly trained', () => earlyBatch(corpus, 'early')],
    ] as const;
    for (const [name, batch] of batches.slice(0, emulated ? 2 : 4)) {
      it(`real outputs: ${corpus.name}, ${name}`, () => {
        const { data, shape, targets, blank, inputLengths } = batch();
        const tensor = { data: new Float32Array(data), shape };
        const options = { blank, inputLengths };
        assertGreedy(tensor, tensor, options);
        assertAligned(tensor, tensor, targets, options);
        if (!emulated || name === 'final') assertPosteriors(tensor, tensor, targets, options);
      });
    }
  }

  it('small and larger random calls agree with the CPU', () => {
    for (const [sizes, runs] of [
      [{ frames: 5, utterances: 3, classes: 4, labels: 4 }, emulated ? 200 : 3000],
      [{ frames: 60, utterances: 4, classes: 90, labels: 40 }, emulated ? 40 : 1000],
    ] as const) {
      fc.assert(
        fc.property(randomCase(sizes), (random) => {
          const { call } = build(random);
          const { tensor, targets, options } = call;
          const { targetLengths, ...shared } = batchOptions(options);
          assertGreedy(tensor, tensor, shared);
          assertAligned(tensor, tensor, targets, { ...shared, targetLengths });
          const recursions = random.synchronous;
          assertPosteriors(tensor, tensor, targets, { ...shared, targetLengths, recursions });
        }),
        { seed: 42, numRuns: runs },
      );
    }
  });

  const shape = { T: 40, N: 5, C: 12, L: 9 };

  it('takes DeviceTensors, whose device is the default, and gives the same bits', async () => {
    const { data, targets, shape: dims, inputLengths } = makeBatch(shape);
    const input = { data, shape: dims };
    const on = { inputLengths, device: 'cuda' } as const;
    const tensor = await DeviceTensor.upload(input);
    assert.deepEqual(
      (await greedyDecode(tensor, { inputLengths })).utterances,
      greedyDecodeSync(input, on).utterances,
    );
    assert.deepEqual(
      (await forcedAlign(tensor, targets, { inputLengths })).utterances,
      (await forcedAlign(input, targets, on)).utterances,
    );
    const [held, staged] = await Promise.all([
      posteriors(tensor, targets, { inputLengths, recursions: true }),
      posteriors(input, targets, { ...on, recursions: true }),
    ]);
    held.utterances.forEach(({ occupancy, alpha, beta }, n) => {
      const other = staged.utterances[n]!;
      assertBitwise(occupancy, other.occupancy, 'occupancy');
      assertBitwise(alpha!, other.alpha!, 'alpha');
      assertBitwise(beta!, other.beta!, 'beta');
    });
    const fixed = pinnedArray('float32', data.length);
    fixed.set(data);
    assert.deepEqual(
      (await greedyDecode({ data: fixed, shape: dims }, { ...on, buffers: 'borrow' })).utterances,
      greedyDecodeSync(input, on).utterances,
    );
    tensor.dispose();
    const gone = { code: 'ERR_CTC_BUFFER', message: /was disposed/ };
    assert.throws(() => greedyDecodeSync(tensor), gone);
    await assert.rejects(forcedAlign(tensor, targets), gone);
    await assert.rejects(posteriors(tensor, targets), gone);
  });

  it('takes stars, strides and layouts', () => {
    const [T, N, C] = [30, 3, 7];
    const data = Float32Array.from({ length: T * N * 2 * C }, (_, i) => Math.sin(i * i) * 4);
    const strided = { data, shape: [N, T, C], strides: [T * 2 * C, 2 * C, 2] };
    const targets = [[1, C, 2, 2], [C], []];
    const tensor = DeviceTensor.uploadSync(strided);
    for (const star of ['anything', 'label'] as const) {
      for (const source of [strided, tensor]) {
        assertAligned(source, strided, targets, { star, layout: 'NTC' });
      }
    }
    assertGreedy(tensor, strided, { layout: 'NTC', mergeRepeated: false });
    const tokens = ['', 'a', 'b', ' ', 'c', 'd', 'e'];
    assertGreedy(tensor, strided, { layout: 'NTC', tokens });
    assertPosteriors(tensor, strided, [[1, 2], [], [3]], { layout: 'NTC' });
  });

  it('survives what callers do to their memory meanwhile, and aborts', async () => {
    const { data, targets, shape: dims, inputLengths } = makeBatch(shape);
    const want = greedyDecodeSync({ data, shape: dims }, { inputLengths, device: 'cuda' });
    const own = data.slice();
    const running = greedyDecode({ data: own, shape: dims }, { inputLengths, device: 'cuda' });
    const aligning = forcedAlign({ data: own, shape: dims }, targets, { device: 'cuda' });
    detach(own);
    assert.deepEqual((await running).utterances, want.utterances);
    await aligning;
    const tensor = DeviceTensor.uploadSync({ data, shape: dims });
    const disposed = greedyDecode(tensor, { inputLengths });
    tensor.dispose();
    assert.deepEqual((await disposed).utterances, want.utterances);
    const controller = new AbortController();
    const { signal } = controller;
    const long = { data: new Float32Array(400 * 40), shape: [400, 40] };
    const calls = [
      greedyDecode(long, { device: 'cuda', signal }),
      forcedAlign(long, [1, 2, 3], { device: 'cuda', signal }),
      posteriors(long, [1, 2, 3], { device: 'cuda', signal }),
    ];
    controller.abort(new Error('enough'));
    for (const outcome of await Promise.allSettled(calls)) {
      assert.equal(outcome.status, 'rejected');
      assert.equal((outcome.reason as Error).message, 'enough');
    }
  });

  it('refuses what does not fit, saying why', () => {
    const { data, targets, shape: dims } = makeBatch(shape);
    const input = { data, shape: dims };
    const tensor = DeviceTensor.uploadSync(input);
    for (const [call, code, message] of [
      [
        () => greedyDecodeSync(tensor, { device: 'cpu' }),
        'INVALID_ARG_VALUE',
        /input is in the memory of 'cuda:0', but device is 'cpu', the CPU/,
      ],
      [() => forcedAlignSync(input, targets, { device: 'cuda:7' }), 'DEVICE', /'cuda:7' cannot/],
      [
        () => posteriorsSync(tensor, targets, { device: 'cpu' }),
        'INVALID_ARG_VALUE',
        /input is in the memory of 'cuda:0'/,
      ],
      [
        () => beamDecodeSync(input, { device: 'cuda' }),
        'DEVICE',
        /device 'cuda' cannot be used: beam search works on the CPU only/,
      ],
      [
        () => beamDecodeSync(tensor as never),
        'INVALID_ARG_VALUE',
        /input is in the memory of 'cuda:0', but beam search works on the CPU only/,
      ],
      [() => forcedAlignSync(tensor, [[99], [], [], [], []]), 'INVALID_LABEL', /99/],
    ] as const) {
      assert.throws(call, { code: `ERR_CTC_${code}`, message });
    }
    assert.ok(beamDecodeSync(input, { device: 'auto' }).utterances.length === shape.N);
    assert.equal(ctcLossSync(tensor, targets).status.length, shape.N);
  });
});
