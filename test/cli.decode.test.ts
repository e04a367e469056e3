// `node-ctc decode` as a process.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beamDecodeSync, Lexicon, parseLanguageModel } from '../lib/index.js';
import { npyBytes, root, Scratch } from './io.helpers.js';
import { runCli } from './support/cli.js';
import { arpaText } from './support/guideOracle.js';
import { corpora, finalBatch, readTexts, readTokens } from './support/real.js';

interface Path {
  text: string;
  score: number;
  logProb: number;
  tokens: {
    label: number;
    text: string;
    score: number;
    start: number;
    end: number;
    startSeconds?: number;
    endSeconds?: number;
  }[];
  words: { text: string; start: number; end: number; startSeconds?: number }[] | null;
}

interface Line {
  type: string;
  id: string;
  index: number;
  status: string;
  reason: string | null;
  frames: number | null;
  reference: string | null;
  cer: { rate: number; errors: number; referenceLength: number } | null;
  wer: { rate: number } | null;
  paths: Path[];
}

interface SummaryLine {
  utterances: number;
  statuses: Record<string, number>;
  cer: { rate: number; errors: number; referenceLength: number; utterances: number } | null;
  wer: { rate: number } | null;
  decoder: { beam: number | null; wordDelimiter: string | null; frameSeconds: number | null };
  array: { shape: number[]; blank: number };
  warnings: string[];
}

function parse(out: string): { lines: Line[]; summary: SummaryLine } {
  const objects = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const summary = objects.pop();
  assert.equal(summary.type, 'summary');
  assert.ok(objects.every(({ type }) => type === 'utterance'));
  return { lines: objects, summary };
}

describe('node-ctc decode', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const speech = corpora.find(({ name }) => name === 'speech')!;
  const at = (name: string, file: string) => join('examples/data', name, file);
  const filesOf = (name: string) => [at(name, 'logits.npy'), at(name, 'manifest.jsonl')];
  const tokensOf = (name: string) => ['--tokens', at(name, 'tokens.txt')];
  const decodeSpeech = (...options: string[]) =>
    runCli('decode', ...filesOf('speech'), ...tokensOf('speech'), ...options);

  for (const corpus of corpora) {
    it(`${corpus.name}: the recorded greedy texts and error rates`, async () => {
      const { code, out, err } = await runCli(
        ...['decode', ...filesOf(corpus.name), ...tokensOf(corpus.name), '--json'],
      );
      assert.deepEqual([code, err], [0, '']);
      const { lines, summary } = parse(out);
      assert.deepEqual(
        lines.map(({ id, paths }) => [id, paths.length, paths[0]!.text]),
        corpus.utterances.map(({ id, greedy }) => [id, 1, greedy]),
      );
      lines.forEach(({ cer, status, frames, reference }, n) => {
        const utterance = corpus.utterances[n]!;
        assert.ok(Math.abs(cer!.rate - utterance.cer) < 1e-12);
        assert.deepEqual([status, frames], ['ok', utterance.frames]);
        assert.equal(reference, readTexts(corpus)[n]);
      });
      assert.ok(Math.abs(summary.cer!.rate - corpus.cer.final) < 1e-12);
      assert.deepEqual(summary.statuses, { ok: corpus.utterances.length });
      assert.deepEqual(summary.decoder, { beam: null, wordDelimiter: ' ', frameSeconds: null });
      assert.equal(summary.array.blank, corpus.blank);
    });
  }

  it('prints a table and a summary', async () => {
    const { code, out, err } = await decodeSpeech();
    assert.deepEqual([code, err], [0, '']);
    assert.ok(!out.includes('\u001b'), 'no colours in a pipe');
    const lines = out.split('\n');
    assert.deepEqual(lines.slice(0, 3), [
      'id       frames       score     CER  text',
      'sp-0000     127    -10.6322   16.0%  li ospry soots subsists',
      'sp-0001     100    -11.6278    0.0%  this kitchen waited over our ship',
    ]);
    assert.deepEqual(lines.slice(17), [
      '',
      'Summary',
      'utterances  16',
      'ok          16',
      'CER         7.76%       37 / 477 characters: 17 substituted, 17 missing, 3 inserted',
      'WER         31.25%      25 / 80 words: 21 substituted, 3 missing, 1 inserted',
      '',
    ]);
  });

  it('without a manifest: numbers for ids, no rates', async () => {
    const { code, out, err } = await runCli('decode', filesOf('speech')[0]!, ...tokensOf('speech'));
    assert.deepEqual([code, err], [0, '']);
    const lines = out.trimEnd().split('\n');
    assert.equal(lines[0], 'id  frames       score  text');
    assert.match(lines[1]!, /^0 {6}168 {4}-\d+\.\d{4} {2}li ospry soots subsists/);
    assert.deepEqual(lines.slice(-3), ['Summary', 'utterances  16', 'ok          16']);
  });

  it('texts may be missing from the manifest', async () => {
    const rows = speech.utterances.map(({ id, frames }) => JSON.stringify({ id, frames }));
    const manifest = scratch.write(`${rows.join('\n')}\n`);
    const { code, out } = await runCli(
      ...['decode', filesOf('speech')[0]!, manifest, ...tokensOf('speech'), '--json'],
    );
    assert.equal(code, 0);
    const { lines, summary } = parse(out);
    assert.deepEqual([lines[0]!.reference, lines[0]!.cer, summary.cer], [null, null, null]);
    assert.deepEqual(
      lines.map(({ paths }) => paths[0]!.text),
      speech.utterances.map(({ greedy }) => greedy),
    );
  });

  describe('beam search', () => {
    it('is what the library finds, with times of tokens and words', async () => {
      const { code, out } = await decodeSpeech(
        ...['--beam', '30', '--top', '3', '--json', '--frame-seconds', '0.04', '--threads', '2'],
      );
      assert.equal(code, 0);
      const { lines, summary } = parse(out);
      const batch = finalBatch(speech, 'final');
      const { utterances } = beamDecodeSync(batch, {
        ...{ blank: batch.blank, inputLengths: batch.inputLengths },
        ...{ tokens: readTokens(speech), beamWidth: 30, topPaths: 3 },
      });
      lines.forEach(({ paths }, n) => {
        assert.equal(paths.length, 3);
        paths.forEach((path, i) => {
          const expected = utterances[n]!.paths[i]!;
          assert.deepEqual(
            [path.text, path.score, path.logProb],
            [expected.text, expected.score, expected.logProb],
          );
          const bare = path.tokens.map(({ startSeconds, endSeconds, ...token }) => token);
          assert.deepEqual(bare, expected.tokens);
          for (const token of path.tokens) {
            assert.ok(Math.abs(token.startSeconds! - 0.04 * token.start) < 1e-6);
            assert.ok(String(token.endSeconds).length <= 5, String(token.endSeconds));
          }
          assert.deepEqual(
            path.words!.map(({ text, start }) => [text, start]),
            expected.words!.map(({ text, start }) => [text, start]),
          );
        });
      });
      assert.deepEqual(summary.decoder, { beam: 30, wordDelimiter: ' ', frameSeconds: 0.04 });
    });

    it('lists further hypotheses below the best', async () => {
      const { out } = await decodeSpeech('--top', '2');
      const lines = out.split('\n');
      assert.match(lines[1]!, /^sp-0000 {5}127 {3} *-\d+\.\d{4} +\d+\.\d% {2}\S/);
      assert.match(lines[2]!, /^ {19,}-\d+\.\d{4} {10}\S/);
      assert.match(lines[3]!, /^sp-0001/);
    });

    it('takes a language model, plain or gzip, a lexicon and hotwords', async () => {
      const truth = readTexts(speech);
      const words = [...new Set(truth.flatMap((text) => text.split(' ')))];
      const prob: Record<string, number> = { '<s>': -99, '</s>': -1, '<unk>': -4 };
      for (const word of words) prob[word] = -2;
      const arpa = arpaText({ order: 1, prob, backoff: {} });
      const plain = scratch.write(arpa, 'lm.arpa');
      const zipped = scratch.write(gzipSync(arpa), 'lm.arpa.gz');
      const lexicon = scratch.write(`${words.join('\n')}\n\n`, 'words.txt');
      const letters = scratch.write(
        words.map((word) => `${word}\t${[...word].join(' ')}`).join('\n'),
        'letters.txt',
      );
      const textsOf = async (...options: string[]) => {
        const { code, out, err } = await decodeSpeech('--json', ...options);
        assert.deepEqual([code, err], [0, '']);
        const { lines, summary } = parse(out);
        return { texts: lines.map(({ paths }) => paths[0]?.text), cer: summary.cer!.rate };
      };
      const greedy = speech.cer.final;
      const weights = ['--alpha', '0.7', '--beta', '2', '--unk-score', '-5', '--beam', '50'];
      const guided = await textsOf('--lm', plain, ...weights);
      assert.ok(guided.cer < 0.75 * greedy, String(guided.cer));
      assert.deepEqual(await textsOf('--lm', zipped, ...weights), guided);
      const batch = finalBatch(speech, 'final');
      const { utterances } = beamDecodeSync(batch, {
        ...{ blank: batch.blank, inputLengths: batch.inputLengths, tokens: readTokens(speech) },
        ...{ lm: parseLanguageModel(arpa), alpha: 0.7, beta: 2, unkScore: -5, beamWidth: 50 },
      });
      assert.deepEqual(
        guided.texts,
        utterances.map(({ paths }) => paths[0]!.text),
      );

      const both = await textsOf('--lm', plain, '--lexicon', lexicon);
      assert.deepEqual(await textsOf('--lm', plain, '--lexicon', letters), both);
      assert.ok(both.cer < 0.75 * greedy, String(both.cer));
      const known = new Set(words);
      assert.ok(both.texts.every((text) => text!.split(' ').every((word) => known.has(word))));

      const hot = await textsOf(
        '--hotword',
        'osprey=12',
        '--hotword',
        'suits',
        '--hotword-weight',
        '8',
      );
      assert.match(hot.texts[0]!, /osprey suits/);
      assert.equal(new Lexicon(words).size, words.length);
    }).timeout(120_000);
  });

  describe('word delimiters', () => {
    /** A confident array [T, C] and its tokens file. */
    function make(path: number[], symbols: string[]): string[] {
      const C = symbols.length;
      const data = new Float32Array(path.length * C);
      path.forEach((label, t) => {
        data[t * C + label] = 20;
      });
      const logits = scratch.write(npyBytes({ shape: [path.length, C], data }));
      return ['decode', logits, '--tokens', scratch.write(`${symbols.join('\n')}\n`)];
    }
    const firstPath = async (args: string[]) => {
      const { code, out, err } = await runCli(...args, '--json');
      assert.deepEqual([code, err], [0, '']);
      const { text, words } = parse(out).lines[0]!.paths[0]!;
      return { text, words: words?.map((word) => word.text) };
    };

    it('are found among the tokens, can be named, and switched off', async () => {
      const bar = make([2, 1, 3], ['<blank>', '|', 'a', 'b']);
      assert.deepEqual(await firstPath(bar), { text: 'a b', words: ['a', 'b'] });
      assert.deepEqual(await firstPath([...bar, '--word-delimiter', '']), {
        text: 'a|b',
        words: undefined,
      });
      const dash = make([2, 1, 3], ['<blank>', '-', 'a', 'b']);
      assert.deepEqual(await firstPath(dash), { text: 'a-b', words: undefined });
      assert.deepEqual(await firstPath([...dash, '--word-delimiter', '-']), {
        text: 'a b',
        words: ['a', 'b'],
      });
      const pieces = make([1, 2, 3], ['<blank>', '▁the', 're', '▁a']);
      assert.deepEqual(await firstPath(pieces), { text: 'there a', words: ['there', 'a'] });
    });

    it('a token that only begins with | is no delimiter', async () => {
      const args = make([1, 2], ['<blank>', '|x', 'a']);
      assert.deepEqual(await firstPath(args), { text: '|xa', words: undefined });
    });
  });

  describe('reports what cannot be decoded, and decodes the others', () => {
    const data = new Float32Array(4 * 5 * 3);
    data[(1 * 5 + 1) * 3 + 2] = Number.NaN;
    const logits = scratch.write(npyBytes({ shape: [4, 5, 3], data }));
    const tokens = scratch.write('<blank>\na\nb\n');
    const manifest = scratch.write(
      [
        '{"id": "good", "frames": 4, "text": "ab"}',
        '{"id": "nan", "frames": 3, "text": "ab"}',
        '{"id": "long", "frames": 5, "text": "ab"}',
        'nonsense',
        '{"id": "good", "frames": 2, "text": "ab"}',
      ].join('\n'),
    );
    const args = ['decode', logits, manifest, '--tokens', tokens];

    it('as JSON', async () => {
      const { code, out } = await runCli(...args, '--json');
      assert.equal(code, 0);
      const { lines, summary } = parse(out);
      assert.deepEqual(
        lines.map(({ id, status, reason }) => [id, status, reason]),
        [
          ['good', 'ok', null],
          ['nan', 'nonfinite', 'NaN at frame 1, class 2'],
          ['long', 'frames-out-of-range', '5 frames; the data has 4'],
          ['line-4', 'bad-row', 'not JSON: "nonsense"'],
          ['good', 'duplicate-id', 'the id "good" is already on line 1'],
        ],
      );
      // 'ab' against nothing: two deletions.
      assert.deepEqual([lines[0]!.cer!.rate, lines[1]!.cer, lines[1]!.paths], [1, null, []]);
      assert.deepEqual(summary.statuses, {
        ...{ ok: 1, nonfinite: 1, 'frames-out-of-range': 1, 'bad-row': 1, 'duplicate-id': 1 },
      });
      assert.deepEqual(
        [summary.cer!.errors, summary.cer!.referenceLength, summary.cer!.utterances],
        [2, 2, 1],
      );
    });

    it('as text, and with --strict exits with 1', async () => {
      const { code, out } = await runCli(...args, '--strict');
      assert.equal(code, 1);
      assert.match(out, /^nan +3 +- +- {2}nonfinite$/m);
      assert.match(out, /^Not decoded: 4 utterances$/m);
      assert.match(out, /^long \(line 3\) frames-out-of-range: 5 frames; the data has 4$/m);
      assert.match(out, /^CER {9}100\.00%/m);
    });

    it('a beam that no word of the lexicon fits', async () => {
      const lexicon = scratch.write('abababab\n');
      const one = scratch.write(npyBytes({ shape: [1, 3], data: Float32Array.of(0, 9, 0) }));
      const { out } = await runCli(
        ...['decode', one, '--tokens', tokens, '--lexicon', lexicon, '--beam', '1', '--json'],
      );
      const { status, reason } = parse(out).lines[0]!;
      assert.deepEqual(
        [status, reason],
        ['infeasible', 'no hypothesis of the beam ends with a whole word'],
      );
    });
  });

  describe('refuses', () => {
    const refused: [what: string, options: string[], code: number, message: string | RegExp][] = [
      [
        'an impossible beam',
        ['--beam', '0'],
        2,
        /--beam <n>' argument '0' is invalid\. It must be an integer from 1 to 4194304/,
      ],
      [
        'more hypotheses than the beam holds',
        ['--beam', '2', '--top', '3'],
        2,
        /--top is 3, and a beam of 2 holds no more: raise --beam/,
      ],
      ['alpha without a model', ['--alpha', '1'], 2, /--alpha goes with --lm/],
      [
        'a negative alpha',
        ['--lm', 'x', '--alpha', '-1'],
        2,
        /It must be a number from 0 to 1000000/,
      ],
      [
        'a weight without hotwords',
        ['--hotword-weight', '1'],
        2,
        /--hotword-weight goes with --hotword/,
      ],
      [
        'a hotword with a broken weight',
        ['--hotword', 'a=b'],
        2,
        /After = comes its weight, a number/,
      ],
      ['an empty hotword', ['--hotword', ''], 2, /It is empty/],
      [
        'a delimiter that is no token',
        ['--word-delimiter', '#'],
        2,
        /--word-delimiter is "#", and no token is that or begins with it/,
      ],
      [
        'beta without words',
        ['--beta', '1', '--word-delimiter', ''],
        2,
        /beta is added for each word: name the token between words with --word-delimiter/,
      ],
      [
        'a missing model',
        ['--lm', '/nonexistent.arpa'],
        3,
        /\/nonexistent\.arpa cannot be read: ENOENT/,
      ],
      ['a missing lexicon', ['--lexicon', '/nonexistent.txt'], 3, /\/nonexistent\.txt/],
      ['frames of what is no number', ['--frame-seconds', 'x'], 2, /It must be a number/],
      ['times without JSON', ['--frame-seconds', '1'], 2, /--frame-seconds goes with --json/],
      ['frames of no length', ['--frame-seconds', '0'], 2, /a number from 0\.000001 to 1000000/],
      ['endless frames', ['--frame-seconds', 'Infinity'], 2, /from 0\.000001 to 1000000/],
    ];
    for (const [what, options, code, message] of refused) {
      it(what, async () => {
        const run = await decodeSpeech(...options);
        assert.deepEqual([run.code, run.out], [code, '']);
        assert.match(run.err, message instanceof RegExp ? message : new RegExp(message));
        assert.ok(!run.err.includes('    at '), 'no stack');
      });
    }

    it('broken files, naming the line', async () => {
      const arpa = scratch.write(
        '\\data\\\nngram 1=1\n\\1-grams:\nfoo bar\n\\end\\\n',
        'broken.arpa',
      );
      const broken = await decodeSpeech('--lm', arpa);
      assert.equal(broken.code, 3);
      assert.match(
        broken.err,
        /broken\.arpa, line 4: the probability 'foo' is not a finite number/,
      );

      const cut = scratch.write(gzipSync('\\data\\\n').subarray(0, 15), 'cut.gz');
      assert.match(
        (await decodeSpeech('--lm', cut)).err,
        /cut\.gz is a damaged or truncated gzip file/,
      );

      const empty = scratch.write('\n\n', 'empty.txt');
      const noWords = await decodeSpeech('--lexicon', empty);
      assert.deepEqual(noWords.code, 3);
      assert.match(
        noWords.err,
        /empty\.txt: has no words\. Write one word a line, or leave out --lexicon/,
      );

      const mixed = scratch.write('read r e a d\nred\n', 'mixed.txt');
      assert.match(
        (await decodeSpeech('--lexicon', mixed)).err,
        /mixed\.txt: line 2 has no tokens, unlike line 1/,
      );
      const foreign = scratch.write('read r E a d\n', 'foreign.txt');
      assert.match(
        (await decodeSpeech('--lexicon', foreign)).err,
        /foreign\.txt: line 1 spells "read" with "E", which is no token/,
      );
      const capitals = scratch.write('READ\n', 'capitals.txt');
      const none = await decodeSpeech('--lexicon', capitals);
      assert.equal(none.code, 2);
      assert.match(
        none.err,
        /no word of the --lexicon can be spelled with the tokens: 'READ' has 'R'/,
      );
    });
  });

  it('explains itself', async () => {
    const { code, out } = await runCli('decode', '--help');
    assert.equal(code, 0);
    for (const text of [
      'Examples:',
      '--beam <n>',
      '--lm <file>',
      '--hotword <phrase>',
      'Exit codes:',
    ]) {
      assert.ok(out.includes(text), text);
    }
    assert.ok(out.split('\n').every((line) => line.length <= 80));
    assert.match((await runCli('--help')).out, /decode\s+texts of a batch of model outputs/);
  });

  it('has no error rate for an empty reference', async () => {
    const logits = scratch.write(npyBytes({ shape: [1, 2], data: Float32Array.of(0, 9) }));
    const { code, out } = await runCli(
      ...['decode', logits, scratch.write('{"id": "x", "text": ""}\n')],
      ...['--tokens', scratch.write('<blank>\na\n')],
    );
    assert.equal(code, 0);
    assert.match(out, /^x +1 +-\d\.\d{4} +- +a$/m);
    assert.match(out, /^CER +- /m);
  });

  it('the spelled lexicon of other tools may end with the delimiter', async () => {
    const data = readFileSync(join(root, at('speech', 'tokens.txt')), 'utf8').split('\n');
    assert.ok(data.includes(' '));
    const symbols = ['<blank>', '|', 'a', 'b'];
    const logits = scratch.write(
      npyBytes({ shape: [2, 4], data: Float32Array.of(0, 0, 9, 0, 0, 0, 0, 9) }),
    );
    const lexicon = scratch.write('ab a b |\n');
    const { code, out } = await runCli(
      ...['decode', logits, '--tokens', scratch.write(`${symbols.join('\n')}\n`)],
      ...['--lexicon', lexicon, '--json'],
    );
    assert.equal(code, 0);
    assert.equal(parse(out).lines[0]!.paths[0]!.text, 'ab');
  });
});
