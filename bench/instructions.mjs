// npm run bench:instructions: instructions of loss and gradient, counted by valgrind, which other
// load on the machine does not disturb. It knows no AVX-512, so AVX2 is forced.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digits, table } from './report.mjs';
import { SHAPES } from './shapes.mjs';

const program = fileURLToPath(new URL('../build/Release/ctc_profile', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'node-ctc-'));

function instructions(numbers, options) {
  const run = spawnSync(
    'valgrind',
    [
      '--tool=callgrind',
      `--callgrind-out-file=${join(folder, 'out')}`,
      program,
      ...numbers.map(String),
      ...options,
    ],
    { env: { ...process.env, NODE_CTC_ISA: 'avx2' }, encoding: 'utf8' },
  );
  const counted = /Collected : (\d+)/.exec(run.stderr ?? '');
  if (counted === null) throw new Error(`valgrind: ${run.error?.message ?? run.stderr}`);
  return Number(counted[1]);
}

/** Of one utterance: what a run takes more than one that only makes the inputs. */
function ofOneUtterance({ T, C, L }, ...options) {
  return instructions([T, 1, C, L, 1], options) - instructions([T, 1, C, L, 0], options);
}

const rows = SHAPES.map((shape) => {
  const { name, T, C, L } = shape;
  const all = ofOneUtterance(shape);
  const fewer = ofOneUtterance({ ...shape, L: L / 2 });
  const perCell = (all - fewer) / (T * L); // L / 2 labels are L states
  const rest = all - perCell * T * (2 * L + 1);
  const alone = ofOneUtterance(shape, 'loss');
  return [name, ...[all / T, perCell, rest / (T * C), (100 * alone) / all].map(digits)];
});
rmSync(folder, { recursive: true });
table(
  'Instructions of loss and gradient, float32, AVX2',
  ['shape', 'per frame', 'per lattice cell', 'other, per class', 'loss alone %'],
  rows,
);
