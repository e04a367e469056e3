import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openSource } from '../lib/io/openSource.js';
import { Scratch } from './io.helpers.js';
import { bytesOf, element, kaldiBytes, readAll, utterance } from './support/formats.js';

describe('Kaldi tables', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  async function read(path: string, limit?: number) {
    const source = await openSource([path]);
    try {
      return { source, utterances: await readAll(source, limit) };
    } finally {
      await source.close();
    }
  }

  const floats = (u: number, key = `utt${u}`) => {
    const data = bytesOf(Float32Array.from(utterance(u).flat()));
    return kaldiBytes(key, 'FM', 3 + u, 4, data);
  };

  it('read float matrices of an archive', async () => {
    const path = scratch.write(Buffer.concat([0, 1, 2].map((u) => floats(u))), 'a.ark');
    for (const limit of [1, 130, 1e6]) {
      const { source, utterances } = await read(path, limit);
      assert.deepEqual([source.format, source.type, source.classes], ['kaldi', 'float32', 4]);
      assert.deepEqual(
        utterances,
        [0, 1, 2].map((u) => ({ id: `utt${u}`, rows: utterance(u), fault: undefined })),
      );
    }
  });

  it('read double matrices, without the extension too', async () => {
    const data = bytesOf(Float64Array.of(1 / 3, 2, 3, 4));
    const { source, utterances } = await read(
      scratch.write(kaldiBytes('ä/1', 'DM', 2, 2, data), 'b'),
    );
    assert.deepEqual([source.type, source.id(0)], ['float64', 'ä/1']);
    assert.deepEqual(utterances[0]!.rows, [
      [1 / 3, 2],
      [3, 4],
    ]);
  });

  it('read compressed matrices: 16 and 8 bits in equal steps', async () => {
    const wide = kaldiBytes(
      'a',
      'CM2',
      2,
      2,
      bytesOf(Uint16Array.of(0, 65535, 13107, 52428)),
      [-10, 5],
    );
    const narrow = kaldiBytes('b', 'CM3', 2, 2, Buffer.from([0, 255, 51, 204]), [-10, 5]);
    const { utterances } = await read(scratch.write(Buffer.concat([wide, narrow]), 'c.ark'));
    for (const { rows } of utterances) {
      assert.deepEqual(rows, [
        [-10, -5],
        [-9, -6],
      ]);
    }
  });

  // Columns of quartiles: 0 to 64 is up to the 25 % point, to 192 the 75 % one, and 255 is the greatest.
  it('read compressed matrices: a byte between the quartiles of its column', async () => {
    const points = Uint16Array.of(0, 6553.5 * 2, 6553.5 * 8, 65535, 0, 0, 65535, 65535);
    const bytes = Buffer.from([0, 64, 128, 192, 255, 32, 0, 64, 128, 192, 255, 96]);
    const data = Buffer.concat([bytesOf(points), bytes]);
    const { utterances } = await read(
      scratch.write(kaldiBytes('a', 'CM', 6, 2, data, [0, 10]), 'd.ark'),
    );
    const expected = [
      [0, 0],
      [2, 0],
      [5, 5],
      [8, 10],
      [10, 10],
      [1, 2.5],
    ];
    utterances[0]!.rows!.forEach((row, t) => {
      row.forEach((value, c) => {
        assert.ok(Math.abs(value - expected[t]![c]!) < 1e-5, `(${t}, ${c}) is ${value}`);
      });
    });
  });

  it('read text', async () => {
    const path = scratch.write(
      'a  [\n  1 2.5e0\n  -3 .5 ]\nb [ 1 nan\n -inf +Infinity\n]\n\nempty [ ]\n',
      'text.ark',
    );
    const { utterances } = await read(path);
    assert.deepEqual(
      utterances.map(({ id, rows }) => [id, rows]),
      [
        [
          'a',
          [
            [1, 2.5],
            [-3, 0.5],
          ],
        ],
        [
          'b',
          [
            [1, Number.NaN],
            [-Infinity, Infinity],
          ],
        ],
        ['empty', []],
      ],
    );
  });

  it('follow a script to several archives, relative to itself where they are not here', async () => {
    const first = Buffer.concat([0, 1].map((u) => floats(u)));
    scratch.write(first, 'one.ark');
    scratch.write(floats(2), 'two.ark');
    // Whole files, without a key.
    scratch.write(floats(3, '').subarray(1), 'three.mat');
    scratch.write('[ 1 2 3 4\n 5 6 7 8 ]\n', 'four.mat');
    const at1 = floats(0).length + 'utt1 '.length;
    const path = scratch.write(
      `utt2 two.ark:5\r\nutt0 one.ark:5\nutt1 one.ark:${at1}\n\nutt3 three.mat\nutt4 four.mat\nlost one.ark:9\ngone gone.ark:5\n`,
      'all.scp',
    );
    const { source, utterances } = await read(path, 300);
    assert.deepEqual(
      utterances.map(({ id, rows }) => [id, rows?.length]),
      [
        ['utt2', 5],
        ['utt0', 3],
        ['utt1', 4],
        ['utt3', 6],
        ['utt4', 2],
        ['lost', undefined],
        ['gone', undefined],
      ],
    );
    assert.deepEqual(utterances[2]!.rows, utterance(1));
    assert.equal(utterances[3]!.rows![1]![2], element(3, 1, 2));
    assert.match(utterances[5]!.fault!, /one\.ark: lost: has no matrix at byte 9/);
    assert.match(utterances[6]!.fault!, /gone\.ark: no such file/);
    assert.equal(source.find('utt1'), 2);
  });

  it('never run a command', async () => {
    for (const place of ['gunzip -c a.ark.gz |', '| cat', 'a.ark:5[0:3]']) {
      const path = scratch.write(`utt ${place}\n`, 'pipe.scp');
      await assert.rejects(openSource([path]), {
        code: 'ERR_CTC_FILE',
        message: /pipe\.scp: line 1 (is a command, which is never run|asks for a part)/,
      });
    }
    await assert.rejects(
      openSource([scratch.write('utt\n', 'x.scp')]),
      /line 1 is no key and place/,
    );
    await assert.rejects(openSource([scratch.write('\n', 'y.scp')]), /has no line/);
  });

  it('warn of ids that are there twice', async () => {
    const path = scratch.write(Buffer.concat([floats(0), floats(1, 'utt0')]), 'twice.ark');
    const { source, utterances } = await read(path);
    assert.deepEqual([source.find('utt0'), utterances.length], [0, 2]);
    assert.match(source.warnings.join(), /"utt0" is there twice; the first is used/);
  });

  it('read what is before a broken matrix', async () => {
    const bytes = Buffer.concat([floats(0), floats(1)]);
    const path = scratch.write(bytes.subarray(0, -1), 'cut.ark');
    const { source, utterances } = await read(path);
    assert.deepEqual(utterances[0]!.rows, utterance(0));
    assert.match(
      utterances[1]!.fault!,
      /utt1: the shape \(4, 4\) of FM needs 64 bytes and the file holds 63/,
    );
    assert.match(source.warnings.join(), /what follows utt1 is not read/);
  });

  const broken: [what: string, bytes: Buffer, reason: RegExp][] = [
    ['a vector', kaldiBytes('a', 'FV', 3, 4, Buffer.alloc(48)), /holds a "FV", not a matrix/],
    [
      'an unknown token',
      kaldiBytes('a', '\u0001\u0002', 1, 1, Buffer.alloc(4)),
      /something else than/,
    ],
    [
      '2^31 - 1 rows and columns',
      kaldiBytes('a', 'DM', 2 ** 31 - 1, 2 ** 31 - 1, Buffer.alloc(8)),
      /needs 36893488113059364872 bytes/,
    ],
    ['a negative count', kaldiBytes('a', 'FM', -1, 4, Buffer.alloc(8)), /has the shape \(-1, 4\)/],
    [
      'compressed columns only',
      kaldiBytes('a', 'CM', 0, 2 ** 30, Buffer.alloc(8), [0, 1]),
      /needs 8589934592 bytes/,
    ],
    ['no columns', kaldiBytes('a', 'FM', 4, 0, Buffer.alloc(0)), /has no classes/],
    ['no size', Buffer.from('a \0BFM '), /ends inside a matrix/],
    [
      'a 64-bit size',
      Buffer.from('a \0BFM \u0008aaaabbbbccccdddd'),
      /a size that is no 32-bit number/,
    ],
    [
      'text rows of other lengths',
      Buffer.from('a [ 1 2\n 3 ]\n'),
      /has 1 numbers in row 1 and 2 in the first/,
    ],
    ['text that is no number', Buffer.from('a [ 1 x ]\n'), /has "x" where a number belongs/],
    ['an open bracket', Buffer.from('a [ 1 2\n'), /has no matrix of an archive at byte 2/],
    ['a long key', Buffer.from('a'.repeat(2000)), /has no key of an archive at byte 0/],
  ];
  for (const [what, bytes, reason] of broken) {
    it(`refuse ${what}`, async () => {
      const path = join(scratch.folder, 'broken.ark');
      scratch.write(bytes, 'broken.ark');
      await assert.rejects(openSource([path]), (error: Error & { code: string }) => {
        assert.equal(error.code, 'ERR_CTC_FILE');
        assert.match(error.message, reason);
        assert.ok(error.message.startsWith(path));
        return true;
      });
    });
  }
});
