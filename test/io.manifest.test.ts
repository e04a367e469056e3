import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseManifest, readManifest } from '../lib/io/manifest.js';
import { Scratch } from './io.helpers.js';

const parse = (text: string) => parseManifest('manifest.jsonl', text).rows;

describe('JSONL manifest', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  it('has a row for each line with id, text and frames', () => {
    assert.deepEqual(parse('{"id": "a", "text": "hi there", "frames": 5}\n'), [
      { line: 1, id: 'a', text: 'hi there', frames: 5 },
    ]);
  });

  it('may have a byte order mark, CRLF, blank lines and no last newline', async () => {
    const path = scratch.write(
      '\ufeff{"id": "a", "text": "x", "frames": 1}\r\n\r\n  \r\n{"id": "b", "text": "", "frames": 0}',
    );
    assert.deepEqual(await readManifest(path), {
      path,
      rows: [
        { line: 1, id: 'a', text: 'x', frames: 1 },
        { line: 4, id: 'b', text: '', frames: 0 },
      ],
    });
  });

  it("knows other tools' names, and fills in an id", () => {
    const rows = parse(
      '{"audio_filepath": "a.wav", "duration": 1.5, "text": "x"}\n' +
        '{"utt_id": 7, "transcript": "y"}\n' +
        '{"text": "z"}\n',
    );
    assert.deepEqual(
      rows.map(({ id, text, frames, fault }) => [id, text, frames, fault]),
      [
        ['a.wav', 'x', undefined, undefined],
        ['7', 'y', undefined, undefined],
        ['line-3', 'z', undefined, undefined],
      ],
    );
    assert.equal(parse('{"id": "a", "text": "x", "num_frames": 9}')[0]!.frames, 9);
    // The package's own names come first.
    const both = parse(
      '{"audio_filepath": "a.wav", "id": "a", "text": "x", "transcript": "y"}',
    )[0]!;
    assert.deepEqual([both.id, both.text], ['a', 'x']);
  });

  const good = '{"id": "good", "text": "x", "frames": 3}\n';
  const faulty: [row: string, id: string, status: string, reason: RegExp][] = [
    ['{"id": "a", "text"', 'line-2', 'bad-row', /^not JSON: "\{"id": "a", "text""$/],
    ['["a", "x", 3]', 'line-2', 'bad-row', /^not a JSON object/],
    ['null', 'line-2', 'bad-row', /^not a JSON object: "null"$/],
    ['{"id": "a", "frames": 3}', 'a', 'bad-row', /^no "text"$/],
    ['{"id": "a", "text": null, "frames": 3}', 'a', 'bad-row', /^"text" is null, not text$/],
    ['{"id": "a", "text": 12, "frames": 3}', 'a', 'bad-row', /^"text" is 12, not text$/],
    [
      '{"id": ["a"], "text": "x", "frames": 3}',
      'line-2',
      'bad-row',
      /^"id" is a list, not a name$/,
    ],
    ['{"id": "", "text": "x", "frames": 3}', 'line-2', 'bad-row', /^"id" is "", not a name$/],
    ['{"id": "a", "text": "x", "frames": -1}', 'a', 'bad-row', /^"frames" is -1, not a count/],
    ['{"id": "a", "text": "x", "frames": 2.5}', 'a', 'bad-row', /^"frames" is 2\.5, not a count/],
    ['{"id": "a", "text": "x", "frames": "3"}', 'a', 'bad-row', /^"frames" is "3", not a count/],
    ['{"id": "a", "text": "x", "frames": 1e18}', 'a', 'bad-row', /not a count of frames$/],
    ['{"id": "a", "text": "x", "frames": null}', 'a', 'bad-row', /^"frames" is null/],
    ['{"id": "a", "text": "x"}', 'a', 'bad-row', /^no "frames", which other rows have$/],
    [
      '{"id": "good", "text": "x", "frames": 3}',
      'good',
      'duplicate-id',
      /"good" is already on line 1$/,
    ],
    ['{"__proto__": {"text": "x"}, "id": "a"}', 'a', 'bad-row', /^no "text"$/],
  ];
  for (const [row, id, status, reason] of faulty) {
    it(`reports ${row}`, () => {
      const rows = parse(`${good}${row}\n{"id": "last", "text": "y", "frames": 3}\n`);
      assert.deepEqual(
        rows.map((each) => [each.line, each.id, each.fault?.status]),
        [
          [1, 'good', undefined],
          [2, id, status],
          [3, 'last', undefined],
        ],
      );
      assert.match(rows[1]!.fault!.reason, reason);
    });
  }

  it('refuses a file that is something else', () => {
    for (const text of ['id,text\na,hello\n', '# Title\n', '[\n{"id": 1}\n]\n']) {
      assert.throws(() => parse(text), {
        code: 'ERR_CTC_FILE',
        message: /^manifest\.jsonl: has no usable row; line 1: .*Write one JSON object a line/,
      });
    }
  });

  it('may be empty', () => {
    assert.deepEqual(parse(''), []);
    assert.deepEqual(parse('\n\n'), []);
  });

  it('reads back what was written (property)', () => {
    const row = fc.record(
      { id: fc.string({ minLength: 1 }), text: fc.string({ unit: 'binary' }), frames: fc.nat() },
      { noNullPrototype: true },
    );
    const rows = fc.uniqueArray(row, { selector: ({ id }) => id });
    fc.assert(
      fc.property(rows, fc.constantFrom('\n', '\r\n', '\n\n'), (written, newline) => {
        const text = written.map((each) => JSON.stringify(each)).join(newline);
        const read = parse(text).map(({ id, text, frames }) => ({ id, text, frames }));
        assert.deepEqual(read, written);
      }),
      { numRuns: 500, seed: 7 },
    );
  });
});
