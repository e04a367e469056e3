// Splits a batch over workers and compares the result with one call for the whole batch, bit for bit.

import { parseArgs } from 'node:util';
import { ctcLossSync } from 'node-ctc';
import { startWorkers } from './parallel.mjs';

const { values } = parseArgs({ options: { workers: { type: 'string', default: '3' } } });
const count = Number(values.workers);
const [N, T, C] = [24, 150, 40];
if (!(Number.isInteger(count) && count >= 1 && count <= N)) {
  console.error(`--workers is ${values.workers}; it must be an integer from 1 to ${N}`);
  process.exit(2);
}

// Stands for a model's outputs: any numbers will do.
const labels = Array.from({ length: N }, (_, n) =>
  Array.from({ length: (5 * n) % 31 }, (_, s) => 1 + ((7 * n + 11 * s) % (C - 1))),
);
const inputLengths = labels.map((row, n) => Math.min(T, 2 * row.length + 40 + 3 * n));

const batch = startWorkers(count, [N, T, C]);
batch.logits.forEach((_, i) => {
  batch.logits[i] = 4 * Math.sin(i * i);
});
const loss = await batch.step(labels, inputLengths);

const whole = ctcLossSync({ data: batch.logits, shape: [N, T, C] }, labels, {
  layout: 'NTC',
  reduction: 'mean',
  inputLengths,
});
const bytes = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength);
const same = bytes(batch.gradient).equals(bytes(whole.gradient));

console.log(`${N} utterances in ${count} workers`);
console.log(`mean loss    ${loss}`);
console.log(`in one call  ${whole.loss}`);
console.log(`gradients    ${same ? 'the same, bit for bit' : 'DIFFERENT'}`);
await batch.close();
if (!same || loss !== whole.loss) process.exitCode = 1;
