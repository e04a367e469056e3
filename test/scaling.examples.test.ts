// The Kubernetes manifests, the Slurm script and the workers of a queue: their commands, run as their schedulers would.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { root, Scratch } from './io.helpers.js';
import { main, makeCase, run } from './support/evalCase.js';
import { needRedis, RedisServer } from './support/redis.js';

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

  it('the queue, on Compose and on Kubernetes: a run is added, worked on and complete', async function () {
    this.timeout(120_000);
    needRedis(this);
    const redis = await RedisServer.start();
    try {
      for (const [i, name] of ['compose.yaml', 'kubernetes-queue.yaml'].entries()) {
        const text = readFileSync(example(name), 'utf8');
        const wordsOf = (command: string) => {
          const found = new RegExp(`node-ctc,? queue,? ${command}\\b(.*?)\\]?\\n`).exec(text)![1]!;
          const words = found.split(/[, ]+/).filter((word) => word !== '');
          const out = `results-${i}`;
          const here = (word: string) =>
            word.replace('/data/results', `/data/${out}`).replace('/data', folder);
          return ['queue', command, ...words.map(here)];
        };
        const env = { REDIS_URL: redis.url, NODE_CTC_ISA: 'baseline' };
        const added = await run(wordsOf('add'), env);
        assert.deepEqual([added.code, added.err], [0, '']);
        const worked = await run([...wordsOf('work'), '--drain'], env);
        assert.deepEqual([worked.code, worked.err], [0, '']);
        const status = await run(wordsOf('status'), env);
        assert.equal(status.code, 0);
        const runs = status.out.match(/^[0-9a-f]{12} {2}complete {2}results-\d$/gm);
        assert.equal(runs?.length, i + 1, status.out);
        assert.ok(existsSync(join(folder, `results-${i}`, 'summary.json')));
      }
    } finally {
      await redis.remove();
    }
  });
});
