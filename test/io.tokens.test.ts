import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import { makeTokenizer, parseTokens, readTokens } from '../lib/io/tokens.js';
import { root, Scratch } from './io.helpers.js';

const parse = (text: string) => parseTokens('tokens.txt', text);

describe('tokens.txt', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  it('has one symbol a line, and nothing is trimmed', () => {
    assert.deepEqual(parse('<blank>\n \na\n  b \n'), {
      path: 'tokens.txt',
      symbols: ['<blank>', ' ', 'a', '  b '],
      blank: 0,
    });
  });

  it('may have CRLF, no last newline, no blank, and a byte order mark', async () => {
    const expected = ['a', ' ', 'é', '你'];
    assert.deepEqual(parse('a\r\n \r\né\r\n你\r\n').symbols, expected);
    assert.deepEqual(parse('a\n \né\n你').symbols, expected);
    assert.equal(parse('a\nb').blank, undefined);
    const tokens = await readTokens(scratch.write('\ufeffa\n \né\n你\n'));
    assert.deepEqual(tokens.symbols, expected);
  });

  it('knows the blank anywhere, under both of its names', () => {
    assert.equal(parse('a\nb\n<blank>\n').blank, 2);
    assert.equal(parse('<blk>\na\n').blank, 0);
  });

  it('may be in columns, symbol and id, as Kaldi and k2 write it', () => {
    assert.deepEqual(parse('b 2\n<blk> 0\na 1\n').symbols, ['<blk>', 'a', 'b']);
    assert.deepEqual(parse('<blk>\t0\n  1\n7 2\n').symbols, ['<blk>', ' ', '7']);
    assert.deepEqual(parse('<blk>    0\na        1\n').symbols, ['<blk>', 'a']);
    // One line that is no "symbol id" makes all of them plain symbols.
    assert.deepEqual(parse('a 0\nb 1\nc\n').symbols, ['a 0', 'b 1', 'c']);
  });

  it('reads the tokens of the bundled models', async () => {
    const ocr = await readTokens(join(root, 'examples/data/ocr/tokens.txt'));
    assert.deepEqual([ocr.symbols.length, ocr.blank, ocr.symbols[1]], [86, 0, ' ']);
    const speech = await readTokens(join(root, 'examples/data/speech/tokens.txt'));
    assert.deepEqual([speech.symbols.length, speech.blank, speech.symbols[26]], [29, 28, ' ']);
  });

  const refused: [name: string, text: string, message: RegExp][] = [
    ['an empty file', '', /^tokens\.txt: has no tokens/],
    ['a line that an editor trimmed', 'a\n\nb\n', /line 2 is empty.*one literal space/],
    ['a second newline at the end', 'a\nb\n\n', /line 3 is empty/],
    ['a symbol twice', 'a\nb\na\n', /"a" is on line 1 and on line 3/],
    ['a symbol twice, in columns', 'a 1\nb 0\na 2\n', /"a" is on line 1 and on line 3/],
    ['an id twice', 'a 0\nb 1\nc 1\n', /id 1 is on line 2 and on line 3\. The ids must be 0 to 2/],
    ['an id out of range', 'a 0\nb 1\nc 7\n', /line 3 has the id 7, in a file of 3/],
    ['two blanks', '<blank>\n<blk>\na\n', /names two blanks, <blank> and <blk>/],
  ];
  for (const [name, text, message] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parse(text), { code: 'ERR_CTC_FILE', message });
    });
  }

  it('refuses files that are not UTF-8', async () => {
    const latin1 = scratch.write(Buffer.from('caf\u00e9\n', 'latin1'));
    await assert.rejects(readTokens(latin1), { code: 'ERR_CTC_FILE', message: /is not UTF-8/ });
    const utf16 = scratch.write(Buffer.from('\ufeffa\n', 'utf16le'));
    await assert.rejects(readTokens(utf16), { code: 'ERR_CTC_FILE', message: /is UTF-16/ });
    await assert.rejects(readTokens('/no/tokens.txt'), { message: /no such file/ });
  });
});

describe('text to labels', () => {
  it('takes the longest token that fits, from left to right', () => {
    const symbols = ['<blank>', 'a', 'b', 'ab', 'abc', ' ', '你', '👍'];
    const tokenize = makeTokenizer(symbols, 0);
    assert.deepEqual(tokenize('abcab ba'), { labels: [4, 3, 5, 2, 1] });
    assert.deepEqual(tokenize('你👍'), { labels: [6, 7] });
    assert.deepEqual(tokenize(''), { labels: [] });
  });

  it('names the first character without a token', () => {
    const tokenize = makeTokenizer(['<blank>', 'a', 'ab', '👍'], 0);
    assert.deepEqual(tokenize('a👍x'), { unknown: { symbol: 'x', position: 3 } });
    assert.deepEqual(tokenize('a😀'), { unknown: { symbol: '😀', position: 2 } });
    assert.deepEqual(tokenize('abb'), { unknown: { symbol: 'b', position: 3 } });
  });

  it('never takes the blank', () => {
    const tokenize = makeTokenizer(['_', 'a', '<', '>', 'b'], 0);
    assert.deepEqual(tokenize('a_'), { unknown: { symbol: '_', position: 2 } });
    assert.deepEqual(makeTokenizer(['<a>', '<', 'a', '>'], 0)('<a>'), { labels: [1, 2, 3] });
  });

  const letter = fc.constantFrom('a', 'b', 'c', ' ', 'é', '你', '👍');
  const symbol = fc.array(letter, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));

  it('comes back to the same text, each label the longest possible (property)', () => {
    const symbolSets = fc.uniqueArray(symbol, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(symbolSets, fc.array(fc.nat(), { maxLength: 10 }), (symbols, choices) => {
        const all = ['<blank>', ...symbols];
        const text = choices.map((choice) => symbols[choice % symbols.length]).join('');
        const { labels, unknown } = makeTokenizer(all, 0)(text);
        if (unknown !== undefined) {
          const rest = [...text].slice(unknown.position - 1).join('');
          assert.ok(rest.startsWith(unknown.symbol));
          assert.ok(symbols.every((token) => !rest.startsWith(token)));
          return;
        }
        let rest = text;
        for (const label of labels) {
          const taken = all[label]!;
          assert.ok(rest.startsWith(taken));
          assert.ok(
            symbols.every((token) => token.length <= taken.length || !rest.startsWith(token)),
          );
          rest = rest.slice(taken.length);
        }
        assert.equal(rest, '');
      }),
      { numRuns: 500, seed: 5 },
    );
  });

  it('reads back any set of symbols (property)', () => {
    const anySymbol = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 4 })
      .filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.uniqueArray(anySymbol, { minLength: 1 }), (symbols) => {
        fc.pre(!symbols.every((text) => /[ \t]\d+$/.test(text)));
        assert.deepEqual(parse(`${symbols.join('\n')}\n`).symbols, symbols);
        assert.deepEqual(parse(symbols.join('\r\n')).symbols, symbols);
      }),
      { numRuns: 500, seed: 6 },
    );
  });
});
