// Time of loss and gradient on a GPU: with everything in its memory already, and from arrays of the host,
// beside PyTorch (bench/gpu_torch.py, where python3 has a torch with CUDA) and beside the time of one
// read and one write of T * N * C floats at the rate at which the card copies.
//   npm run bench:gpu [-- --json]
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ctcLossSync, DeviceTensor, devices, pinnedArray } from '../dist/esm/index.js';

const gpu = devices().find(({ device, usable }) => device !== 'cpu' && usable);
if (gpu === undefined || gpu.name.startsWith('emulated')) {
  const found = devices().slice(1);
  const why = found.map(({ device, reason, name }) => `${device}: ${reason ?? name}`).join('; ');
  process.stderr.write(`bench:gpu needs a GPU. ${why}\n`);
  process.exit(2);
}

/** T, C and L of models in use; each with N = 1, 16, 64, 256. */
const models = [
  ['characters', 150, 29, 40],
  ['long characters', 400, 29, 80],
  ['text lines', 80, 6625, 25],
  ['word pieces', 200, 5000, 40],
];
const batches = [1, 16, 64, 256];
const rounds = 30;

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
function time(run) {
  const times = [];
  for (let i = 0; i < rounds + 2; i++) {
    const start = process.hrtime.bigint();
    run();
    if (i >= 2) times.push(Number(process.hrtime.bigint() - start) / 1e6);
  }
  return times.sort((a, b) => a - b)[rounds / 2];
}

const rows = [];
for (const [name, T, C, L] of models) {
  for (const N of batches) {
    const { input, targets } = makeBatch(T, N, C, L);
    const pageable = { ...input, data: Float32Array.from(input.data) };
    const tensor = DeviceTensor.uploadSync(input);
    const gradient = DeviceTensor.like(tensor);
    const onHost = pinnedArray('float32', input.data.length);
    const on = { device: 'cuda', reduction: 'sum' };
    rows.push({
      name,
      T,
      N,
      C,
      L,
      device: time(() => ctcLossSync(tensor, targets, { ...on, gradient })),
      pinned: time(() => ctcLossSync(input, targets, { ...on, gradient: onHost })),
      pageable: time(() => ctcLossSync(pageable, targets, on)),
    });
    tensor.dispose();
    gradient.dispose();
  }
}

const script = fileURLToPath(new URL('gpu_torch.py', import.meta.url));
const shapes = JSON.stringify(rows.map(({ T, N, C, L }) => [T, N, C, L]));
const torch = spawnSync('python3', [script, shapes], { encoding: 'utf8' });
const peers = torch.status === 0 ? JSON.parse(torch.stdout) : { floor: [], native: [], cudnn: [] };
rows.forEach((row, i) => {
  row.floor = peers.floor[i];
  row.torchNative = peers.native[i];
  row.torchCudnn = peers.cudnn[i];
});

if (process.argv.includes('--json')) {
  process.stdout.write(`${JSON.stringify({ gpu, rows }, null, 2)}\n`);
} else {
  const columns = ['device', 'pinned', 'pageable', 'floor', 'torchNative', 'torchCudnn'];
  const line = (cells) =>
    `${cells.map((cell, i) => (i ? cell.padStart(12) : cell.padEnd(46))).join('')}\n`;
  process.stdout.write(`${gpu.name}; milliseconds of one call, loss and gradient, float32\n`);
  process.stdout.write(line(['', ...columns]));
  for (const row of rows) {
    const { name, T, N, C, L } = row;
    const cells = columns.map((column) => row[column]?.toFixed(3) ?? '-');
    process.stdout.write(line([`${name}, T=${T} N=${N} C=${C} L=${L}`, ...cells]));
  }
  if (torch.status !== 0) {
    process.stdout.write(
      'No python3 with PyTorch and CUDA here: its columns and the floor are empty.\n',
    );
  }
}
