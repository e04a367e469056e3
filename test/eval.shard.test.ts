// Which utterances a shard holds, and which shard a scheduler means.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseShard, rangeOf, shardFromEnvironment } from '../lib/eval/shard.js';

describe('shards', () => {
  it('are consecutive, hold everything once, and differ by one utterance at most', () => {
    const sizes = fc.oneof(fc.nat(50), fc.nat(2 ** 45));
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 60 }), (total, count) => {
        let last = 0;
        for (let index = 0; index < count; index++) {
          const { start, end } = rangeOf({ index, count }, total);
          assert.equal(start, last);
          const share = total / count;
          assert.ok(end - start >= Math.floor(share) && end - start <= Math.ceil(share));
          last = end;
        }
        assert.equal(last, total);
      }),
    );
    assert.deepEqual(rangeOf({ index: 1, count: 3 }, 10), { start: 3, end: 6 });
  });

  it('are written i/n, from 0', () => {
    assert.deepEqual(parseShard('0/1'), { index: 0, count: 1 });
    assert.deepEqual(parseShard('9/10'), { index: 9, count: 10 });
    for (const wrong of ['', '3', '10/10', '0/0', '-1/2', '1/2/3', '1.0/2', ' 1/2', 'a/b']) {
      assert.equal(parseShard(wrong), undefined, wrong);
    }
  });

  const found: [name: string, env: NodeJS.ProcessEnv, count: number | undefined, index: number][] =
    [
      ['Kubernetes', { JOB_COMPLETION_INDEX: '4' }, 10, 4],
      ['AWS Batch', { AWS_BATCH_JOB_ARRAY_INDEX: '0' }, 2, 0],
      ['Slurm', { SLURM_ARRAY_TASK_ID: '3', SLURM_ARRAY_TASK_COUNT: '10' }, undefined, 3],
      ['Slurm from 1', slurm(3, 1, 1, 10), undefined, 2],
      ['Slurm in steps', slurm(25, 5, 10, 4), 4, 2],
    ];
  for (const [name, env, count, index] of found) {
    it(`come from ${name}`, () => {
      const { shard } = shardFromEnvironment(env, count);
      assert.equal(shard?.index, index);
      assert.equal(shard?.count, count ?? Number(env.SLURM_ARRAY_TASK_COUNT));
    });
  }

  const problems: [env: NodeJS.ProcessEnv, count: number | undefined, message: RegExp][] = [
    [{}, 10, /--shards needs a scheduler/],
    [{ JOB_COMPLETION_INDEX: '4' }, undefined, /of how many\? Give --shards/],
    [{ JOB_COMPLETION_INDEX: '10' }, 10, /has 0 to 9/],
    [{ JOB_COMPLETION_INDEX: 'x' }, 10, /not a number/],
    [{ SLURM_ARRAY_TASK_ID: '1' }, undefined, /COUNT unset: give --shards/],
    // Two failed tasks that run again as an array of their own are not shards 0 and 1.
    [slurm(7, 3, 1, 2), 10, /--shards is 10 and SLURM_ARRAY_TASK_COUNT is 2/],
    [slurm(9, 1, 1, 3), undefined, /give no shard/],
    [slurm(4, 1, 2, 3), undefined, /give no shard/],
    [slurm('x', 1, 2, 3), undefined, /give no shard/],
  ];
  for (const [env, count, message] of problems) {
    it(`do not come from ${JSON.stringify(env)} of ${count}`, () => {
      assert.match(shardFromEnvironment(env, count).problem ?? '', message);
    });
  }
});

function slurm(id: number | string, min: number, step: number, count: number): NodeJS.ProcessEnv {
  return {
    SLURM_ARRAY_TASK_ID: String(id),
    SLURM_ARRAY_TASK_MIN: String(min),
    SLURM_ARRAY_TASK_STEP: String(step),
    SLURM_ARRAY_TASK_COUNT: String(count),
  };
}
