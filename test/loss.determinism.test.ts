// The same bits alone, in any batch and for any number of threads; and every instruction set that
// this machine can run within the tolerances.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ctcLoss, ctcLossSync, info } from '../lib/index.js';
import { assertBitwise, normal, seeded } from './support/close.js';
import { type DTypeName, encode } from './support/half.js';
import { root } from './support/paths.js';

interface Problem {
  name: string;
  T: number;
  N: number;
  C: number;
  L: number;
  input: 'logits' | 'logProbs';
  dtype: DTypeName;
}

const problems: Problem[] = [
  { name: 'many short utterances', T: 30, N: 40, C: 33, L: 9, input: 'logits', dtype: 'float32' },
  { name: 'few long utterances', T: 1500, N: 2, C: 29, L: 260, input: 'logits', dtype: 'float32' },
  { name: 'one long utterance', T: 4000, N: 1, C: 7, L: 900, input: 'logits', dtype: 'float32' },
  { name: 'a large alphabet', T: 40, N: 5, C: 5003, L: 12, input: 'logits', dtype: 'float32' },
  { name: 'float64', T: 200, N: 5, C: 40, L: 40, input: 'logits', dtype: 'float64' },
  { name: 'float16', T: 120, N: 5, C: 50, L: 30, input: 'logits', dtype: 'float16' },
  { name: 'bfloat16', T: 120, N: 5, C: 50, L: 30, input: 'logits', dtype: 'bfloat16' },
  { name: 'log-probabilities', T: 200, N: 7, C: 64, L: 50, input: 'logProbs', dtype: 'float32' },
];

function make({ T, N, C, L, dtype }: Problem) {
  const random = seeded(T * N + C);
  const data = encode(
    Float64Array.from({ length: T * N * C }, () => 4 * normal(random)),
    dtype,
  );
  // Different lengths, so that the work is unevenly spread.
  const targets = Array.from({ length: N }, (_, n) =>
    Array.from({ length: Math.max(1, L - 3 * n) }, () => 1 + Math.floor(random() * (C - 1))),
  );
  const inputLengths = Array.from({ length: N }, (_, n) => T - (n % 5));
  return { tensor: { data, shape: [T, N, C], type: dtype }, targets, inputLengths };
}

describe('determinism', () => {
  for (const problem of problems) {
    const { T, N, C, input, dtype } = problem;
    describe(problem.name, () => {
      const { tensor, targets, inputLengths } = make(problem);
      const options = { inputLengths, input, reduction: 'sum' as const };
      const reference = ctcLossSync(tensor, targets, { ...options, threads: 1 });

      for (const threads of [1, 2, 7]) {
        it(`${threads} threads give the same bits, again and again`, async () => {
          for (let repeat = 0; repeat < 3; repeat += 1) {
            const sync = ctcLossSync(tensor, targets, { ...options, threads });
            assertBitwise(sync.losses, reference.losses, 'losses');
            assertBitwise(sync.gradient, reference.gradient, 'gradient');
          }
          const none = await ctcLoss(tensor, targets, { ...options, threads, reduction: 'none' });
          assertBitwise(none.losses, reference.losses, "losses of 'none'");
          assertBitwise(none.gradient, reference.gradient, "gradient of 'none'");
        });
      }

      it('an utterance alone gives the same bits as in the batch', () => {
        for (const n of new Set([0, N - 1])) {
          const column = new (tensor.data.constructor as Uint16ArrayConstructor)(T * C);
          const rows = new (tensor.data.constructor as Uint16ArrayConstructor)(T * C);
          for (let t = 0; t < T; t += 1) {
            const from = (t * N + n) * C;
            column.set(tensor.data.subarray(from, from + C), t * C);
            rows.set((reference.gradient as Uint16Array).subarray(from, from + C), t * C);
          }
          for (const threads of [1, 7]) {
            const alone = ctcLossSync(
              { data: column, shape: [T, 1, C], type: dtype },
              [targets[n]!],
              { ...options, inputLengths: [inputLengths[n]!], threads },
            );
            assert.equal(alone.losses[0], reference.losses[n]);
            assertBitwise(alone.gradient, rows, 'gradient');
          }
        }
      });

      it('strides and layout change no bit', () => {
        const { data } = tensor;
        const swapped = new (data.constructor as Uint16ArrayConstructor)(data.length);
        for (let t = 0; t < T; t += 1) {
          for (let n = 0; n < N; n += 1) {
            const from = (t * N + n) * C;
            swapped.set(data.subarray(from, from + C), (n * T + t) * C);
          }
        }
        const batchMajor = ctcLossSync({ data: swapped, shape: [N, T, C], type: dtype }, targets, {
          ...options,
          layout: 'NTC',
        });
        assertBitwise(batchMajor.losses, reference.losses, 'losses, batch-major');
        const strided = ctcLossSync(
          { data: swapped, shape: [T, N, C], strides: [C, T * C, 1], type: dtype },
          targets,
          options,
        );
        assertBitwise(strided.losses, reference.losses, 'losses, strided');
        assertBitwise(strided.gradient, reference.gradient, 'gradient, strided');
      });
    });
  }

  describe('instruction sets', () => {
    const isas = info().isas;

    it('the widest one is in use, and the baseline is always there', () => {
      assert.ok(isas.includes('baseline'));
      const forced = process.env.NODE_CTC_ISA;
      assert.equal(info().isa, forced || isas[0]);
    });

    // The one in use is that of the same tests outside.
    for (const isa of isas.filter((each) => each !== info().isa)) {
      it(`${isa} stays within the tolerances`, async function () {
        this.timeout(240_000);
        // The tests of the numbers once more, in a process that is told what to use.
        const { stdout } = await promisify(execFile)(
          process.execPath,
          [
            join(root, 'node_modules', 'mocha', 'bin', 'mocha.js'),
            '--reporter=json',
            ...['golden', 'published', 'property', 'real', 'status'].map((name) =>
              join('build', 'test', `loss.${name}.test.js`),
            ),
          ],
          {
            cwd: root,
            env: { ...process.env, NODE_CTC_ISA: isa },
            maxBuffer: 1 << 28,
          },
        ).catch((error: { stdout?: string; message: string }) => ({
          stdout: error.stdout || assert.fail(error.message),
        }));
        const report = JSON.parse(stdout) as {
          stats: { passes: number };
          failures: { fullTitle: string; err: { message: string } }[];
        };
        assert.deepEqual(
          report.failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.message}`),
          [],
        );
        assert.ok(report.stats.passes > 400, `only ${report.stats.passes} tests ran`);
      });

      it(`${isa} gives the same bits for any threads and batch`, async () => {
        const script = `
          import { ctcLossSync, info } from 'node-ctc';
          if (info().isa !== '${isa}') throw new Error('runs on ' + info().isa);
          const [T, N, C] = [300, 4, 19];
          const data = Float32Array.from({ length: T * N * C }, (_, i) => 5 * Math.sin(i * i));
          const targets = Array.from({ length: N }, (_, n) =>
            Array.from({ length: 60 + n }, (_, i) => 1 + ((i * i + n) % (C - 1))));
          const run = (threads) =>
            ctcLossSync({ data, shape: [T, N, C] }, targets, { reduction: 'sum', threads });
          const [one, many] = [run(1), run(7)];
          const same = (a, b) => Buffer.from(a.buffer).equals(Buffer.from(b.buffer));
          if (!same(one.losses, many.losses)) throw new Error('losses differ');
          if (!same(one.gradient, many.gradient)) throw new Error('gradients differ');
        `;
        await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
          cwd: root,
          env: { ...process.env, NODE_CTC_ISA: isa },
        });
      });
    }

    it('one that this machine cannot run is refused by name', async () => {
      const script = "import { info } from 'node-ctc'; info();";
      await assert.rejects(
        promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
          cwd: root,
          env: { ...process.env, NODE_CTC_ISA: 'mmx' },
        }),
        (error: { stderr?: string }) => /NODE_CTC_ISA is 'mmx'/.test(error.stderr ?? ''),
      );
    });
  });
});
