// DeviceTensor, page-locked arrays, and how a call on a GPU treats memory and mistakes.

import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import {
  ctcLoss,
  ctcLossSync,
  DeviceTensor,
  devices,
  forcedAlign,
  greedyDecode,
  pinnedArray,
  posteriors,
} from '../../lib/index.js';
import { detach, expectedOf, makeBatch } from '../support/batch.js';
import { assertBitwise } from '../support/close.js';
import { encode } from '../support/half.js';
import { root } from '../support/paths.js';

const shape = { T: 40, N: 5, C: 12, L: 9 };

function batch() {
  const { data, targets, shape: dims, inputLengths } = makeBatch(shape);
  const input = { data: data as Float32Array, shape: dims };
  const options = { inputLengths } as const;
  const expected = ctcLossSync(input, targets, { ...options, device: 'cuda' });
  return { input, targets, options, expected };
}

describe('memory of a GPU', function () {
  this.timeout(120_000);

  it('is listed', () => {
    const [cpu, gpu] = devices();
    assert.equal(cpu!.device, 'cpu');
    assert.equal(gpu!.device, 'cuda:0');
    assert.equal(gpu!.usable, true);
    assert.match(gpu!.capability!, /^\d+\.\d$/);
    assert.ok(gpu!.memory! > 0 && gpu!.name!.length > 0);
  });

  it("'auto' takes the GPU", () => {
    const { input, targets, options, expected } = batch();
    const auto = ctcLossSync(input, targets, { ...options, device: 'auto' });
    assertBitwise(auto.losses, expected.losses, 'losses');
    assertBitwise(auto.gradient, expected.gradient, 'the gradient');
  });

  it('is uploaded once, computed with many times, and read back', async () => {
    const { input, targets, options, expected } = batch();
    const tensor = await DeviceTensor.upload(input);
    assert.deepEqual(tensor.shape, input.shape);
    assert.equal(tensor.type, 'float32');
    assert.equal(tensor.device, 'cuda:0');
    assert.equal(tensor.bytes, input.data.byteLength);
    assertBitwise(await tensor.read(), input.data, 'what is read back');
    const gradient = DeviceTensor.like(tensor);
    for (let i = 0; i < 3; i += 1) {
      const result = await ctcLoss(tensor, targets, { ...options, gradient });
      assertBitwise(result.losses, expected.losses, 'losses');
      assert.equal(result.gradient, gradient);
      assertBitwise(gradient.readSync(), expected.gradient, 'the gradient on the device');
      const onHost = ctcLossSync(tensor, targets, options);
      assertBitwise(onHost.gradient, expected.gradient, 'the gradient on the host');
    }
    const mixed = await ctcLoss(input, targets, { ...options, gradient });
    assert.equal(mixed.loss, expected.loss);
    assertBitwise(await gradient.read(), expected.gradient, 'a gradient of host memory');
    tensor.dispose();
    gradient.dispose();
  });

  it('keeps strides, types and layouts', async () => {
    const { input, targets, options } = batch();
    const [T, N, C] = input.shape as [number, number, number];
    for (const type of ['float32', 'float64', 'float16', 'bfloat16'] as const) {
      const wide = new Float64Array(T * N * (C + 3));
      for (let i = 0; i < T * N * C; i += 1) {
        wide[Math.floor(i / C) * (C + 3) + (i % C)] = input.data[i]!;
      }
      const strided = {
        data: encode(wide, type) as Float32Array,
        shape: [T, N, C],
        strides: [N * (C + 3), C + 3, 1],
        type,
      };
      const tensor = DeviceTensor.uploadSync(strided);
      assertBitwise(tensor.readSync(), strided.data.subarray(0, wide.length - 3), type);
      const on = { ...options, device: 'cuda' } as const;
      const want = ctcLossSync(strided, targets, on);
      assertBitwise(ctcLossSync(tensor, targets, on).gradient, want.gradient, type);
      const like = DeviceTensor.like(tensor);
      ctcLossSync(tensor, targets, { ...options, gradient: like });
      assertBitwise(like.readSync(), want.gradient, `${type} on the device`);
      assert.throws(
        () => ctcLossSync(tensor, targets, { ...options, gradient: tensor }),
        /gradient is a DeviceTensor of shape \[40, 5, 12\]; it must have the input's shape and type/,
      );
    }
  });

  it('is page-locked for arrays that the GPU reads by itself', async () => {
    const { input, targets, options, expected } = batch();
    const data = pinnedArray('float32', input.data.length);
    const gradient = pinnedArray('float32', input.data.length);
    assert.ok(data.every((x) => x === 0));
    data.set(input.data);
    const on = { ...options, gradient, device: 'cuda' } as const;
    ctcLossSync({ ...input, data }, targets, on);
    assertBitwise(gradient, expected.gradient, 'the gradient');
    gradient.fill(7);
    await ctcLoss({ ...input, data }, targets, { ...on, buffers: 'borrow' });
    assertBitwise(gradient, expected.gradient, 'the gradient of the async call');
    assert.equal(pinnedArray('bfloat16', 3).constructor, Uint16Array);
    assert.equal(pinnedArray('float64', 0).length, 0);
  });

  it('is read by the GPU also where rows overlap', () => {
    const [T, C] = [9, 6];
    const values = Float32Array.from({ length: T * C }, (_, i) => Math.sin(i * i));
    const fixed = pinnedArray('float32', values.length);
    fixed.set(values);
    for (const strides of [
      [0, C, 1],
      [2, C, 1],
      [C, C, 1],
    ]) {
      const of = (data: Float32Array) =>
        ctcLossSync({ data, shape: [T, 1, C], strides }, [[1, 2, 2]], { device: 'cuda' });
      assertBitwise(of(fixed).losses, of(values).losses, `strides ${strides}`);
      assertBitwise(of(fixed).gradient, of(values).gradient, `strides ${strides}`);
    }
  });

  it('survives what callers do to theirs meanwhile', async () => {
    const { input, targets, options, expected } = batch();
    const own = { ...input, data: input.data.slice() };
    const running = ctcLoss(own, targets, { ...options, device: 'cuda' });
    const uploading = DeviceTensor.upload(own);
    detach(own.data);
    assertBitwise((await running).gradient, expected.gradient, 'the gradient');
    const tensor = await uploading;
    assertBitwise(tensor.readSync(), input.data, 'what was uploaded');
    // A job holds what it reads.
    const disposed = ctcLoss(tensor, targets, options);
    tensor.dispose();
    assertBitwise((await disposed).gradient, expected.gradient, 'the gradient');
    tensor.dispose();
    const gone = { name: 'RangeError', code: 'ERR_CTC_BUFFER', message: /was disposed/ };
    assert.throws(() => tensor.readSync(), gone);
    await assert.rejects(ctcLoss(tensor, targets, options), gone);
  });

  it('is freed by using', () => {
    const { input } = batch();
    const tensor = DeviceTensor.uploadSync(input);
    tensor[Symbol.dispose]();
    assert.throws(() => tensor.readSync(), { code: 'ERR_CTC_BUFFER' });
  });

  it('refuses what does not fit, saying why', async () => {
    const { input, targets, options } = batch();
    const tensor = DeviceTensor.uploadSync(input);
    const other = DeviceTensor.uploadSync({ data: new Float32Array(6), shape: [1, 2, 3] });
    for (const [call, message] of [
      [
        () => ctcLossSync(tensor, targets, { device: 'cpu' }),
        /input is in the memory of 'cuda:0', but device is 'cpu', the CPU/,
      ],
      [
        () => ctcLossSync(input, targets, { device: 'cpu', gradient: tensor }),
        /gradient is in the memory of 'cuda:0'/,
      ],
      [
        () => ctcLossSync(input, targets, { ...options, gradient: other }),
        /gradient is a DeviceTensor of shape \[1, 2, 3\]/,
      ],
      [() => ctcLossSync(tensor, targets, { ...options, gradient: tensor }), /overlaps/],
      [() => ctcLossSync(input, targets, { device: 'cuda:7' }), /device 'cuda:7' cannot be used/],
      [
        () => DeviceTensor.uploadSync(input, { device: 'cuda:7' }),
        /device 'cuda:7' cannot be used/,
      ],
      [
        () => DeviceTensor.uploadSync(input, { devise: 'cuda' } as never),
        /unknown option 'devise'; did you mean 'device'/,
      ],
      [
        () => DeviceTensor.uploadSync({ data: new Float32Array(5), shape: [1, 2, 3] }),
        /input.data has 5 elements/,
      ],
      [() => DeviceTensor.like(input as never), /a DeviceTensor is expected/],
      [() => pinnedArray('int8' as never, 3), /type is 'int8'/],
      [() => pinnedArray('float32', -1), /length is -1/],
    ] as const) {
      assert.throws(call, message);
    }
    await assert.rejects(ctcLoss(input, [[1]], { device: 'cuda' }), RangeError);
    const transfer = { ...options, buffers: 'transfer' } as const;
    for (const call of [
      ctcLoss(tensor, targets, transfer),
      greedyDecode(tensor, transfer),
      forcedAlign(tensor, targets, transfer),
      posteriors(tensor, targets, transfer),
    ]) {
      await assert.rejects(call, {
        code: 'ERR_CTC_INVALID_ARG_VALUE',
        message: /^buffers: 'transfer' takes over an array, and input is in the memory of 'cuda:0'/,
      });
    }
    const lengths = { ...options, gradient: new Float32Array(input.data.length - 1) };
    assert.throws(() => ctcLossSync(tensor, targets, lengths), { code: 'ERR_CTC_BUFFER' });
  });

  it('stops a call that is aborted', async () => {
    const { input, targets, options } = batch();
    const controller = new AbortController();
    const calls = Array.from({ length: 8 }, () =>
      ctcLoss(input, targets, { ...options, device: 'cuda', signal: controller.signal }),
    );
    controller.abort(new Error('enough'));
    const outcomes = await Promise.allSettled(calls);
    for (const outcome of outcomes) {
      assert.equal(outcome.status, 'rejected');
      assert.equal((outcome.reason as Error).message, 'enough');
    }
    ctcLossSync(input, targets, { ...options, device: 'cuda' });
  });

  it('serves several worker threads at once, with the same bits', async () => {
    const expected = expectedOf(shape);
    const { input, targets, options } = batch();
    const gpu = ctcLossSync(input, targets, { ...options, device: 'cuda' });
    assert.equal(gpu.losses.length, expected.losses.length);
    const body = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { ctcLoss, DeviceTensor } = require('node-ctc');
      (async () => {
        const { input, targets, options } = workerData;
        for (let i = 0; i < 10; i++) {
          const tensor = await DeviceTensor.upload(input);
          const calls = [ctcLoss(tensor, targets, options), ctcLoss(input, targets, { ...options, device: 'cuda' })];
          for (const { losses, gradient } of await Promise.all(calls)) parentPort.postMessage({ losses, gradient });
          if (i % 2) tensor.dispose();
        }
        parentPort.postMessage('done');
      })();`;
    const runs = Array.from({ length: 3 }, async () => {
      const worker = new Worker(body, {
        eval: true,
        workerData: { input, targets, options },
        execArgv: [],
      });
      let answers = 0;
      await new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('message', (message) => {
          if (message === 'done') return resolve();
          answers += 1;
          assertBitwise(message.losses, gpu.losses, 'losses');
          assertBitwise(message.gradient, gpu.gradient, 'the gradient');
        });
      });
      assert.equal(answers, 20);
      await worker.terminate();
    });
    await Promise.all(runs);
    assert.ok(root.length > 0);
  });
});
