import assert from 'node:assert/strict';
import fc from 'fast-check';
import { JsonlStream, openStream } from '../lib/io/jsonlStream.js';
import { readLines } from '../lib/io/lines.js';
import { ReadBuffer } from '../lib/io/openSource.js';
import { Scratch } from './io.helpers.js';
import { bytesOf } from './support/formats.js';

async function* piecesOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readText(text: string | Buffer, limit = 2 ** 20, size = 7) {
  const stream = new JsonlStream('stdin', piecesOf(Buffer.from(text), size));
  const buffer = new ReadBuffer(limit);
  const read: {
    id: string;
    text: string | undefined;
    status?: string;
    rows?: number[][];
    fault?: string;
  }[] = [];
  let batches = 0;
  for (let next = await stream.next(buffer); next; next = await stream.next(buffer)) {
    batches += 1;
    const { data, shape, strides, frames, faults } = next.batch;
    assert.equal(next.rows.length, shape[1]);
    next.rows.forEach(({ id, text, fault }, n) => {
      const rows = Array.from({ length: frames[n]! }, (_, t) =>
        Array.from({ length: shape[2] }, (_, c) => {
          return data[t * strides[0] + n * strides[1] + c * strides[2]]!;
        }),
      );
      read.push({ id, text, status: fault?.status, rows, fault: faults[n] });
    });
  }
  await stream.close();
  return { read, batches };
}

describe('model outputs as JSON Lines', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  const base64 = (array: ArrayBufferView) => bytesOf(array).toString('base64');

  it('are nested numbers, or base64 with a shape', async () => {
    const lines = [
      {
        id: 'a',
        text: 'x',
        logits: [
          [1, 2],
          [3, '-Infinity'],
          ['NaN', 'Infinity'],
        ],
      },
      { id: 'b', text: 'y', logits: base64(Float32Array.of(5, 6)), shape: [1, 2] },
      { id: 'c', text: '', logits: [7, 8, 9, 10], shape: [2, 2] },
      { id: 'd', text: 'no frames', logits: [] },
    ];
    const text = lines.map((line) => JSON.stringify(line)).join('\r\n');
    for (const limit of [1, 20, 2 ** 20]) {
      const { read, batches } = await readText(text, limit);
      assert.deepEqual(
        read.map(({ id, rows, fault }) => [id, rows, fault]),
        [
          [
            'a',
            [
              [1, 2],
              [3, -Infinity],
              [Number.NaN, Infinity],
            ],
            undefined,
          ],
          ['b', [[5, 6]], undefined],
          [
            'c',
            [
              [7, 8],
              [9, 10],
            ],
            undefined,
          ],
          ['d', [], undefined],
        ],
      );
      if (limit === 2 ** 20) assert.equal(batches, 1);
    }
  });

  it('may have any of the element types', async () => {
    const types = [
      ['float64', Float64Array.of(1 / 3, 2)],
      ['float16', Uint16Array.of(15360, 1)],
      ['bfloat16', Uint16Array.of(16256, 2)],
    ] as const;
    for (const [dtype, array] of types) {
      const line = JSON.stringify({ text: 'x', logits: base64(array), shape: [1, 2], dtype });
      const { read } = await readText(line);
      assert.deepEqual([read[0]!.id, read[0]!.rows], ['line-1', [[...array]]]);
    }
    const nested = await readText('{"text":"x","log_probs":[[0.1]],"dtype":"float64"}');
    assert.deepEqual(nested.read[0]!.rows, [[0.1]]);
  });

  const good = '{"id":"good","text":"x","logits":[[1,2]]}\n';
  const faulty: [line: string, status: string | undefined, fault: RegExp | undefined][] = [
    ['nonsense', 'bad-row', /^stdin: line 2: not JSON: "nonsense"$/],
    ['[1]', 'bad-row', /not a JSON object/],
    ['{"id":"a","logits":[[1,2]]}', 'bad-row', undefined],
    ['{"id":"good","text":"x","logits":[[1,2]]}', 'duplicate-id', undefined],
    ['{"id":"a","text":"x"}', undefined, /^stdin: line 2 \(a\): has no "logits"$/],
    ['{"id":"a","text":"x","logits":5}', undefined, /has no list of numbers/],
    ['{"id":"a","text":"x","logits":[[1,2],[3]]}', undefined, /1 classes in frame 1 and 2 classes/],
    ['{"id":"a","text":"x","logits":[[1,null]]}', undefined, /no number at frame 0, class 1/],
    ['{"id":"a","text":"x","logits":[[1,"2"]]}', undefined, /no number at frame 0, class 1/],
    [
      '{"id":"a","text":"x","logits":[[1,2,3]]}',
      undefined,
      /3 classes of float32; the first .* 2 of/,
    ],
    ['{"id":"a","text":"x","logits":[[]]}', undefined, /has no classes/],
    [
      '{"id":"a","text":"x","logits":[1,2],"shape":[2,2]}',
      undefined,
      /2 numbers and the shape \(2, 2\)/,
    ],
    ['{"id":"a","text":"x","logits":"AAAA"}', undefined, /has base64 and no "shape"/],
    [
      '{"id":"a","text":"x","logits":"AAAA","shape":[1e9,1e9]}',
      undefined,
      /3 bytes; .* needs 4000000000000000000/,
    ],
    ['{"id":"a","text":"x","logits":"%%%","shape":[1,1]}', undefined, /has broken base64/],
    [
      '{"id":"a","text":"x","logits":[[1,2]],"dtype":"int8"}',
      undefined,
      /dtype "int8". Known are float32/,
    ],
    ['{"id":"a","text":"x","logits":[[1,2]],"dtype":"float16"}', undefined, /float16 as numbers/],
  ];
  for (const [line, status, fault] of faulty) {
    it(`report ${line}`, async () => {
      const { read } = await readText(
        `${good}${line}\n{"id":"last","text":"y","logits":[[3,4]]}\n`,
      );
      assert.deepEqual([read[0]!.rows, read[2]!.rows], [[[1, 2]], [[3, 4]]]);
      assert.equal(read[1]!.status, status);
      if (fault === undefined) assert.equal(read[1]!.fault, undefined);
      else assert.match(read[1]!.fault!, fault);
    });
  }

  it('are read from files', async () => {
    const stream = openStream(scratch.write(good));
    assert.equal((await stream.next(new ReadBuffer()))!.rows[0]!.id, 'good');
    assert.equal(await stream.next(new ReadBuffer()), undefined);
    await assert.rejects(openStream('/nowhere/a.jsonl').next(new ReadBuffer()), {
      code: 'ERR_CTC_FILE',
      message: '/nowhere/a.jsonl: no such file. Check the path',
    });
  });

  it('come out as they went in, in pieces of any size (property)', async () => {
    const row = fc.array(fc.float({ noNaN: true }), { minLength: 3, maxLength: 3 });
    const utterances = fc.array(fc.array(row, { minLength: 1, maxLength: 5 }), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(
        utterances,
        fc.nat(400),
        fc.integer({ min: 1, max: 50 }),
        async (all, limit, size) => {
          const lines = all.map((rows, i) => {
            const logits =
              i % 2
                ? base64(Float32Array.from(rows.flat()))
                : rows.map((r) => r.map((v) => (Number.isFinite(v) ? v : String(v))));
            return JSON.stringify({
              id: `${i}`,
              text: 't',
              logits,
              shape: i % 2 ? [rows.length, 3] : undefined,
            });
          });
          const { read } = await readText(lines.join('\n'), limit, size);
          // JSON knows no -0.
          const plain = (rows: number[][]) => rows.map((r) => r.map((v) => v + 0));
          assert.deepEqual(
            read.map(({ rows }) => plain(rows!)),
            all.map(plain),
          );
        },
      ),
      { numRuns: 100, seed: 3 },
    );
  });
});

describe('lines of a text', () => {
  const linesOf = async (text: string | Buffer, size = 3, most?: number) => {
    const lines: [number, string, boolean][] = [];
    for await (const { line, text: content, valid } of readLines(
      'x',
      piecesOf(Buffer.from(text), size),
      most,
    )) {
      lines.push([line, content, valid]);
    }
    return lines;
  };

  it('end with LF or CRLF, and the first may have a byte order mark', async () => {
    assert.deepEqual(await linesOf('\ufeffä\r\n\nb\rc'), [
      [1, 'ä', true],
      [2, '', true],
      [3, 'b\rc', true],
    ]);
    assert.deepEqual(await linesOf(''), []);
  });

  it('say where they are no UTF-8', async () => {
    const lines = await linesOf(Buffer.from([97, 10, 0xff, 10, 98]));
    assert.deepEqual(lines, [
      [1, 'a', true],
      [2, '\ufffd', false],
      [3, 'b', true],
    ]);
  });

  it('may not be endless, nor UTF-16', async () => {
    await assert.rejects(linesOf('abc\nabcdef', 3, 5), /x: line 2 is longer than 5 bytes/);
    await assert.rejects(linesOf('abcdef\n', 100, 5), /x: line 1 is longer than 5 bytes/);
    await assert.rejects(linesOf(Buffer.from('\ufeffa', 'utf16le')), /x: is UTF-16 text/);
  });

  it('are those of split (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom('a', '\n', 'é', '😀') }),
        fc.integer({ min: 1, max: 9 }),
        async (text, size) => {
          const expected = text.split('\n');
          if (expected.at(-1) === '') expected.pop();
          assert.deepEqual(
            (await linesOf(text, size)).map(([, content]) => content),
            expected,
          );
        },
      ),
      { numRuns: 200, seed: 4 },
    );
  });
});
