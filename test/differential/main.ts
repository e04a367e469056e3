// Compares the loss and its gradient with PyTorch's F.ctc_loss on random problems over all options that
// both have, and prints every disagreement with the seed that repeats it.
//   npm run test:differential -- --problems 5000 --seed 1
// Needs a Python that can import torch (Debian: python3-torch), named by $PYTHON unless it is on the PATH.
// Exit code 1: they disagree; 2: no PyTorch.
// Where PyTorch is known to be wrong (EXCEPTIONS in problem.ts), the float64 oracle of test/oracle decides.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { ctcLoss } from '../../lib/index.js';
import { logDomain } from '../oracle/logdomain.js';
import { solveBatch } from '../oracle/problem.js';
import { assertClose } from '../support/close.js';
import { root } from '../support/paths.js';
import {
  callOf,
  EXCEPTIONS,
  type Exception,
  isInfeasible,
  lineOf,
  makeProblem,
  type Problem,
} from './problem.js';

const { values: args } = parseArgs({
  options: {
    problems: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
  },
});
const [count, firstSeed] = [Number(args.problems), Number(args.seed)];
if (!(Number.isInteger(count) && count > 0 && Number.isInteger(firstSeed))) {
  process.stderr.write('test:differential: --problems and --seed are integers\n');
  process.exit(2);
}

/** One answer of PyTorch: the reduced loss (N of them for 'none') and the gradient in the input's layout. */
interface Answer {
  loss: Float64Array;
  gradient: Float64Array;
}

const python = [process.env.PYTHON, 'python3', '/usr/bin/python3'].find(
  (command) => command && spawnSync(command, ['-c', 'import torch']).status === 0,
);
if (!python) {
  process.stderr.write(
    'test:differential: no Python can import torch: apt-get install python3-torch, or name one in PYTHON\n',
  );
  process.exit(2);
}
const torch = spawn(python, [join(root, 'test', 'differential', 'torch_ctc.py')], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const answers = createInterface(torch.stdout)[Symbol.asyncIterator]();

async function nextLine(): Promise<string> {
  const { value, done } = await answers.next();
  if (done) throw new Error('PyTorch ended');
  return value;
}

async function ask(problem: Problem): Promise<{ exact: Answer; own: Answer }> {
  torch.stdin.write(`${lineOf(problem)}\n`);
  const numbers = (base64: string) => {
    const bytes = Buffer.from(base64, 'base64');
    return Float64Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(8 * i));
  };
  return JSON.parse(await nextLine(), (key, value) =>
    key === 'loss' || key === 'gradient' ? numbers(value) : value,
  );
}

/** What the oracle says: losses under the policy, reduced, and the gradient in the input's layout. */
function consult(problem: Problem): Answer {
  const { T, N, C, targets, inputLengths, blank, logProbs, reduction, gradOutput } = problem;
  const timeMajor = new Float64Array(T * N * C);
  forEachRow(problem, (_, at, row) => {
    timeMajor.set(problem.values.subarray(at, at + C), row);
  });
  const { losses, gradient, status } = solveBatch(
    {
      ...{ values: timeMajor, shape: [T, N, C], targets, inputLengths, blank },
      input: logProbs ? 'logProbs' : 'logits',
      gradientOf: 'softmax',
    },
    logDomain,
  );
  const scale = (n: number) => {
    const one = gradOutput[gradOutput.length === 1 ? 0 : n] as number;
    return reduction === 'mean' ? one / N / Math.max(1, (targets[n] as number[]).length) : one;
  };
  const scaled = new Float64Array(T * N * C);
  forEachRow(problem, (n, at, row) => {
    for (let c = 0; c < C; c += 1) scaled[at + c] = (gradient[row + c] as number) * scale(n);
  });
  const counted = losses.map((loss, n) =>
    status[n] === 'infeasible' && problem.zeroInfinity ? 0 : loss,
  );
  const sum = counted.reduce((total, loss) => total + loss, 0);
  const mean =
    counted.reduce((t, loss, n) => t + loss / Math.max(1, (targets[n] as number[]).length), 0) / N;
  const loss = reduction === 'none' ? counted : Float64Array.of(reduction === 'sum' ? sum : mean);
  return { loss, gradient: scaled };
}

/** Where each frame's row lies in the problem's layout (`at`) and in T x N x C (`row`). */
function forEachRow(
  { T, N, C, batchMajor }: Problem,
  visit: (n: number, at: number, row: number) => void,
): void {
  for (let t = 0; t < T; t += 1) {
    for (let n = 0; n < N; n += 1) {
      visit(n, (batchMajor ? n * T + t : t * N + n) * C, (t * N + n) * C);
    }
  }
}

const met = new Map<Exception, number>();
const meet = (exception: Exception) => met.set(exception, (met.get(exception) ?? 0) + 1);

/** Largest deviations from PyTorch in float64, for float32 input. */
const worst = { loss: { 'node-ctc': 0, PyTorch: 0 }, gradient: { 'node-ctc': 0, PyTorch: 0 } };

/** What must come out: PyTorch's answer in float64, but for what PyTorch is known to get wrong. */
async function reference(problem: Problem): Promise<Answer> {
  if (problem.inputLengths.includes(0)) {
    meet('zeroFrames');
    return consult(problem);
  }
  const { exact, own } = await ask(problem);
  if (problem.masks) {
    meet('masks');
    return { loss: exact.loss, gradient: consult(problem).gradient };
  }
  const gradient = exact.gradient.slice();
  const infeasible = problem.targets.map((_, n) => isInfeasible(problem, n));
  if (!problem.zeroInfinity && infeasible.includes(true)) {
    meet('infeasibleGradient');
    const right = consult(problem).gradient;
    forEachRow(problem, (n, at) => {
      if (infeasible[n]) gradient.set(right.subarray(at, at + problem.C), at);
    });
  }
  if (!infeasible.includes(true)) note('PyTorch', problem, own, exact);
  return { loss: exact.loss, gradient };
}

function note(who: 'node-ctc' | 'PyTorch', problem: Problem, got: Answer, want: Answer): void {
  if (problem.dtype === 'float64') return;
  for (const [what, scale] of [
    ['loss', 1],
    ['gradient', upstream(problem)],
  ] as const) {
    got[what].forEach((x, i) => {
      const off =
        Math.abs(x - want[what][i]!) / scale / Math.max(1, Math.abs(want[what][i]! / scale));
      if (Number.isFinite(off)) worst[what][who] = Math.max(worst[what][who], off);
    });
  }
}

/** What all gradients were multiplied by, at most. */
function upstream({ gradOutput }: Problem): number {
  return Math.max(...gradOutput.map(Math.abs), 1e-30);
}

// Of the loss relative to it, of a gradient's entry relative to what multiplies it.
const LOSS = { float32: 2e-6, float64: 1e-11 };
const GRADIENT = { float32: 2e-5, float64: 1e-8 };

async function compare(problem: Problem): Promise<void> {
  const { dtype, T, N, C } = problem;
  const { tensor, targets, options } = callOf(problem);
  const [want, result] = await Promise.all([
    reference(problem),
    ctcLoss(tensor, targets, { ...options, gradient: true }),
  ]);
  const got = {
    loss: result.loss === undefined ? result.losses : Float64Array.of(result.loss),
    gradient: Float64Array.from(result.gradient as Float32Array | Float64Array),
  };
  assertClose(got.loss, want.loss, LOSS[dtype], 'loss');
  assert.equal(got.gradient.length, T * N * C);
  // What float32 cannot hold is infinite in it.
  const held = dtype === 'float32' ? want.gradient.map(Math.fround) : want.gradient;
  const most = upstream(problem);
  const relative = (numbers: Float64Array) => numbers.map((x) => x / most);
  assertClose(relative(got.gradient), relative(held), GRADIENT[dtype], 'gradient');
  note('node-ctc', problem, got, want);
}

process.stdout.write(`node-ctc against PyTorch ${await nextLine()}: ${count} problems\n`);
let disagreements = 0;
for (let i = 0; i < count; i += 1) {
  const problem = makeProblem(firstSeed + i);
  try {
    await compare(problem);
  } catch (error) {
    disagreements += 1;
    const { seed, T, N, C, dtype, logProbs, reduction, zeroInfinity } = problem;
    process.stdout.write(
      `disagree: --problems 1 --seed ${seed}\n  T ${T}, N ${N}, C ${C}, ${dtype}, ` +
        `${logProbs ? 'log-probabilities' : 'logits'}, ${reduction}, ` +
        `zero_infinity ${zeroInfinity}\n  ${(error as Error).message}\n`,
    );
    // A process that has ended answers nothing more.
    if (torch.exitCode !== null || torch.signalCode !== null) break;
  }
}
torch.stdin.end();
for (const [exception, times] of met) {
  process.stdout.write(`  checked by the oracle, ${times} problems: ${EXCEPTIONS[exception]}\n`);
}
for (const [what, of] of Object.entries(worst)) {
  const list = Object.entries(of).map(([who, off]) => `${who} ${off.toExponential(1)}`);
  process.stdout.write(`  largest error of the ${what} in float32: ${list.join(', ')}\n`);
}
process.stdout.write(`${count - disagreements} agree, ${disagreements} disagree\n`);
process.exit(disagreements === 0 ? 0 : 1);
