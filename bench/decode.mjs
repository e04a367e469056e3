// Time of decoding on one thread: random frames, and rows as peaked as a trained model's.
//   npm run bench:decode [-- --json]
import { beamDecodeSync, greedyDecodeSync } from '../dist/esm/index.js';

const rounds = 60;

/** mulberry32, and normal numbers from it (Box-Muller). */
function normals(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** T x C logits: normal(0, 3), and with `peak` that much on one class of each frame. */
function logits(T, C, peak, seed = 1) {
  const normal = normals(seed);
  const data = new Float32Array(T * C);
  for (let i = 0; i < data.length; i++) data[i] = 3 * normal();
  for (let t = 0; t < T; t++) {
    const label = t % 4 === 0 ? 1 + ((t * 7) % (C - 1)) : 0;
    data[t * C + label] += peak;
  }
  return { data, shape: [T, 1, C] };
}

const random = logits(200, 80, 0);
const peaked = logits(200, 80, 15);
const large = logits(200, 5000, 15);
const one = { threads: 1 };

const cases = [
  ['greedy, T=200 C=80', () => greedyDecodeSync(random, one)],
  ['greedy, T=200 C=5000', () => greedyDecodeSync(large, one)],
  ['beam 100, T=200 C=80, normal(0, 3)', () => beamDecodeSync(random, { ...one, beamWidth: 100 })],
  ['beam 10, T=200 C=80, normal(0, 3)', () => beamDecodeSync(random, { ...one, beamWidth: 10 })],
  [
    'beam 1000, T=200 C=80, normal(0, 3)',
    () => beamDecodeSync(random, { ...one, beamWidth: 1000 }),
  ],
  ['beam 100, T=200 C=80, peaked', () => beamDecodeSync(peaked, { ...one, beamWidth: 100 })],
  ['beam 100, T=200 C=5000, peaked', () => beamDecodeSync(large, { ...one, beamWidth: 100 })],
];

const times = cases.map(() => []);
// In turn, so that a disturbance hits all of them.
for (let round = 0; round < rounds; round++) {
  for (const [i, [, run]] of cases.entries()) {
    const start = process.hrtime.bigint();
    run();
    times[i].push(Number(process.hrtime.bigint() - start) / 1e6);
  }
}

const results = cases.map(([name], i) => {
  const sorted = times[i].sort((a, b) => a - b);
  return { name, best: sorted[0], median: sorted[rounds >> 1] };
});
if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ unit: 'ms', threads: 1, rounds, results }));
} else {
  console.log(`${'one thread, milliseconds'.padEnd(40)}    best  median`);
  for (const { name, best, median } of results) {
    console.log(`${name.padEnd(40)}${best.toFixed(2).padStart(8)}${median.toFixed(2).padStart(8)}`);
  }
}
