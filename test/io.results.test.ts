import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { AtomicFile } from '../lib/io/atomicFile.js';
import { joinRecord, splitRecord } from '../lib/io/delimited.js';
import { findId, KeyIndex } from '../lib/io/keyIndex.js';
import { type Column, openResults, resultsFormat } from '../lib/io/results.js';
import { Scratch } from './io.helpers.js';

const columns: Column[] = [
  { name: 'id', type: 'string' },
  { name: 'frames', type: 'integer' },
  { name: 'loss', type: 'number' },
  { name: 'ok', type: 'boolean' },
];
const rows = [
  { id: 'a "quoted", name', frames: 5, loss: 1 / 3, ok: true },
  { id: 'ü\n', frames: 0, loss: undefined, ok: false },
  { id: '', frames: null, loss: Infinity, ok: undefined },
];

describe('results', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const at = (name: string) => join(scratch.folder, name);

  async function write(name: string): Promise<Buffer> {
    const writer = await openResults(at(name), columns);
    for (const row of rows) writer.write(row);
    assert.equal(existsSync(at(name)), false);
    writer.finish();
    return readFileSync(at(name));
  }

  it('are JSON Lines', async () => {
    assert.equal(
      (await write('a.jsonl')).toString(),
      '{"id":"a \\"quoted\\", name","frames":5,"loss":0.3333333333333333,"ok":true}\n' +
        '{"id":"ü\\n","frames":0,"loss":null,"ok":false}\n' +
        '{"id":"","frames":null,"loss":null,"ok":null}\n',
    );
  });

  it('are CSV', async () => {
    assert.equal(
      (await write('a.csv')).toString(),
      'id,frames,loss,ok\n"a ""quoted"", name",5,0.3333333333333333,true\n"ü\n",0,,false\n,,Infinity,\n',
    );
  });

  it('are Parquet, of several row groups and of none', async () => {
    const bytes = await write('a.parquet');
    const read = (name: string) =>
      asyncBufferFromFile(at(name)).then((file) => parquetReadObjects({ file }));
    assert.deepEqual(await read('a.parquet'), [
      { id: 'a "quoted", name', frames: 5n, loss: 1 / 3, ok: true },
      { id: 'ü\n', frames: 0n, loss: null, ok: false },
      { id: '', frames: null, loss: Infinity, ok: null },
    ]);
    assert.deepEqual(await write('b.parquet'), bytes);
    (await openResults(at('empty.parquet'), columns)).finish();
    assert.deepEqual(await read('empty.parquet'), []);

    const many = await openResults(at('many.parquet'), columns.slice(0, 2));
    for (let i = 0; i < 110_000; i++) many.write({ id: `utt${i}`, frames: i });
    many.finish();
    const all = await read('many.parquet');
    assert.equal(all.length, 110_000);
    assert.deepEqual(all[50_000], { id: 'utt50000', frames: 50_000n });
  });

  it('leave what was there when they are aborted, and no other file', async () => {
    for (const name of ['kept.jsonl', 'kept.csv', 'kept.parquet']) {
      writeFileSync(at(name), 'before');
      const writer = await openResults(at(name), columns);
      writer.write(rows[0]!);
      writer.abort();
      writer.abort();
      assert.equal(readFileSync(at(name), 'utf8'), 'before');
    }
    assert.deepEqual(
      readdirSync(scratch.folder).filter((name) => name.endsWith('.tmp')),
      [],
    );
  });

  it('say why they cannot be written', async () => {
    const refused: [string, RegExp][] = [
      [at('nothing/a.csv'), /cannot be written: there is no such folder\. Make the folder first/],
      [
        `${scratch.write('x', 'plain')}/a.csv`,
        /cannot be written: a part of the path is not a folder/,
      ],
      [at('a.txt'), /is no format of results\. End the name with \.jsonl, \.csv or \.parquet/],
    ];
    for (const [path, message] of refused) {
      await assert.rejects(openResults(path, columns), { code: 'ERR_CTC_FILE', message });
    }
    assert.equal(resultsFormat('a.NDJSON'), 'jsonl');
  });

  it('are written whole, in pieces of any size', () => {
    const file = new AtomicFile(at('pieces'));
    const pieces = [10, 300_000, 1, 262_144, 262_143, 2].map((n, i) => Buffer.alloc(n, 65 + i));
    for (const piece of pieces) file.write(piece);
    file.finish();
    assert.ok(readFileSync(at('pieces')).equals(Buffer.concat(pieces)));
  });
});

describe('CSV records', () => {
  it('come back as they were (property)', () => {
    const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', ' ', 'é') });
    fc.assert(
      fc.property(fc.array(field, { minLength: 1 }), (fields) => {
        assert.deepEqual(splitRecord(joinRecord(fields), ','), fields);
      }),
      { numRuns: 1000, seed: 5 },
    );
  });

  it('may leave a quote open, and a TSV has it as it is', () => {
    assert.equal(splitRecord('a,"b', ','), undefined);
    assert.deepEqual(splitRecord('a\t"b', '\t'), ['a', '"b']);
    assert.deepEqual(splitRecord('a\t"b\tc"', '\t'), ['a', 'b\tc']);
    assert.deepEqual(splitRecord('"a"b,c', ','), ['"a"b', 'c']);
    assert.deepEqual(splitRecord('', ','), ['']);
    assert.deepEqual(splitRecord('a,', ','), ['a', '']);
  });
});

describe('index of ids', () => {
  it('finds what a Map finds (property)', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀'), maxLength: 4 });
    fc.assert(
      fc.property(fc.array(key, { maxLength: 400 }), (keys) => {
        const index = new KeyIndex();
        const map = new Map<string, number>();
        keys.forEach((each, i) => {
          assert.equal(index.add(each), map.get(each));
          if (!map.has(each)) map.set(each, i);
        });
        assert.equal(index.count, keys.length);
        keys.forEach((each, i) => {
          assert.equal(index.at(i), each);
          assert.equal(index.find(each), map.get(each));
        });
        assert.equal(index.find('c'), undefined);
      }),
      { numRuns: 200, seed: 6 },
    );
  });

  it('holds many', () => {
    const index = new KeyIndex();
    for (let i = 0; i < 200_000; i++) index.add(`utterance-${i}`);
    for (let i = 0; i < 200_000; i += 997) assert.equal(index.find(`utterance-${i}`), i);
    assert.equal(index.find('utterance-200000'), undefined);
  });

  it('finds paths without extension and leading folders', () => {
    const index = new KeyIndex();
    for (const id of ['b', 'a/c', 'x.y', 'dot.wav']) index.add(id);
    const found = [
      'b',
      '/data/b.flac',
      'b.wav',
      'data\\b.wav',
      'q/a/c.wav',
      'c.wav',
      'x.y',
      'x.y.wav',
      'dot.wav',
      'nothing',
    ];
    assert.deepEqual(
      found.map((id) => findId(index, id)),
      [0, 0, 0, 0, 1, undefined, 2, 2, 3, undefined],
    );
  });
});
