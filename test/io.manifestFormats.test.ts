import assert from 'node:assert/strict';
import fc from 'fast-check';
import { joinRecord } from '../lib/io/delimited.js';
import { type ManifestFormat, type ManifestRow, manifestRows } from '../lib/io/manifest.js';
import { Scratch } from './io.helpers.js';

async function* pieces(text: string | Buffer, size = 5): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string | Buffer, path = 'm', format?: ManifestFormat) {
  const rows: ManifestRow[] = [];
  for await (const row of manifestRows(path, { format, pieces: pieces(text) })) rows.push(row);
  return rows;
}

const brief = (rows: ManifestRow[]) =>
  rows.map(({ line, id, text, frames, fault }) => [line, id, text, frames, fault?.status]);

describe('manifests of other formats', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  it('are CSV with a header, quoted fields, and fields over lines', async () => {
    const text =
      '\ufeffid,split,text,frames\r\na,dev,"hello, ""you""",5\r\n\r\nb,dev,"two\r\nlines", 6 \r\nc,dev,,7';
    for (const path of ['m.csv', 'm']) {
      assert.deepEqual(brief(await read(text, path)), [
        [2, 'a', 'hello, "you"', 5, undefined],
        [4, 'b', 'two\nlines', 6, undefined],
        [6, 'c', '', 7, undefined],
      ]);
    }
  });

  it('are TSV, as published corpora have them', async () => {
    const text = 'client_id\tpath\tsentence\nx\ta.mp3\t"He said" no\ny\tb.mp3\t"All of it."\n';
    for (const path of ['validated.tsv', 'm']) {
      assert.deepEqual(brief(await read(text, path)), [
        [2, 'a.mp3', '"He said" no', undefined, undefined],
        [3, 'b.mp3', 'All of it.', undefined, undefined],
      ]);
    }
  });

  it("are Kaldi's text", async () => {
    for (const [path, format] of [
      ['data/text', undefined],
      ['84-121123.trans.txt', undefined],
      ['anything', 'kaldi'],
    ] as const) {
      assert.deepEqual(brief(await read('utt1 HELLO  WORLD \nutt2\n\n utt3\tX\n', path, format)), [
        [1, 'utt1', 'HELLO  WORLD', undefined, undefined],
        [2, 'utt2', '', undefined, undefined],
        [4, 'utt3', 'X', undefined, undefined],
      ]);
    }
  });

  it("are NeMo's, whose segments of one recording have different ids", async () => {
    const text =
      '{"audio_filepath":"a.wav","offset":0,"duration":2.5,"text":"x"}\n' +
      '{"audio_filepath":"a.wav","offset":2.5,"duration":1,"text":"y"}\n' +
      '{"audio_filepath":"a.wav","offset":2.5,"duration":1,"text":"z"}\n';
    assert.deepEqual(brief(await read(text)), [
      [1, 'a.wav', 'x', undefined, undefined],
      [2, 'a.wav@2.5', 'y', undefined, undefined],
      [3, 'a.wav@2.5', 'z', undefined, 'duplicate-id'],
    ]);
  });

  it('report broken rows, which keep their place', async () => {
    const rows = await read('id,text,frames\na,x,1\nb,y\nc,z,-1\n,w,1\na,v,2\nd,u,3\n', 'm.csv');
    assert.deepEqual(
      rows.map(({ line, fault }) => [line, fault?.status, fault?.reason]),
      [
        [2, undefined, undefined],
        [3, 'bad-row', '2 fields; the header has 3: "b,y"'],
        [4, 'bad-row', '"frames" is "-1", not a count of frames'],
        [5, 'bad-row', 'the id is empty'],
        [6, 'duplicate-id', 'the id "a" is already on line 2'],
        [7, undefined, undefined],
      ],
    );
    const bytes = Buffer.concat([
      Buffer.from('{"id":"a","text":"x"}\n{"id":"b","text":"'),
      Buffer.from([0xff]),
      Buffer.from('"}\n{"id":"c","text":"x","frames":1}\n'),
    ]);
    assert.deepEqual(
      (await read(bytes)).map(({ fault }) => fault?.reason),
      [undefined, 'not UTF-8 text', 'it has "frames", which the rows before it have not'],
    );
  });

  const refused: [what: string, text: string, path: string, message: RegExp][] = [
    ['no header', 'a,hello\n', 'm.csv', /m\.csv: its first line has no column "text": "a,hello"/],
    [
      'an open quote',
      'id,text\na,"x\nb,y\n',
      'm.csv',
      /m\.csv: the quote that line 2 opens is not closed/,
    ],
    [
      'only broken rows',
      'id\ttext\na\nb\n',
      'm.tsv',
      /m\.tsv: has no usable row; line 2: 1 fields/,
    ],
    [
      'prose',
      `${'what is this\n'.repeat(300)}{"text":"x"}\n`,
      'm',
      /m: has no usable row; line 1: not JSON/,
    ],
  ];
  for (const [what, text, path, message] of refused) {
    it(`are refused: ${what}`, async () => {
      await assert.rejects(read(text, path), { code: 'ERR_CTC_FILE', message });
    });
  }

  it('are found on the disk, and may be empty', async () => {
    const rows: ManifestRow[] = [];
    for await (const row of manifestRows(scratch.write('id,text\na,x\n', 'a.csv'))) rows.push(row);
    assert.deepEqual(brief(rows), [[2, 'a', 'x', undefined, undefined]]);
    assert.deepEqual(await read('id,text\n', 'm.csv'), []);
    assert.deepEqual(await read('', 'text'), []);
    const missing = manifestRows(`${scratch.folder}/nothing.csv`).next();
    await assert.rejects(missing, { code: 'ERR_CTC_FILE', message: /no such file/ });
  });

  it('come row by row', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (; ; given++) yield Buffer.from(`utt${given} some words\n`);
    }
    for await (const { line } of manifestRows('text', { pieces: endless() })) {
      if (line === 5000) break;
    }
    assert.ok(given <= 5001, `${given} lines were taken`);
  });

  it('read back what was written as CSV (property)', async () => {
    const row = fc.record({
      id: fc.string({ minLength: 1, unit: fc.constantFrom('a', 'b', '"', ',', 'é') }),
      text: fc.string({ unit: fc.constantFrom('a', ' ', '"', ',', '\n', '\t', 'é') }),
      frames: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(row, { selector: ({ id }) => id }), async (rows) => {
        const records = rows.map(({ id, text, frames }) => joinRecord([id, text, `${frames}`]));
        const found = await read(['id,text,frames', ...records].join('\n'), 'm.csv');
        assert.deepEqual(
          found.map(({ id, text, frames, fault }) => ({ id, text, frames, fault })),
          rows.map((each) => ({ ...each, fault: undefined })),
        );
      }),
      { numRuns: 200, seed: 8 },
    );
  });
});
