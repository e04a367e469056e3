// Tensors of an onnxruntime session, given to the library as they are.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  beamDecode,
  beamDecodeSync,
  ctcLoss,
  ctcLossSync,
  forcedAlign,
  forcedAlignSync,
  greedyDecode,
  greedyDecodeSync,
  posteriorsSync,
} from 'node-ctc';
import type * as Ort from 'onnxruntime-node';
import { castModel } from './support/onnx.js';
import { hasOnnxruntime, needOnnxruntime } from './support/onnxruntime.js';
import { root } from './support/paths.js';
import { corpora, finalBatch, readTokens } from './support/real.js';

// Where there is none, the tests that use it are skipped.
const ort = (hasOnnxruntime ? await import('onnxruntime-node') : undefined) as typeof Ort;

const ocr = corpora.find(({ name }) => name === 'ocr')!;
const tokens = readTokens(ocr);
const greedyTexts = ocr.utterances.map(({ greedy }) => greedy);

/** What a session gives: `data` is of its own making. */
interface Output extends Omit<Ort.Tensor, 'data'> {
  readonly data: Float32Array | Float64Array | Uint16Array;
}

/** The recorded outputs of the OCR model, out of a session, in another element type. */
async function outputs(type: 'float32' | 'float64' | 'float16'): Promise<Output> {
  const { data, shape } = finalBatch(ocr, 'final');
  const session = await ort.InferenceSession.create(castModel(type));
  const { y } = await session.run({ x: new ort.Tensor('float32', data, shape) });
  await session.release();
  return y as unknown as Output;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  Buffer.from(buffer, byteOffset, byteLength);

describe('onnxruntime tensors', () => {
  before(function () {
    needOnnxruntime(this);
  });

  const { targets, inputLengths, losses } = finalBatch(ocr, 'final');
  const options = { inputLengths } as const;

  for (const type of ['float32', 'float64', 'float16'] as const) {
    describe(type, () => {
      let tensor: Output;
      let plain: { data: Output['data']; shape: readonly number[]; type: string };
      before(async () => {
        tensor = await outputs(type);
        assert.equal(tensor.type, type);
        plain = { data: tensor.data.slice() as Output['data'], shape: tensor.dims, type };
      });

      it('ctcLoss gives the losses that PyTorch gives, and the gradient of a plain array', async () => {
        const expected = type === 'float16' ? finalBatch(ocr, 'final_f16').losses : losses;
        const wanted = ctcLossSync(plain, targets, options);
        const results = [
          ctcLossSync(tensor, targets, options),
          await ctcLoss(tensor, targets, options),
        ];
        for (const { losses: found, gradient, status } of results) {
          assert.ok(status.every((word) => word === 'ok'));
          found.forEach((loss, n) => {
            const wrong = Math.abs(loss - expected[n]!);
            assert.ok(
              wrong < 1e-5 * Math.max(1, expected[n]!),
              `${n}: ${loss}, not ${expected[n]}`,
            );
          });
          assert.equal(gradient.constructor, tensor.data.constructor);
          assert.ok(bytesOf(gradient).equals(bytesOf(wanted.gradient)));
        }
      });

      it('greedyDecode and beamDecode read what the model says', async () => {
        for (const { utterances } of [
          greedyDecodeSync(tensor, { ...options, tokens }),
          await greedyDecode(tensor, { ...options, tokens }),
        ]) {
          assert.deepEqual(
            utterances.map(({ text }) => text),
            greedyTexts,
          );
        }
        const beam = { ...options, tokens, beamWidth: 16, topPaths: 2 };
        const wanted = beamDecodeSync(plain, beam);
        assert.deepEqual(beamDecodeSync(tensor, beam), wanted);
        assert.deepEqual(await beamDecode(tensor, beam), wanted);
      });

      it('forcedAlign and posteriors give what they give for a plain array', async () => {
        const wanted = forcedAlignSync(plain, targets, options);
        assert.ok(wanted.utterances.every(({ spans }, n) => spans.length === targets[n]!.length));
        assert.deepEqual(forcedAlignSync(tensor, targets, options), wanted);
        assert.deepEqual(await forcedAlign(tensor, targets, options), wanted);
        assert.deepEqual(
          posteriorsSync(tensor, targets, options),
          posteriorsSync(plain, targets, options),
        );
      });

      it("'transfer' takes its memory over and hands it back, 'borrow' reads it in place", async () => {
        const wanted = ctcLossSync(plain, targets, options).losses;
        const mine = await outputs(type);
        const data = mine.data;
        const { losses: found, input } = await ctcLoss(mine, targets, {
          ...options,
          buffers: 'transfer',
        });
        assert.equal(data.length, 0, 'the memory was taken over');
        assert.deepEqual(found, wanted);
        assert.ok(bytesOf(input!).equals(bytesOf(plain.data)));
        const borrowed = await ctcLoss(tensor, targets, { ...options, buffers: 'borrow' });
        assert.deepEqual(borrowed.losses, wanted);
      });
    });
  }

  it('the real model, run here, reads its lines', async () => {
    const folder = join(root, 'examples', 'serve');
    const session = await ort.InferenceSession.create(join(folder, 'model', 'model.onnx'));
    // Blank paper: 2 lines of 64 x 32 pixels.
    const image = new ort.Tensor('float32', new Float32Array(2 * 32 * 64), [2, 1, 32, 64]);
    const { logits } = (await session.run({ image })) as unknown as { logits: Output };
    assert.deepEqual(logits.dims, [16, 2, 86]);
    const { utterances } = greedyDecodeSync(logits, { tokens });
    assert.deepEqual(
      utterances.map(({ text }) => text),
      ['', ''],
    );
    await session.release();
  });

  it('a tensor whose memory is gone, or of another type, is refused by name', async () => {
    const tensor = await outputs('float32');
    structuredClone(tensor.data, { transfer: [tensor.data.buffer as ArrayBuffer] });
    assert.throws(() => greedyDecodeSync(tensor, options), { code: 'ERR_CTC_BUFFER' });
    await assert.rejects(ctcLoss(tensor, targets), { code: 'ERR_CTC_BUFFER' });
    const integers = new ort.Tensor('int64', new BigInt64Array(30), [5, 1, 6]);
    assert.throws(() => greedyDecodeSync(integers as never), {
      code: 'ERR_CTC_INVALID_ARG_TYPE',
    });
    // onnxruntime's int64 are fine as lengths and labels.
    const lengths = new ort.Tensor('int64', BigInt64Array.from(inputLengths, BigInt), [64]);
    const sound = await outputs('float32');
    const { utterances } = greedyDecodeSync(sound, {
      inputLengths: lengths.data as BigInt64Array,
      tokens,
    });
    assert.deepEqual(
      utterances.map(({ text }) => text),
      greedyTexts,
    );
  });

  // The proof that nothing is copied: a process of its own, whose memory is filled up to its peak before each call, has no
  // room for a second tensor. Its peak would rise.
  describe('without a copy', () => {
    const [T, N, C] = [2 ** 12, 1, 2 ** 13];
    const size = 2 * T * N * C;
    // In this order: the last one leaves no tensor behind.
    const calls = {
      ctcLossSync: 'ctc.ctcLossSync(tensor, targets, { gradient: false })',
      greedyDecodeSync: 'ctc.greedyDecodeSync(tensor)',
      beamDecodeSync: 'ctc.beamDecodeSync(tensor, { beamWidth: 4 })',
      forcedAlignSync: 'ctc.forcedAlignSync(tensor, targets)',
      "ctcLoss with 'borrow'":
        "ctc.ctcLoss(tensor, targets, { gradient: false, buffers: 'borrow' })",
      ctcLoss: 'ctc.ctcLoss(tensor, targets, { gradient: false })',
      "greedyDecode with 'transfer'": "ctc.greedyDecode(tensor, { buffers: 'transfer' })",
    };
    const script = `
      import * as ctc from 'node-ctc';
      import * as ort from 'onnxruntime-node';
      const model = Buffer.from('${Buffer.from(castModel('float16')).toString('hex')}', 'hex');
      const session = await ort.InferenceSession.create(model, { enableCpuMemArena: false });
      const x = new ort.Tensor('float32', new Float32Array(${T * N * C}), [${T}, ${N}, ${C}]);
      const { y: tensor } = await session.run({ x });
      const targets = [[1, 2, 3]];
      const peak = () => process.resourceUsage().maxRSS * 1024;
      const ballast = [];
      const growth = {};
      async function measure(name, call) {
        while (process.memoryUsage.rss() < peak()) ballast.push(Buffer.alloc(2 ** 22, 1));
        const before = peak();
        await call();
        growth[name] = peak() - before;
      }
      ${Object.entries(calls)
        .map(([name, call]) => `await measure(${JSON.stringify(name)}, () => ${call});`)
        .join('\n')}
      console.log(JSON.stringify(growth), x.data.length, ballast.length);`;

    let growth: Record<keyof typeof calls, number>;
    before(async function () {
      needOnnxruntime(this);
      this.timeout(300_000);
      const args = ['--input-type=module', '-e', script];
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
      growth = JSON.parse(/^\{.*\}/.exec(stdout)![0]);
    });

    for (const name of Object.keys(calls) as (keyof typeof calls)[]) {
      if (name === 'ctcLoss') {
        it('ctcLoss as it is makes its one copy, and this measure sees it', () => {
          assert.ok(growth[name] > size / 2, `${growth[name]} bytes for a tensor of ${size}`);
        });
      } else {
        it(`${name} needs no memory for a second tensor`, () => {
          assert.ok(growth[name] < size / 4, `${growth[name]} bytes for a tensor of ${size}`);
        });
      }
    }
  });

  it('is never needed by the library itself', () => {
    const { dependencies, peerDependencies } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    assert.ok(!('onnxruntime-node' in { ...dependencies, ...peerDependencies }));
  });
});
