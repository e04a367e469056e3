import assert from 'node:assert/strict';
import { openSource, ReadBuffer } from '../lib/io/openSource.js';
import { npyBytes, Scratch } from './io.helpers.js';

/** Element (t, n, c) of a batch as a number. */
function at(batch: Awaited<ReturnType<Awaited<ReturnType<typeof openSource>>['read']>>) {
  const [frames, utterances, classes] = batch.strides;
  return (t: number, n: number, c: number) =>
    batch.data[t * frames + n * utterances + c * classes]!;
}

describe('array source of one .npy file', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  const [T, N, C] = [3, 5, 2];
  const value = (t: number, n: number, c: number) => 100 * t + 10 * n + c;
  const layouts = [
    { layout: 'TNC', fortranOrder: false },
    { layout: 'TNC', fortranOrder: true },
    { layout: 'NTC', fortranOrder: false },
    { layout: 'NTC', fortranOrder: true },
  ] as const;

  function write({ layout, fortranOrder }: (typeof layouts)[number]): string {
    const shape = layout === 'TNC' ? [T, N, C] : [N, T, C];
    const order = fortranOrder ? [0, 1, 2] : [2, 1, 0];
    const step: number[] = [];
    let size = 1;
    for (const axis of order) {
      step[axis] = size;
      size *= shape[axis]!;
    }
    const data = new Float32Array(size);
    for (let t = 0; t < T; t++) {
      for (let n = 0; n < N; n++) {
        for (let c = 0; c < C; c++) {
          const [i, j] = layout === 'TNC' ? [t, n] : [n, t];
          data[i * step[0]! + j * step[1]! + c * step[2]!] = value(t, n, c);
        }
      }
    }
    return scratch.write(npyBytes({ shape, fortranOrder, data }));
  }

  for (const each of layouts) {
    it(`reads runs of utterances, ${JSON.stringify(each)}`, async () => {
      const source = await openSource([write(each)], { layout: each.layout });
      assert.deepEqual(
        [source.format, source.count, source.classes, source.type, source.keyed, source.frames(0)],
        ['npy', N, C, 'float32', false, T],
      );
      const all = [0, 1, 2, 3, 4];
      for (const limit of [1, 24, 48, 60, 1000]) {
        const buffer = new ReadBuffer(limit);
        let next = 0;
        while (next < N) {
          const batch = await source.read(all.slice(next), buffer);
          const count = batch.shape[1];
          assert.equal(count, Math.min(Math.max(1, Math.floor(limit / 24)), N - next));
          assert.deepEqual(batch.shape, [T, count, C]);
          assert.deepEqual(batch.frames, new Array(count).fill(T));
          for (let n = 0; n < count; n++) {
            for (let t = 0; t < T; t++) {
              for (let c = 0; c < C; c++) {
                assert.equal(at(batch)(t, n, c), value(t, next + n, c));
              }
            }
          }
          next += count;
        }
      }
      // Positions that do not follow one another come one run at a time.
      const batch = await source.read([4, 1, 2], new ReadBuffer());
      assert.deepEqual([batch.shape[1], at(batch)(2, 0, 1)], [1, value(2, 4, 1)]);
      await source.close();
    });
  }

  it('takes two axes for one utterance', async () => {
    const data = Float64Array.from({ length: 6 }, (_, i) => i);
    const source = await openSource([
      scratch.write(npyBytes({ descr: '<f8', shape: [3, 2], data })),
    ]);
    const batch = await source.read([0], new ReadBuffer());
    assert.deepEqual([source.count, batch.shape, batch.frames], [1, [3, 1, 2], [3]]);
    assert.equal(at(batch)(2, 0, 1), 5);
    await source.close();
  });

  it('refuses other shapes', async () => {
    for (const shape of [[6], [1, 2, 3, 1], [3, 0]]) {
      const path = scratch.write(npyBytes({ shape, data: new Float32Array(6) }));
      await assert.rejects(openSource([path]), { code: 'ERR_CTC_FILE' });
    }
  });

  it('keeps its memory', async () => {
    const path = write(layouts[0]);
    const source = await openSource([path]);
    const buffer = new ReadBuffer();
    const first = await source.read([0, 1], buffer);
    const second = await source.read([2, 3], buffer);
    assert.equal(first.data.buffer, second.data.buffer);
    await source.close();
  });
});
