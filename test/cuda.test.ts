// Device 'cuda' without a GPU: the whole path from JavaScript on an emulated device, in processes of their
// own, as a process opens one backend. `npm run test:gpu` runs test/cuda on a GPU.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { root } from './support/paths.js';

const require = createRequire(import.meta.url);
const library = join(root, 'build', 'Release', 'ctc_emulated.node');
const { buildCuda, findNvcc, libraryName } = require(join(root, 'scripts', 'build-cuda.cjs')) as {
  buildCuda(options: object): { ok: boolean; message: string };
  findNvcc(): string | undefined;
  libraryName(): string;
};

/** Runs an ES module's text with the emulated device; what it printed as JSON. */
function run(body: string, env: Record<string, string> = {}) {
  const prelude = `
    import {
      ctcLoss, ctcLossSync, DeviceTensor, devices, forcedAlign, greedyDecode, pinnedArray, posteriors,
    } from 'node-ctc';
    const shape = [30, 3, 9];
    const data = Float32Array.from({ length: 810 }, (_, i) => Math.sin(i * i));
    const targets = [[1, 2, 2], [], [3, 4, 5, 6, 7, 8]];
    const outcome = async (make) => {
      try { const made = await make(); return made.loss ?? made.utterances?.length ?? 'made'; } catch (error) { return error.code + ': ' + error.message; }
    };
    const on = { device: 'cuda' };
    const print = (value) => console.log(JSON.stringify(value));
  `;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', prelude + body],
    { cwd: root, encoding: 'utf8', env: { ...process.env, NODE_CTC_CUDA: library, ...env } },
  );
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

describe('the CUDA backend', function () {
  this.timeout(900_000);

  before(function () {
    // The emulation's fibers need POSIX.
    if (process.platform === 'win32') this.skip();
  });

  it('passes the tests of test/cuda on an emulated device', async () => {
    const specs = ['agreement', 'boundaries', 'jobs', 'memory', 'paths', 'tensors'].map((name) =>
      join(root, 'build', 'test', 'cuda', `${name}.spec.js`),
    );
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [require.resolve('mocha/bin/mocha.js'), '--expose-gc', '--reporter=json', ...specs],
      {
        cwd: root,
        env: { ...process.env, NODE_CTC_CUDA: library },
        maxBuffer: 1 << 26,
      },
    ).catch((error: { stdout: string }) => error);
    const { stats, failures } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
      stats: { passes: number; pending: number };
      failures: { fullTitle: string; err: { message: string } }[];
    };
    assert.deepEqual(
      failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.message}`),
      [],
    );
    assert.equal(stats.pending, 0);
    assert.ok(stats.passes > 80, `${stats.passes} passed`);
  });

  it('does what docs/cuda.md shows', () => {
    const page = readFileSync(join(root, 'docs', 'cuda.md'), 'utf8');
    const code = page.match(/```ts\n(.*?)```/s)![1]!.replace(/^import .*\n/, '');
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    const nonzero = run(`${outputText}\nprint(values.filter((g) => g !== 0).length);`);
    assert.ok(nonzero > 0);
  });

  it('says why there is no GPU', () => {
    const listed = (env: Record<string, string>) => run('print(devices()[1])', env);
    assert.deepEqual(listed({ NODE_CTC_CUDA: '/nowhere/libctc_cuda.so' }), {
      device: 'cuda',
      usable: false,
      reason: 'NODE_CTC_CUDA names /nowhere/libctc_cuda.so, which is not there',
    });
    assert.match(listed({ NODE_CTC_CUDA: join(root, 'package.json') }).reason, /package\.json/);
    assert.match(listed({ NODE_CTC_CUDA: process.execPath }).reason, /\S/);
    assert.match(listed({ CTC_EMULATED_DEVICES: '0' }).reason, /^no NVIDIA GPU: /);
    const asked = run(
      `print([await outcome(() => ctcLossSync({ data, shape }, targets, on)),
              await outcome(() => ctcLossSync({ data, shape }, targets, { device: 'auto' })),
              await outcome(() => DeviceTensor.upload({ data, shape })),
              await outcome(() => DeviceTensor.upload({ data, shape }, { device: 'auto' })),
              await outcome(() => pinnedArray('float32', 3)),
              ctcLossSync({ data, shape }, targets).loss])`,
      { CTC_EMULATED_DEVICES: '0' },
    );
    assert.match(asked[0], /^ERR_CTC_DEVICE: device 'cuda' cannot be used: no NVIDIA GPU: /);
    assert.equal(asked[1], asked[5]);
    assert.match(asked[2], /^ERR_CTC_DEVICE/);
    assert.match(asked[3], /^ERR_CTC_INVALID_ARG_VALUE: device is 'auto', which is the CPU here/);
    assert.match(asked[4], /^ERR_CTC_DEVICE/);
  });

  it('names the device by number', () => {
    const [names, lost] = run(
      `print([devices().map(({ device }) => device),
              await outcome(() => ctcLoss({ data, shape }, targets, { device: 'cuda:2' }))])`,
      { CTC_EMULATED_DEVICES: '2' },
    );
    assert.deepEqual(names, ['cpu', 'cuda:0', 'cuda:1']);
    assert.equal(
      lost,
      "ERR_CTC_DEVICE: device 'cuda:2' cannot be used: there are 2 GPUs; use 'cpu', or 'auto' to take what there is",
    );
  });

  it('is what the doctor lists', () => {
    const main = join(root, 'dist', 'cjs', 'cli', 'main.js');
    const { stdout } = spawnSync(process.execPath, [main, 'doctor'], {
      encoding: 'utf8',
      env: { ...process.env, NODE_CTC_CUDA: library },
    });
    assert.match(
      stdout,
      /^cuda:0 +usable: emulated on the host, 0\.3 GB, compute capability 7\.5$/m,
    );
  });

  for (const [failure, code] of [
    ['kernel:1', 'ERR_CTC_DEVICE: the GPU failed: unspecified launch failure'],
    ['cudaLaunchKernelEx:2', 'ERR_CTC_DEVICE: the GPU failed: unspecified launch failure'],
    ['cudaMemcpyAsync:1', 'ERR_CTC_DEVICE: the GPU failed: unspecified launch failure'],
    ['cudaEventSynchronize:1', 'ERR_CTC_DEVICE: the GPU failed: unspecified launch failure'],
  ] as const) {
    it(`rejects after a failure (${failure}), and the next call works`, () => {
      const [first, second, sync, cpu] = run(
        `const call = () => ctcLoss({ data, shape }, targets, on);
         print([await outcome(call), await outcome(call),
                ctcLossSync({ data, shape }, targets, on).loss, ctcLossSync({ data, shape }, targets).loss])`,
        { CTC_EMULATED_FAIL: failure },
      );
      assert.equal(first, code);
      assert.equal(second, sync);
      assert.ok(Math.abs(sync - cpu) < 1e-6 * Math.max(1, cpu));
    });
  }

  for (const [call, failures] of [
    [
      'greedyDecode({ data, shape }, on)',
      ['kernel:2', 'cudaLaunchKernelEx:1', 'cudaMemcpyAsync:3'],
    ],
    ['forcedAlign({ data, shape }, targets, on)', ['kernel:3', 'cudaStreamCreateWithFlags:1']],
    ['posteriors({ data, shape }, targets, on)', ['kernel:4', 'cudaEventRecord:1']],
    ['DeviceTensor.upload({ data, shape })', ['cudaMalloc:1', 'cudaMemcpyAsync:1']],
    ['pinnedArray("float32", 9)', ['cudaHostRegister:1']],
  ] as const) {
    for (const failure of failures) {
      it(`rejects ${call.split('(')[0]} after a failure (${failure}), and the next call works`, () => {
        const outcomes = run(
          `print([await outcome(() => ${call}), await outcome(() => ${call})])`,
          { CTC_EMULATED_FAIL: failure },
        );
        assert.equal(outcomes[0], 'ERR_CTC_DEVICE: the GPU failed: unspecified launch failure');
        assert.match(String(outcomes[1]), /^(3|made)$/);
      });
    }
  }

  it('says that a DeviceTensor was lost with its device', () => {
    const [failed, lost, again] = run(
      `const tensor = DeviceTensor.uploadSync({ data, shape });
       const call = () => ctcLoss(tensor, targets);
       print([await outcome(call), await outcome(call),
              await outcome(() => ctcLoss(DeviceTensor.uploadSync({ data, shape }), targets))]);
       tensor.dispose();`,
      { CTC_EMULATED_FAIL: 'kernel:1' },
    );
    assert.match(failed, /^ERR_CTC_DEVICE: the GPU failed/);
    assert.match(lost, /^ERR_CTC_DEVICE: the GPU was reset after a failure/);
    assert.equal(typeof again, 'number');
  });

  it('rejects when reading back fails, and a new tensor can be read', () => {
    const [failed, lost, again] = run(
      `const tensor = DeviceTensor.uploadSync({ data, shape });
       const failing = outcome(() => tensor.read());
       print([await failing, await outcome(() => tensor.read()),
              await outcome(() => DeviceTensor.uploadSync({ data, shape }).read())]);`,
      { CTC_EMULATED_FAIL: 'cudaMemcpyAsync:2' },
    );
    assert.match(failed, /^ERR_CTC_DEVICE: the GPU failed/);
    assert.match(lost, /^ERR_CTC_DEVICE: the GPU was reset after a failure/);
    assert.equal(again, 'made');
  });

  it('rejects when the memory of the GPU does not suffice, and the next call works', () => {
    const outcomes = run(
      `const long = { data: new Float32Array(4000 * 40), shape: [4000, 40] };
       const all = [];
       for (const [input, labels] of [[long, [1, 2, 3]], [{ data, shape }, targets]]) {
         for (const call of [ctcLoss, (input, _, options) => greedyDecode(input, options), forcedAlign, posteriors]) {
           all.push(await outcome(() => call(input, labels, on)));
         }
         all.push(await outcome(() => DeviceTensor.upload(input)));
       }
       print(all);`,
      { CTC_EMULATED_MEMORY: '200000' },
    );
    for (const big of outcomes.slice(0, 5)) assert.match(big, /^ERR_CTC_OUT_OF_MEMORY: /);
    assert.equal(typeof outcomes[5], 'number');
    assert.deepEqual(outcomes.slice(6), [3, 3, 3, 'made']);
  });

  it('leaves the event loop free', () => {
    const ticks = run(
      `let ticks = 0;
       const timer = setInterval(() => { ticks += 1; }, 1);
       const T = 3000, big = new Float32Array(T * 50);
       await ctcLoss({ data: big, shape: [T, 50] }, Array.from({ length: 300 }, (_, i) => 1 + i % 49), on);
       clearInterval(timer);
       print(ticks);`,
    );
    assert.ok(ticks > 3, `${ticks} turns of the event loop meanwhile`);
  });

  it('lets the event loop turn before any job is done', () => {
    const order = run(
      `const tensor = DeviceTensor.uploadSync({ data, shape });
       const calls = {
         ctcLoss: () => ctcLoss(tensor, targets),
         greedyDecode: () => greedyDecode(tensor),
         forcedAlign: () => forcedAlign(tensor, targets),
         posteriors: () => posteriors(tensor, targets),
         upload: () => DeviceTensor.upload({ data, shape }),
         read: () => tensor.read(),
       };
       const order = [];
       for (const [name, call] of Object.entries(calls)) {
         setImmediate(() => order.push('turned'));
         await call();
         order.push(name);
       }
       print(order);`,
    );
    const names = ['ctcLoss', 'greedyDecode', 'forcedAlign', 'posteriors', 'upload', 'read'];
    assert.deepEqual(
      order,
      names.flatMap((name) => ['turned', name]),
    );
  });

  it('can be left while a job is running', () => {
    // No answer is awaited: the process ends in its own time, with what was printed.
    const started = run(
      `const T = 2000;
       const input = { data: new Float32Array(T * 50), shape: [T, 50] };
       ctcLoss(input, [1, 2, 3], on);
       greedyDecode(await DeviceTensor.upload(input));
       print('started');
       process.exit(0);`,
    );
    assert.equal(started, 'started');
  });

  it('frees the memory of tensors that are collected', () => {
    const made = run(
      `// 300 tensors of 40 kB do not fit into 2 MB unless they are freed.
       const values = new Float32Array(10_000);
       let made = 0;
       for (let i = 0; i < 300; i += 1) {
         await DeviceTensor.upload({ data: values, shape: [100, 100] });
         made += 1;
         if (i % 20 === 19) { globalThis.gc(); await new Promise(setImmediate); }
       }
       print(made);`,
      { CTC_EMULATED_MEMORY: '2000000' },
    );
    assert.equal(made, 300);
  });

  it('is built where nvcc is, needs nothing but the driver, and says what is missing', function () {
    // Without nvcc there is nothing to build with; the kernels run under the emulation all the same.
    if (findNvcc() === undefined) this.skip();
    const output = join(root, 'build', 'cuda-test');
    const { ok, message } = buildCuda({
      architectures: ['75'],
      output,
      build: join(root, 'build', 'cmake-cuda-test'),
      stdio: 'pipe',
    });
    assert.ok(ok, message);
    const built = join(output, libraryName());
    assert.ok(existsSync(built));
    const [gpu] = run('print(devices().slice(1))', { NODE_CTC_CUDA: built }) as {
      usable: boolean;
      reason?: string;
    }[];
    if (!gpu!.usable) assert.match(gpu!.reason!, /NVIDIA|compute capability/);
    if (process.platform === 'linux') {
      const { stdout } = spawnSync('ldd', [built], { encoding: 'utf8' });
      assert.doesNotMatch(stdout, /libcud/);
    }
  });
});
