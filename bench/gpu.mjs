// Time on a GPU, with the input in its memory already and from arrays of the host: loss and gradient beside
// PyTorch (bench/gpu_torch.py, where python3 has a torch with CUDA) and beside the time of one read and one
// write of T * N * C floats at the rate at which the card copies; greedy decoding, alignment and posteriors
// beside this package on the CPU.
//   npm run bench:gpu [-- --json] [-- --emulated]
// --emulated: one round of small shapes on the emulated device, to try this script where there is no GPU.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  ctcLossSync,
  DeviceTensor,
  devices,
  forcedAlignSync,
  greedyDecodeSync,
  pinnedArray,
  posteriorsSync,
} from '../dist/esm/index.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const emulated = process.argv.includes('--emulated');
if (emulated) process.env.NODE_CTC_CUDA = here('../build/Release/ctc_emulated.node');
const gpu = devices().find(({ device, usable }) => device !== 'cpu' && usable);
if (gpu === undefined || gpu.name.startsWith('emulated') !== emulated) {
  const found = devices().slice(1);
  const why = found.map(({ device, reason, name }) => `${device}: ${reason ?? name}`).join('; ');
  process.stderr.write(`bench:gpu needs a GPU. ${why}\n`);
  process.exit(2);
}

/** T, C and L of models in use. */
const models = emulated
  ? [['small', 12, 29, 3]]
  : [
      ['characters', 150, 29, 40],
      ['long characters', 400, 29, 80],
      ['text lines', 80, 6625, 25],
      ['word pieces', 200, 5000, 40],
    ];
const batches = emulated ? [1, 2] : [1, 16, 64, 256];
const rounds = emulated ? 1 : 30;

function makeBatch(T, N, C, L) {
  const data = pinnedArray('float32', T * N * C);
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = (state / 2 ** 32 - 0.5) * 6;
  }
  const targets = Array.from({ length: N }, (_, n) =>
    Array.from({ length: L }, (_, i) => 1 + ((i * i + 7 * n) % (C - 1))),
  );
  return { input: { data, shape: [T, N, C] }, targets };
}

/** Median of the runs' milliseconds, after two that don't count. */
function time(run, times = rounds) {
  const took = [];
  for (let i = 0; i < times + 2; i++) {
    const start = process.hrtime.bigint();
    run();
    if (i >= 2) took.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  return took.sort((a, b) => a - b)[took.length >> 1];
}

const on = { device: 'cuda' };

function timeLoss(input, pageable, tensor, targets) {
  const gradient = DeviceTensor.like(tensor);
  const onHost = pinnedArray('float32', input.data.length);
  const sum = { ...on, reduction: 'sum' };
  const row = {
    device: time(() => ctcLossSync(tensor, targets, { ...sum, gradient })),
    pinned: time(() => ctcLossSync(input, targets, { ...sum, gradient: onHost })),
    pageable: time(() => ctcLossSync(pageable, targets, sum)),
  };
  gradient.dispose();
  return row;
}

function timeOthers(input, pageable, tensor, targets) {
  const rows = {};
  for (const [name, call] of [
    ['greedyDecode', (from, options) => greedyDecodeSync(from, options)],
    ['forcedAlign', (from, options) => forcedAlignSync(from, targets, options)],
    ['posteriors', (from, options) => posteriorsSync(from, targets, options)],
  ]) {
    rows[name] = {
      device: time(() => call(tensor, on)),
      pinned: time(() => call(input, on)),
      pageable: time(() => call(pageable, on)),
      cpu: time(() => call(pageable, {}), Math.min(rounds, 5)),
    };
  }
  return rows;
}

const rows = [];
for (const [name, T, C, L] of models) {
  for (const N of batches) {
    const { input, targets } = makeBatch(T, N, C, L);
    const pageable = { ...input, data: Float32Array.from(input.data) };
    const tensor = DeviceTensor.uploadSync(input);
    const ctcLoss = timeLoss(input, pageable, tensor, targets);
    rows.push({ name, T, N, C, L, ctcLoss, ...timeOthers(input, pageable, tensor, targets) });
    tensor.dispose();
  }
}

const shapes = JSON.stringify(rows.map(({ T, N, C, L }) => [T, N, C, L]));
const torch = spawnSync('python3', [here('gpu_torch.py'), shapes], { encoding: 'utf8' });
const peers = torch.status === 0 ? JSON.parse(torch.stdout) : undefined;
rows.forEach(({ ctcLoss }, i) => {
  ctcLoss.floor = peers?.floor[i];
  ctcLoss.torchNative = peers?.native[i];
  ctcLoss.torchCudnn = peers?.cudnn[i] ?? undefined;
});

if (process.argv.includes('--json')) {
  const torchVersion = peers?.version;
  process.stdout.write(`${JSON.stringify({ gpu, torchVersion, rows }, null, 2)}\n`);
} else {
  const line = (cells) =>
    `${cells.map((cell, i) => (i ? cell.padStart(12) : cell.padEnd(46))).join('')}\n`;
  const table = (call, columns, what) => {
    process.stdout.write(`\n${call}, ${what}: milliseconds of one call\n`);
    process.stdout.write(line(['', ...columns]));
    for (const row of rows) {
      const { name, T, N, C, L } = row;
      const cells = columns.map((column) => row[call][column]?.toFixed(3) ?? '-');
      process.stdout.write(line([`${name}, T=${T} N=${N} C=${C} L=${L}`, ...cells]));
    }
  };
  process.stdout.write(
    `${gpu.name}, compute capability ${gpu.capability}; ${peers?.version ?? 'no PyTorch'}\n`,
  );
  const places = ['device', 'pinned', 'pageable'];
  table('ctcLoss', [...places, 'floor', 'torchNative', 'torchCudnn'], 'loss and gradient, float32');
  for (const call of ['greedyDecode', 'forcedAlign', 'posteriors']) {
    table(call, [...places, 'cpu'], `float32; cpu: ${availableParallelism()} threads`);
  }
  if (peers === undefined) {
    process.stdout.write(
      `\nNo python3 with PyTorch and CUDA here: its columns and the floor are empty (${torch.stderr?.trim().split('\n').at(-1)}).\n`,
    );
  }
}
