// The Kubernetes manifests and the Slurm script: their commands, run as their schedulers would.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, Scratch } from './io.helpers.js';
import { main, makeCase, run } from './support/evalCase.js';

const example = (name: string) => join(root, 'examples/scaling', name);

describe('examples/scaling', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const given = makeCase(scratch, { utterances: 60 });
  // In the default order, T x N x C, the array holds 24 utterances of 60 frames.
  const folder = join(scratch.folder, 'data');
  before(() => {
    mkdirSync(join(folder, 'logits'), { recursive: true });
    copyFileSync(given.data, join(folder, 'logits', 'all.npy'));
    const rows = readFileSync(given.manifest, 'utf8').split('\n').slice(0, 24);
    const short = rows.map((row) => row.replace(/,"frames":\d+/, ''));
    writeFileSync(join(folder, 'manifest.jsonl'), `${short.join('\n')}\n`);
    copyFileSync(given.tokens, join(folder, 'tokens.txt'));
  });

  it('Kubernetes: the pods of the first and last index', async () => {
    const manifest = readFileSync(example('kubernetes.yaml'), 'utf8');
    const [, block] = /command:\n((?: +- .+\n)+)/.exec(manifest)!;
    const [program, ...args] = block!
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^ +- /, '').replace('/data', folder));
    assert.equal(program, 'node-ctc');
    const completions = Number(/completions: (\d+)/.exec(manifest)![1]);
    assert.ok(args.includes(`--shards=${completions}`));
    for (const index of [0, completions - 1]) {
      const env = { JOB_COMPLETION_INDEX: String(index), NODE_CTC_ISA: 'baseline' };
      const { code, err } = await run(args, env);
      assert.deepEqual([code, err], [0, '']);
    }
    const merge = readFileSync(example('kubernetes-merge.yaml'), 'utf8');
    const words = /command: \[(.+)\]/.exec(merge)![1]!.replace('/data', folder).split(', ');
    const merged = await run(words.slice(1), {});
    assert.equal(merged.code, 3);
    assert.match(merged.err, /48 of 50 shards are not there/);
  });

  it('Slurm: the tasks of the first and last number', async () => {
    const bin = join(scratch.folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'node-ctc'), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, {
      mode: 0o755,
    });
    // A processor may lack the instructions that the script asks for.
    const script = readFileSync(example('slurm.sh'), 'utf8').replace('=avx2', '=baseline');
    const copy = scratch.write(script, 'slurm.sh');
    const [, first, last] = /--array=(\d+)-(\d+)/.exec(script)!;
    const count = Number(last) - Number(first) + 1;
    for (const task of [first, last]) {
      const env = {
        ...process.env,
        PATH: `${bin}:${process.env.PATH}`,
        SLURM_ARRAY_TASK_ID: task,
        SLURM_ARRAY_TASK_MIN: first,
        SLURM_ARRAY_TASK_STEP: '1',
        SLURM_ARRAY_TASK_COUNT: String(count),
        SLURM_CPUS_PER_TASK: '1',
      };
      await new Promise<void>((resolve, reject) => {
        execFile('bash', [copy], { cwd: folder, env }, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    }
    const done = readdirSync(join(folder, 'results')).filter((name) => /statistics/.test(name));
    assert.deepEqual(done.sort(), [
      'shard-00000-of-00050.statistics.json',
      'shard-00049-of-00050.statistics.json',
    ]);
  });
});
