// Work in order, a bounded number at a time.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { inOrder } from '../lib/eval/pipeline.js';

describe('inOrder', () => {
  it('yields in the order of the items, with at most `depth` at work', async () => {
    let running = 0;
    let most = 0;
    const work = async (item: number) => {
      running += 1;
      most = Math.max(most, running);
      await sleep(item % 3);
      running -= 1;
      return item * 10;
    };
    const results: number[] = [];
    for await (const result of inOrder(Array(20).keys(), 3, work)) results.push(result);
    assert.deepEqual(
      results,
      Array.from({ length: 20 }, (_, i) => i * 10),
    );
    assert.equal(most, 3);
  });

  it('ends with the first failure, once what was begun is over', async () => {
    const over: number[] = [];
    const work = async (item: number) => {
      await sleep(item === 1 ? 1 : 10);
      over.push(item);
      if (item === 1) throw new Error('one');
      if (item === 2) throw new Error('two');
      return item;
    };
    const results: number[] = [];
    await assert.rejects(async () => {
      for await (const result of inOrder(Array(9).keys(), 3, work)) results.push(result);
    }, /one/);
    assert.deepEqual(results, [0]);
    assert.ok(over.includes(2), 'the third was still at work');
  });

  it('passes on a failure of the items', async () => {
    async function* items() {
      yield 1;
      throw new Error('no more');
    }
    await assert.rejects(async () => {
      for await (const _ of inOrder(items(), 2, async (item) => item));
    }, /no more/);
  });
});
