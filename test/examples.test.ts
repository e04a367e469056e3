// The training examples, run as a user would run them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './io.helpers.js';

interface Run {
  code: number | null;
  out: string;
  err: string;
}

/** Runs an example; `onOutput` sees what it has printed so far, and the process. */
function run(
  args: string[],
  onOutput?: (out: string, kill: (signal: NodeJS.Signals) => void) => void,
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, timeout: 600_000 });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
      onOutput?.(out, (signal) => child.kill(signal));
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

const losses = (out: string) => {
  const found = /^loss (\S+) at first, (\S+) at last$/m.exec(out);
  assert.ok(found, out);
  return { first: Number(found[1]), last: Number(found[2]) };
};

describe('examples/train-ocr', function () {
  this.timeout(600_000);
  const train = 'examples/train-ocr/train.mjs';
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'train-ocr-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('--quick lets the loss fall, and evaluates, decodes and aligns', async () => {
    const { code, out, err } = await run([train, '--quick', '--out', folder]);
    assert.equal(code, 0, out + err);
    const { first, last } = losses(out);
    assert.ok(last < first / 2);
    assert.match(out, /^Worst by loss per label$/m);
    assert.match(out, /^ok +32$/m);
    assert.match(out, /^character error rate on 32 fresh lines: [\d.]+%$/m);
    assert.deepEqual(readdirSync(folder).sort(), [
      'alignments.png',
      'checkpoint.safetensors',
      'logits.npy',
      'manifest.jsonl',
      'report.html',
      'tokens.txt',
    ]);
    assert.match(out, /^CER +[\d.]+%/m);
    const report = readFileSync(join(folder, 'report.html'), 'utf8');
    assert.match(report, /<h1>Evaluation of 32 utterances<\/h1>/);
    assert.equal(report.match(/class="ctc-lattice"/g)?.length, 5);
    assert.match(report, /<figcaption><b>Loss per label<\/b>/);
    assert.match(report, /<figcaption><b>Character error rate<\/b>/);
    assert.equal(readFileSync(join(folder, 'alignments.png')).toString('latin1', 1, 4), 'PNG');
  });

  it('a run in two parts learns what one run does', async () => {
    const few = [train, '--quick', '--batch', '2', '--out', folder];
    const whole = await run([...few, '--steps', '12']);
    await run([...few, '--steps', '6']);
    const second = await run([...few, '--steps', '12', '--resume']);
    assert.match(second.out, /^Goes on from step 6\.$/m);
    assert.deepEqual(losses(second.out), losses(whole.out));
  });

  it('Ctrl-C leaves a checkpoint to go on from', async () => {
    const args = [train, '--batch', '2', '--steps', '100000', '--out', folder];
    let sent = false;
    const { code, out } = await run(args, (out, kill) => {
      if (!sent && out.includes('step 20')) kill('SIGINT');
      sent ||= out.includes('step 20');
    });
    assert.equal(code, 130, out);
    assert.match(out, /^Stopped after step \d+; the same command with --resume goes on\.$/m);
    assert.deepEqual(readdirSync(folder), ['checkpoint.safetensors']);
  });

  it('refuses what it cannot do', async () => {
    for (const [args, message] of [
      [['--steps', 'many'], /--steps is many/],
      [['--batch', '1.5'], /--batch is 1.5/],
      [['--resume'], /there is no .*checkpoint.safetensors to go on from/],
      [['--backend', 'abacus'], /there is no backend 'abacus'/],
    ] as const) {
      const { code, err } = await run([train, '--out', folder, ...args]);
      assert.equal(code, 2, err);
      assert.match(err, message);
    }
  });
});

describe('examples/data-parallel', () => {
  for (const workers of ['1', '3', '24']) {
    it(`${workers} workers give the whole batch's mean and its gradient, bit for bit`, async function () {
      this.timeout(300_000);
      const { code, out, err } = await run([
        'examples/data-parallel/main.mjs',
        '--workers',
        workers,
      ]);
      assert.equal(code, 0, out + err);
      assert.match(out, /^mean loss +(\S+)\nin one call +\1$/m);
      assert.match(out, /bit for bit/);
    });
  }
});
