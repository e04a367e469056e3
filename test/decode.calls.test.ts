// Calls of the decoders: threads, batches, memory, aborts, workers, both kinds of module.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import {
  type BeamOptions,
  beamDecode,
  beamDecodeSync,
  greedyDecode,
  greedyDecodeSync,
  type TensorLike,
} from '../lib/index.js';
import { normal, seeded } from './support/close.js';
import { type DTypeName, encode } from './support/half.js';
import { root } from './support/paths.js';

const [T, N, C] = [50, 11, 31];

function make(dtype: DTypeName, seed = 1) {
  const random = seeded(seed);
  const data = encode(
    Float64Array.from({ length: T * N * C }, () => 3 * normal(random)),
    dtype,
  );
  const half = dtype === 'float16' || dtype === 'bfloat16';
  return { data, shape: [T, N, C], ...(half ? { type: dtype } : {}) };
}

const inputLengths = Array.from({ length: N }, (_, n) => T - 3 * n);
const beamOptions = { inputLengths, beamWidth: 25, topPaths: 4 };

/** Long enough to be aborted: a wide beam over many frames. */
function large() {
  const random = seeded(3);
  const shape = [3000, 2, 100];
  return { data: Float32Array.from({ length: 600_000 }, () => 3 * normal(random)), shape };
}

describe('decoding calls', () => {
  for (const dtype of ['float32', 'float64', 'float16', 'bfloat16'] as const) {
    it(`${dtype}: the same bits for any number of threads, any batch and any layout`, () => {
      const tensor = make(dtype);
      const greedy = greedyDecodeSync(tensor, { inputLengths, threads: 1 });
      const beam = beamDecodeSync(tensor, { ...beamOptions, threads: 1 });
      for (const threads of [2, 7]) {
        assert.deepEqual(greedyDecodeSync(tensor, { inputLengths, threads }), greedy);
        assert.deepEqual(beamDecodeSync(tensor, { ...beamOptions, threads }), beam);
      }
      for (const members of [[0], [N - 1], [4, 2, 9], [7, 7]]) {
        const size = members.length;
        const View = tensor.data.constructor as Uint16ArrayConstructor;
        // Utterances one after another: batch-major.
        const data = new View(T * size * C);
        members.forEach((n, place) => {
          for (let t = 0; t < T; t += 1) {
            const from = (t * N + n) * C;
            data.set(tensor.data.subarray(from, from + C), (place * T + t) * C);
          }
        });
        const part = { ...tensor, data, shape: [size, T, C] };
        const given = {
          inputLengths: members.map((n) => inputLengths[n]!),
          layout: 'NTC' as const,
        };
        assert.deepEqual(
          greedyDecodeSync(part, given).utterances,
          members.map((n) => greedy.utterances[n]),
        );
        assert.deepEqual(
          beamDecodeSync(part, { ...beamOptions, ...given }).utterances,
          members.map((n) => beam.utterances[n]),
        );
      }
    });
  }

  it('one call does not leave anything for the next', () => {
    const tensor = make('float32');
    const first = beamDecodeSync(tensor, beamOptions);
    beamDecodeSync(large(), { beamWidth: 3, inputLengths: [100, 5] });
    assert.deepEqual(beamDecodeSync(tensor, beamOptions), first);
  });

  it('a nonfinite utterance does not spoil the others', () => {
    const tensor = make('float64');
    const clean = beamDecodeSync(tensor, beamOptions);
    tensor.data[(20 * N + 3) * C + 5] = Number.NaN;
    tensor.data[(20 * N + 5) * C + 5] = Infinity;
    const { utterances } = beamDecodeSync(tensor, beamOptions);
    utterances.forEach((utterance, n) => {
      if (n === 3 || n === 5) assert.deepEqual(utterance, { status: 'nonfinite', paths: [] });
      else assert.deepEqual(utterance, clean.utterances[n]);
    });
  });

  describe('memory', () => {
    const decoders = {
      greedyDecode: (input: TensorLike, options: object) =>
        greedyDecode(input, { inputLengths, ...options }),
      beamDecode: (input: TensorLike, options: BeamOptions) =>
        beamDecode(input, { ...beamOptions, ...options }),
    };
    const expected = {
      greedyDecode: greedyDecodeSync(make('float32'), { inputLengths }).utterances,
      beamDecode: beamDecodeSync(make('float32'), beamOptions).utterances,
    };
    for (const name of ['greedyDecode', 'beamDecode'] as const) {
      describe(name, () => {
        const run = decoders[name];

        it("'auto' copies before the call returns", async () => {
          const tensor = make('float32');
          const promise = run(tensor, {});
          tensor.data.fill(0);
          structuredClone(tensor.data.buffer, { transfer: [tensor.data.buffer as ArrayBuffer] });
          const result = await promise;
          assert.deepEqual(result.utterances, expected[name]);
          assert.ok(!('input' in result));
        });

        it("'auto' and 'borrow' read a SharedArrayBuffer in place", async () => {
          const { data, shape } = make('float32');
          const shared = new Float32Array(new SharedArrayBuffer(data.byteLength));
          shared.set(data);
          for (const buffers of ['auto', 'borrow', 'transfer'] as const) {
            const { utterances } = await run({ data: shared, shape }, { buffers });
            assert.deepEqual(utterances, expected[name]);
          }
        });

        it("'borrow' reads in place", async () => {
          const tensor = make('float32');
          const { utterances } = await run(tensor, { buffers: 'borrow' });
          assert.deepEqual(utterances, expected[name]);
        });

        it("'transfer' takes the input over and hands it back", async () => {
          const tensor = make('float32');
          const numbers = tensor.data.slice();
          const promise = run(tensor, { buffers: 'transfer' });
          assert.equal(tensor.data.length, 0);
          const result = await promise;
          assert.deepEqual(result.utterances, expected[name]);
          assert.deepEqual(result.input, numbers);
        });

        it("'transfer' hands the input back on an abort, too", async () => {
          const tensor = make('float32');
          const controller = new AbortController();
          const promise = run(tensor, { buffers: 'transfer', signal: controller.signal });
          controller.abort();
          await assert.rejects(promise, (error: Error & { input?: Float32Array }) => {
            return error.name === 'AbortError' && error.input?.length === T * N * C;
          });
        });
      });
    }
  });

  describe('abort', () => {
    it('before: nothing is run', async () => {
      const reason = new Error('never mind');
      const signal = AbortSignal.abort(reason);
      for (const run of [greedyDecode, beamDecode]) {
        await assert.rejects(run(make('float32'), { signal }), (error) => error === reason);
      }
    });

    it('during: the search stops soon, and the next call works', async () => {
      const tensor = large();
      const work = (since: NodeJS.CpuUsage) => process.cpuUsage(since).user;
      const full = process.cpuUsage();
      await beamDecode(tensor, { beamWidth: 100 });
      const whole = work(full);
      const controller = new AbortController();
      const promise = beamDecode(tensor, { beamWidth: 3000, signal: controller.signal });
      setTimeout(() => controller.abort(), 20);
      const start = process.cpuUsage();
      await assert.rejects(promise, { name: 'AbortError' });
      // Thirty times the work and more, had it run to its end.
      assert.ok(work(start) < 10 * whole);
      assert.equal((await beamDecode(make('float32'))).utterances.length, N);
    }).timeout(120_000);

    it('one signal for many calls leaves no listener behind', async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const warnings: Error[] = [];
      const listen = (warning: Error) => warnings.push(warning);
      process.on('warning', listen);
      await Promise.all(
        Array.from({ length: 30 }, () => greedyDecode(make('float32'), { signal })),
      );
      process.off('warning', listen);
      assert.deepEqual(warnings, []);
      controller.abort();
    });
  });

  describe('workers', () => {
    const index = pathToFileURL(join(root, 'dist/esm/index.js')).href;
    const arpa = [
      '\\data\\',
      'ngram 1=3',
      '\\1-grams:',
      '-1 a',
      '-1 <s>',
      '-1 </s>',
      '\\end\\',
    ].join('\n');
    const script = (body: string) =>
      new Worker(
        `const { parentPort, workerData } = require('node:worker_threads');
         import(workerData.index).then(async (ctc) => { ${body} }).catch((error) => parentPort.postMessage({ error }));`,
        { eval: true, workerData: { index, arpa, ...make('float32'), beamOptions } },
      );

    it('decode, with handles of their own', async () => {
      const answers = Array.from({ length: 3 }, async () => {
        const worker = script(`
          const lm = ctc.parseLanguageModel(workerData.arpa);
          const { data, shape, beamOptions } = workerData;
          const tokens = Array.from({ length: 31 }, (_, c) => c === 1 ? ' ' : String.fromCharCode(95 + c));
          const guided = await ctc.beamDecode({ data, shape }, { ...beamOptions, tokens, lm, hotwords: ['a'] });
          const plain = await ctc.beamDecode({ data, shape }, beamOptions);
          parentPort.postMessage({ plain, guided });`);
        const answer = await new Promise<{ plain: unknown; guided: unknown; error?: Error }>(
          (resolve, reject) => worker.once('message', resolve).once('error', reject),
        );
        await worker.terminate();
        return answer;
      });
      const plain = beamDecodeSync(make('float32'), beamOptions);
      const [first, ...others] = await Promise.all(answers);
      assert.equal(first!.error, undefined);
      assert.deepEqual(first!.plain, plain);
      assert.notDeepEqual(first!.guided, plain);
      for (const answer of others) assert.deepEqual(answer, first);
    }).timeout(60_000);

    it('can be terminated while they decode or read a model', async () => {
      for (let round = 0; round < 6; round += 1) {
        const worker = script(`
          const { data, shape } = workerData;
          const tokens = Array.from({ length: 31 }, (_, c) => c === 1 ? ' ' : String.fromCharCode(95 + c));
          let text = '\\\\data\\\\\\nngram 1=200000\\n\\\\1-grams:\\n';
          for (let i = 0; i < 200000; i++) text += '-1 w' + i + '\\n';
          const file = require('node:path').join(require('node:os').tmpdir(), 'node-ctc-terminated-' + process.pid + '.arpa');
          require('node:fs').writeFileSync(file, text + '\\\\end\\\\\\n');
          parentPort.postMessage(file);
          for (;;) await Promise.all([
            ctc.loadLanguageModel(file).then((lm) => ctc.beamDecode({ data, shape }, { tokens, lm, beamWidth: 400 })),
            ctc.greedyDecode({ data, shape }, { buffers: 'borrow' }),
          ]);`);
        const file = await new Promise<string>((resolve, reject) =>
          worker.once('message', resolve).once('error', reject),
        );
        await new Promise((resolve) => setTimeout(resolve, 5 * round * round));
        await worker.terminate();
        (await import('node:fs')).rmSync(file, { force: true });
      }
      assert.equal(greedyDecodeSync(make('float32')).utterances.length, N);
    }).timeout(120_000);
  });

  it('require() gets the same functions', () => {
    const ctc = createRequire(import.meta.url)(join(root, 'dist/cjs/index.js')) as {
      beamDecodeSync: typeof beamDecodeSync;
    };
    const tensor = make('float32');
    assert.deepEqual(ctc.beamDecodeSync(tensor, beamOptions), beamDecodeSync(tensor, beamOptions));
  });
});
