// Language models: ARPA text, plain and compressed, their probabilities, and broken files.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import {
  LanguageModel,
  loadLanguageModel,
  loadLanguageModelSync,
  parseLanguageModel,
} from '../lib/index.js';
import { root, Scratch } from './io.helpers.js';
import { assertClose } from './support/close.js';
import { arpaText, log10Of, type Ngrams } from './support/guideOracle.js';

/** Written by hand; log10. */
const small: Ngrams = {
  order: 3,
  prob: {
    '<unk>': -1.2,
    '<s>': -99,
    '</s>': -0.9,
    the: -0.7,
    cat: -1.1,
    sat: -1.3,
    '<s> the': -0.2,
    'the cat': -0.5,
    'cat sat': -0.4,
    'sat </s>': -0.3,
    '<s> the cat': -0.1,
    'the cat sat': -0.15,
  },
  backoff: { '<s>': -0.35, the: -0.25, cat: -0.45, sat: -0.05, '<s> the': -0.6, 'the cat': -0.65 },
};

describe('language models', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const text = arpaText(small);
  const place = (name: string) => join(scratch.folder, name);

  it('tell what they hold', () => {
    const model = parseLanguageModel(text);
    assert.ok(model instanceof LanguageModel);
    assert.deepEqual(
      [model.order, model.words, model.ngrams, model.hasUnknown],
      [3, 6, Object.keys(small.prob).length, true],
    );
  });

  it('score as computed by hand: log10 becomes natural, with back-off, <unk>, <s> and </s>', () => {
    const model = parseLanguageModel(text);
    const log10 = (sentence: string[], boundaries?: boolean) =>
      model.score(sentence, boundaries).map((ln) => ln / Math.LN10);
    const close = (sentence: string, expected: number[], boundaries?: boolean) =>
      assertClose(log10(sentence.split(' '), boundaries), expected, 1e-6, sentence);

    close('the cat sat', [-0.2, -0.1, -0.15, -0.3 /* backoff('cat sat') is 0 */]);
    // <s> sat: backs off to the unigram; sat cat: bo(sat) + cat; cat </s>: bo(cat) + </s>.
    close('sat cat', [-0.35 - 1.3, -0.05 - 1.1, -0.45 - 0.9]);
    // <s> the sat: bo(<s> the) + bo(the) + sat.
    close('the sat', [-0.2, -0.6 - 0.25 - 1.3, -0.3]);
    // dog is <unk>, and the words after it follow <unk>.
    close('the dog cat', [-0.2, -0.6 - 0.25 - 1.2, -1.1, -0.45 - 0.9]);
    close('cat sat', [-1.1, -0.4], false);
    assert.equal(model.score([], false).length, 0);
    assertClose(log10([]), [-0.35 - 0.9], 1e-6, '</s> after <s>');
  });

  it('score any sentence by the textbook recursion (property)', () => {
    const words = fc.constantFrom('a', 'b', 'c', 'd');
    const log = fc.integer({ min: -4000, max: 0 }).map((x) => x / 1000);
    const models = fc
      .record({
        order: fc.integer({ min: 1, max: 4 }),
        unigrams: fc.tuple(log, log, log, log, log, log),
        grams: fc.array(fc.tuple(fc.array(words, { minLength: 2, maxLength: 4 }), log, log), {
          maxLength: 25,
        }),
        start: fc.boolean(),
      })
      .map(({ order, unigrams, grams, start }) => {
        const model: Ngrams = { order, prob: {}, backoff: {} };
        ['a', 'b', 'c', 'd', '<s>', '</s>'].forEach((word, i) => {
          model.prob[word] = unigrams[i]!;
          model.backoff[word] = unigrams[5 - i]! / 2;
        });
        for (const [gram, p, weight] of grams) {
          const all = start ? ['<s>', ...gram] : gram;
          if (all.length > order) continue;
          model.prob[all.join(' ')] = p;
          if (all.length < order) model.backoff[all.join(' ')] = weight;
        }
        return model;
      });
    fc.assert(
      fc.property(
        models,
        fc.array(words, { maxLength: 6 }),
        fc.boolean(),
        (ngrams, sentence, whole) => {
          // Files list every context; a pruned one that a longer n-gram needs is worth its back-off.
          const model = parseLanguageModel(arpaText(ngrams));
          const expected: number[] = [];
          const context = whole ? ['<s>'] : [];
          for (const word of [...sentence, ...(whole ? ['</s>'] : [])]) {
            expected.push(log10Of(ngrams, context, word) * Math.LN10);
            context.push(word);
          }
          assertClose(model.score(sentence, whole), expected, 1e-5, sentence.join(' '));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('a word outside a model without <unk> is NaN, and forgotten', () => {
    const { '<unk>': _, ...prob } = small.prob;
    const model = parseLanguageModel(arpaText({ ...small, prob }));
    assert.equal(model.hasUnknown, false);
    const scores = model.score(['the', 'dog', 'cat'], false);
    assertClose(
      scores,
      [-0.7, Number.NaN, -1.1].map((x) => x * Math.LN10),
      1e-6,
      'scores',
    );
  });

  it('are read from files, plain or gzip, with either function, by path or URL', async () => {
    const plain = place('small.arpa');
    const zipped = place('small.arpa.gz');
    const odd = place('model.bin');
    writeFileSync(plain, text);
    writeFileSync(zipped, gzipSync(text));
    // Told by its bytes and not by its name; several members are one file.
    writeFileSync(odd, Buffer.concat([gzipSync(text.slice(0, 100)), gzipSync(text.slice(100))]));
    const expected = parseLanguageModel(text).score(['the', 'cat', 'dog']);
    for (const file of [plain, zipped, odd, pathToFileURL(zipped)]) {
      for (const model of [await loadLanguageModel(file), loadLanguageModelSync(file)]) {
        assert.deepEqual(model.score(['the', 'cat', 'dog']), expected);
      }
    }
    assert.deepEqual(parseLanguageModel(Buffer.from(text)).score(['the', 'cat', 'dog']), expected);
    assert.deepEqual(
      parseLanguageModel(text.replaceAll('\n', '\r\n')).score(['the', 'cat', 'dog']),
      expected,
    );
  });

  it('are read from a pipe', async () => {
    const script = `
      import { loadLanguageModel, loadLanguageModelSync } from '${pathToFileURL(join(root, 'dist/esm/index.js'))}';
      const load = process.argv[1] === 'sync' ? loadLanguageModelSync : loadLanguageModel;
      console.log((await load('/dev/stdin')).ngrams);`;
    const file = place('piped.gz');
    for (const bytes of [Buffer.from(text), gzipSync(text)]) {
      writeFileSync(file, bytes);
      for (const how of ['sync', 'async']) {
        const { stdout } = await promisify(execFile)('sh', [
          '-c',
          `cat "$1" | "$2" --input-type=module -e "$3" "$4"`,
          ...['sh', file, process.execPath, script, how],
        ]);
        assert.equal(stdout.trim(), '12');
      }
    }
  });

  it('larger than a piece: lines may be cut anywhere', async () => {
    const prob: Record<string, number> = { '<s>': -99, '</s>': -1, '<unk>': -2 };
    for (let i = 0; i < 90_000; i += 1) prob[`word${i}`] = -1 - i / 1e5;
    const large = arpaText({ order: 1, prob, backoff: {} });
    assert.ok(large.length > 2 ** 20);
    const file = place('large.arpa');
    writeFileSync(file, large);
    const zipped = place('large.arpa.gz');
    writeFileSync(zipped, gzipSync(large));
    for (const model of [
      await loadLanguageModel(file),
      await loadLanguageModel(zipped),
      loadLanguageModelSync(file),
      loadLanguageModelSync(zipped),
    ]) {
      assert.equal(model.words, 90_003);
      assertClose(model.score(['word89999'], false), [-1.89999 * Math.LN10], 1e-6, 'the last');
    }
  });

  describe('broken', () => {
    const lines = text.split('\n');
    const row = (line: string) => lines.indexOf(line) + 1;
    const change = (from: string, to: string) => text.replace(from, to);
    const cases: [what: string, text: string, message: string | RegExp][] = [
      ['nothing', '', /line 0: the text ended without a \\data\\ line/],
      [
        'something else',
        'hello\nworld\n',
        /line 2: the text ended without a \\data\\ line, so this is not an ARPA file/,
      ],
      ['no end', change('\\end\\', ''), /the text ended without \\end\\, so the file is cut short/],
      [
        'a word for a probability',
        change('-0.7\tthe', 'x\tthe'),
        `line ${row('-0.7\tthe\t-0.25')}: the probability 'x' is not a finite number`,
      ],
      [
        'NaN',
        change('-0.7\tthe', 'nan\tthe'),
        `line ${row('-0.7\tthe\t-0.25')}: the probability 'nan' is not a finite number`,
      ],
      [
        'a probability above 1',
        change('-0.7\tthe', '0.7\tthe'),
        `line ${row('-0.7\tthe\t-0.25')}: the log10 probability '0.7' is above 0`,
      ],
      [
        'a broken back-off',
        change('the\t-0.25', 'the\t-0.25x'),
        `line ${row('-0.7\tthe\t-0.25')}: the back-off weight '-0.25x' is not a finite number`,
      ],
      [
        'too many columns',
        change('-0.5\tthe cat', '-0.5\tthe cat sat on'),
        new RegExp(
          `line ${row('-0.5\tthe cat\t-0.65')}: a 2-gram line has a log10 probability, 2 words and perhaps`,
        ),
      ],
      [
        'an unknown word',
        change('-0.5\tthe cat', '-0.5\tthe dog'),
        `line ${row('-0.5\tthe cat\t-0.65')}: the word 'dog' is not among the 1-grams`,
      ],
      [
        'a word twice',
        change('-1.3\tsat', '-1.3\tcat'),
        `line ${row('-1.3\tsat\t-0.05')}: the word 'cat' is listed twice`,
      ],
      [
        'an n-gram twice',
        change('-0.4\tcat sat', '-0.4\tthe cat'),
        `line ${row('-0.4\tcat sat')}: this 2-gram is listed twice`,
      ],
      [
        'too few n-grams',
        change('ngram 2=4', 'ngram 2=5'),
        `line ${row('\\3-grams:')}: 4 2-grams were listed, but \\data\\ says 5; the file is damaged or cut short`,
      ],
      [
        'too many n-grams',
        change('ngram 2=4', 'ngram 2=3'),
        `line ${row('-0.3\tsat </s>')}: more 2-grams than the 3 that \\data\\ says`,
      ],
      [
        'a broken count',
        change('ngram 2=4', 'ngram 2=many'),
        `line 3: expected 'ngram ORDER=COUNT' or '\\1-grams:', found 'ngram 2=many'`,
      ],
      [
        'a missing order',
        change('ngram 2=4\n', ''),
        'line 3: order 3 where order 2 was due; list the counts from 1 upwards',
      ],
      [
        'a section that is not due',
        change('\\2-grams:', '\\3-grams:'),
        `line ${row('\\2-grams:')}: expected \\2-grams:, found '\\3-grams:'`,
      ],
      [
        'a KenLM binary',
        'mmap lm http://kheafield.com/code format version 5\n',
        'line 1: this is a KenLM binary; give the ARPA text that it was built from',
      ],
      ['no lines', 'x'.repeat(2 ** 20 + 10), 'line 1: longer than 1 MiB, so this is not ARPA text'],
    ];
    for (const [what, broken, message] of cases) {
      it(what, async () => {
        const file = place('broken.arpa');
        const zipped = place('broken.arpa.gz');
        writeFileSync(file, broken);
        writeFileSync(zipped, gzipSync(broken));
        const wanted = (name: string) => ({
          name: 'CtcError',
          code: 'ERR_CTC_FILE',
          message: typeof message === 'string' ? `${name}, ${message}` : message,
        });
        for (const name of [file, zipped]) {
          await assert.rejects(loadLanguageModel(name), wanted(name));
          assert.throws(() => loadLanguageModelSync(name), wanted(name));
        }
        assert.throws(() => parseLanguageModel(broken), wanted('the text'));
      });
    }

    it('a truncated gzip file', async () => {
      const file = place('cut.arpa.gz');
      const whole = gzipSync(text);
      for (const size of [whole.length - 1, whole.length >> 1, 12, 3]) {
        writeFileSync(file, whole.subarray(0, size));
        const wanted = {
          code: 'ERR_CTC_FILE',
          message: `${file} is a damaged or truncated gzip file (unexpected end of file); fetch it again`,
        };
        await assert.rejects(loadLanguageModel(file), wanted);
        assert.throws(() => loadLanguageModelSync(file), wanted);
      }
    });

    it('a damaged gzip file', async () => {
      const file = place('damaged.arpa.gz');
      const bytes = gzipSync(text);
      bytes[bytes.length - 6]! ^= 255; // of the checksum
      writeFileSync(file, bytes);
      const wanted = { code: 'ERR_CTC_FILE', message: /is a damaged or truncated gzip file/ };
      await assert.rejects(loadLanguageModel(file), wanted);
      assert.throws(() => loadLanguageModelSync(file), wanted);
    });

    it('no such file, or a folder', async () => {
      const missing = {
        code: 'ERR_CTC_FILE',
        message: /^\/nonexistent\.arpa cannot be read: ENOENT/,
      };
      await assert.rejects(loadLanguageModel('/nonexistent.arpa'), missing);
      assert.throws(() => loadLanguageModelSync('/nonexistent.arpa'), missing);
      const folder = { code: 'ERR_CTC_FILE', message: /cannot be read: EISDIR/ };
      await assert.rejects(loadLanguageModel(root), folder);
      assert.throws(() => loadLanguageModelSync(root), folder);
    });

    it('any text is a model or an error, never a crash (property)', () => {
      const edit = fc.tuple(
        fc.nat({ max: text.length }),
        fc.nat({ max: 20 }),
        fc.string({ maxLength: 8 }),
      );
      fc.assert(
        fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
          let broken = text;
          for (const [at, gone, put] of edits) {
            broken = broken.slice(0, at) + put + broken.slice(at + gone);
          }
          try {
            const scores = parseLanguageModel(broken).score(['the', 'cat', 'sat']);
            assert.ok(scores.every((score) => !Number.isFinite(score) || score <= 1e7));
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'ERR_CTC_FILE');
            assert.match((error as Error).message, /^the text, line \d+: /);
          }
        }),
        { numRuns: 1000 },
      );
    });
  });

  describe('refuse', () => {
    it('what is no path, text or sentence', async () => {
      const wanted = (message: string) => ({
        name: 'TypeError',
        code: 'ERR_CTC_INVALID_ARG_TYPE',
        message,
      });
      await assert.rejects(
        loadLanguageModel(5 as never),
        wanted('file must be a path or a file URL, not 5'),
      );
      assert.throws(
        () => loadLanguageModelSync(undefined as never),
        wanted('file must be a path or a file URL, not undefined'),
      );
      assert.throws(
        () => parseLanguageModel([] as never),
        wanted('text must be a string or a Uint8Array, not an array of 0'),
      );
      const model = parseLanguageModel(text);
      assert.throws(
        () => model.score('the cat' as never),
        wanted("sentence must be an array of words, not 'the cat'"),
      );
      assert.throws(
        () => model.score(['the'], 1 as never),
        wanted('boundaries must be true or false, not 1'),
      );
      await assert.rejects(loadLanguageModel('x', { sginal: undefined } as never), {
        code: 'ERR_CTC_UNKNOWN_OPTION',
        message: "unknown option 'sginal'; did you mean 'signal'?",
      });
      assert.throws(
        () => new (LanguageModel as new (handle: unknown) => LanguageModel)({}),
        TypeError,
      );
    });

    it('to go on after an abort', async () => {
      const file = place('aborted.arpa');
      writeFileSync(file, text);
      const reason = new Error('enough');
      await assert.rejects(
        loadLanguageModel(file, { signal: AbortSignal.abort(reason) }),
        (error) => error === reason,
      );
      const controller = new AbortController();
      const loading = loadLanguageModel(file, { signal: controller.signal });
      controller.abort(reason);
      await assert.rejects(loading, (error) => error === reason);
      assert.equal((await loadLanguageModel(file)).order, 3);
    });
  });
});
