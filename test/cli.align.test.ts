// `node-ctc align` as a process: every format, faulty utterances, stars, wrong usage.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readNpy } from '../lib/io/npy.js';
import { npyBytes, Scratch } from './io.helpers.js';
import { bundledFiles, runCli } from './support/cli.js';
import { root } from './support/paths.js';
import { trueTimes } from './support/real.js';

interface Piece {
  text: string;
  startFrame: number;
  endFrame: number;
  start: number | null;
  end: number | null;
  score: number;
}

interface Line {
  type: string;
  index: number;
  id: string;
  status: string;
  reason: string | null;
  text: string;
  frames: number | null;
  logProbability: number | null;
  words: Piece[] | null;
  characters: Piece[] | null;
}

function parse(out: string): { lines: Line[]; summary: Record<string, unknown> } {
  const lines = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const summary = lines.pop();
  assert.equal(summary.type, 'summary');
  return { lines, summary };
}

const speech = bundledFiles('speech');
const ocr = bundledFiles('ocr');
const files = [speech.logits, speech.manifest, '--tokens', speech.tokens];
const align = (...options: string[]) => runCli('align', ...files, ...options);

describe('node-ctc align', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  describe('--json', () => {
    it('has every word of the speech model inside its true interval', async () => {
      const { code, out, err } = await align('--json', '--frame-seconds', '0.02');
      assert.deepEqual([code, err], [0, '']);
      const { lines, summary } = parse(out);
      assert.deepEqual(summary.statuses, { ok: 16 });
      assert.deepEqual([summary.frameSeconds, summary.star], [0.02, null]);
      trueTimes().speech.forEach(({ id, words, spans }, n) => {
        const line = lines[n]!;
        assert.deepEqual([line.id, line.status, line.reason], [id, 'ok', null]);
        assert.deepEqual(
          line.words!.map(({ text }) => text),
          words,
        );
        assert.equal(line.characters!.map(({ text }) => text).join(''), line.text);
        line.words!.forEach(({ startFrame, endFrame, start, end, score }, i) => {
          const middle = (startFrame + endFrame) / 2;
          assert.ok(middle > spans[i]![0] && middle < spans[i]![1]);
          assert.deepEqual([start, end], [round(startFrame * 0.02), round(endFrame * 0.02)]);
          assert.ok(score > 0 && score <= 1);
        });
        assert.ok(line.logProbability! < 0);
      });
    });

    it('is the same as --format json, and has frames alone without --frame-seconds', async () => {
      const [a, b] = await Promise.all([
        align('--json'),
        align('--format', 'json', '--threads', '1'),
      ]);
      assert.equal(a.out, b.out);
      const [first] = parse(a.out).lines as [Line];
      assert.deepEqual([first.words![0]!.start, first.words![0]!.end], [null, null]);
    });

    it('has the characters of the OCR model near their true places', async () => {
      const { out } = await runCli(
        'align',
        ocr.logits,
        ocr.manifest,
        '--tokens',
        ocr.tokens,
        '--json',
      );
      const offsets = trueTimes().ocr.flatMap(({ spans }, n) =>
        parse(out).lines[n]!.characters!.map(({ startFrame, endFrame }, i) =>
          Math.abs((startFrame + endFrame) / 2 - (spans[i]![0] + spans[i]![1]) / 2),
        ),
      );
      assert.ok(offsets.reduce((sum, x) => sum + x, 0) / offsets.length < 0.35);
    });
  });

  it('prints a row for each word, or for each character', async () => {
    const words = await align();
    assert.deepEqual([words.code, words.err], [0, '']);
    const lines = words.out.trimEnd().split('\n');
    assert.deepEqual(lines.slice(0, 3), [
      'id       from frame   to frame  mean p  word',
      'sp-0000          5         22  0.6616  lie',
      'sp-0000         24         41  0.7670  osprey',
    ]);
    assert.equal(lines.length, 81);
    const characters = await align('--tier', 'characters', '--frame-seconds', '0.02');
    const rows = characters.out.split('\n');
    assert.equal(rows[0], 'id          from s       to s  mean p  character');
    assert.equal(rows[4], 'sp-0000      0.440      0.480  0.7479  ␣');
    assert.equal(rows.length, 1 + 477 + 1);
  });

  it('writes CTM', async () => {
    const { code, out, err } = await align('--format', 'ctm', '--frame-seconds', '0.02');
    assert.deepEqual([code, err], [0, '']);
    const lines = out.trimEnd().split('\n');
    assert.equal(lines.length, 80);
    assert.equal(lines[0], 'sp-0000 1 0.100 0.340 lie 0.6616');
    for (const line of lines) {
      assert.match(line, /^sp-\d{4} 1 \d+\.\d{3} \d+\.\d{3} [a-z']+ [01]\.\d{4}$/);
    }
    const characters = await align(
      '--format',
      'ctm',
      '--tier',
      'characters',
      '--frame-seconds',
      '0.02',
    );
    assert.match(characters.out, /^sp-0000 1 0\.440 0\.040 <space> 0\.7479$/m);
  });

  it('writes a TextGrid for each utterance', async () => {
    const folder = join(scratch.folder, 'deep', 'grids');
    const { code, out } = await align(
      ...['--format', 'textgrid', '--frame-seconds', '0.02', '--out-dir', folder],
    );
    assert.deepEqual([code, out], [0, `16 files in ${folder}\n`]);
    assert.equal(readdirSync(folder).length, 16);
    const grid = readFileSync(join(folder, 'sp-0000.TextGrid'), 'utf8');
    const { duration, tiers } = readTextGrid(grid);
    assert.equal(duration, 2.54);
    assert.deepEqual(Object.keys(tiers), ['words', 'characters']);
    const words = tiers.words!.filter(({ text }) => text !== '');
    assert.deepEqual(
      words.map(({ text }) => text),
      ['lie', 'osprey', 'suits', 'subsists'],
    );
    assert.deepEqual([words[0]!.start, words[0]!.end], [0.1, 0.44]);
    assert.equal(tiers.characters!.map(({ text }) => text).join(''), 'lie osprey suits subsists');
    for (const intervals of Object.values(tiers)) {
      intervals.forEach(({ start, end }, i) => {
        assert.ok(end > start);
        assert.equal(start, i === 0 ? 0 : intervals[i - 1]!.end, 'no gap and no overlap');
      });
      assert.equal(intervals.at(-1)!.end, duration);
    }
  });

  it('writes the one TextGrid of one utterance to standard output, quotes doubled', async () => {
    const data = Float32Array.of(0, 9, 0, 0, 0, 9);
    const array = scratch.write(npyBytes({ shape: [2, 3], data }));
    const manifest = scratch.write('{"id": "a", "text": "\\"q"}\n');
    const tokens = scratch.write('<blank>\n"\nq\n');
    const { code, out } = await runCli(
      ...[
        'align',
        array,
        manifest,
        '--tokens',
        tokens,
        '--format',
        'textgrid',
        '--frame-seconds',
        '1',
      ],
    );
    assert.equal(code, 0);
    assert.deepEqual(readTextGrid(out).tiers, {
      words: [{ start: 0, end: 2, text: '"q' }],
      characters: [
        { start: 0, end: 1, text: '"' },
        { start: 1, end: 2, text: 'q' },
      ],
    });
  });

  describe('reports faulty utterances and aligns the others', () => {
    let faulty: string[];
    before(async () => {
      const rows = readFileSync(join(root, speech.manifest), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      rows[0].text = 'lie Queen';
      rows[1].text = '';
      rows[2].frames = 169;
      rows[6].id = 'sp-0005';
      rows[7].frames = 34;
      rows[8].id = ';;a b/../c';
      rows[9].id = ';;a b/..\\c';
      const lines = rows.map((row) => JSON.stringify(row));
      lines[10] = '{"id": "sp-0010", "text": ';
      const { data, shape } = await readNpy(join(root, speech.logits));
      (data as Float32Array)[(5 * 16 + 3) * 29 + 7] = Number.NaN;
      // The text of sp-0011 has an h (class 7).
      for (let t = 0; t < 168; t++) (data as Float32Array)[(t * 16 + 11) * 29 + 7] = -Infinity;
      faulty = [
        scratch.write(npyBytes({ shape, data })),
        scratch.write(lines.join('\n')),
        ...['--tokens', speech.tokens],
      ];
    });
    const expected: [id: string, status: string, reason: string][] = [
      ['sp-0000', 'unknown-symbol', 'no token for "Q" (U+0051) at character 5'],
      ['sp-0001', 'empty-text', 'the text is empty'],
      ['sp-0002', 'frames-out-of-range', '169 frames; the data has 168'],
      ['sp-0003', 'nonfinite', 'NaN at frame 5, class 7'],
      ['sp-0005', 'duplicate-id', 'the id "sp-0005" is already on line 6'],
      ['sp-0007', 'infeasible', 'needs 35 frames (34 labels + 1 repeat) and has 34'],
      ['line-11', 'bad-row', 'not JSON: "{"id": "sp-0010", "text": "'],
      ['sp-0011', 'infeasible', '-Infinity in the array leaves no path for the text'],
    ];

    it('as JSON', async () => {
      const { code, out } = await runCli('align', ...faulty, '--json');
      assert.equal(code, 0);
      const { lines, summary } = parse(out);
      assert.deepEqual(
        lines.flatMap(({ id, status, reason }) => (status === 'ok' ? [] : [[id, status, reason]])),
        expected,
      );
      for (const { status, words, characters, logProbability } of lines) {
        const values = [words, characters, logProbability];
        assert.ok(values.every((value) => (value !== null) === (status === 'ok')));
      }
      assert.deepEqual(summary.statuses, {
        ok: 8,
        'unknown-symbol': 1,
        'empty-text': 1,
        'frames-out-of-range': 1,
        nonfinite: 1,
        'duplicate-id': 1,
        infeasible: 2,
        'bad-row': 1,
      });
    });

    it('as text, and with 1 under --strict', async () => {
      const { code, out } = await runCli('align', ...faulty, '--strict');
      assert.equal(code, 1);
      assert.match(out, /^Not aligned: 8 utterances$/m);
      assert.match(out, /^sp-0003 \(line 4\) nonfinite: NaN at frame 5, class 7$/m);
      assert.match(out, /^sp-0004 +\d+ +\d+ +0\.\d+ {2}[a-z]+$/m);
    });

    it('as comments in CTM, whose ids have no white space', async () => {
      const { out, err } = await runCli(
        'align',
        ...faulty,
        '--format',
        'ctm',
        '--frame-seconds',
        '0.02',
      );
      assert.match(out, /^;; sp-0003 nonfinite: NaN at frame 5, class 7$/m);
      assert.match(out, /^__a_b\/\.\.\/c 1 \d/m);
      assert.match(err, /^warning: CTM has no room for white space in ids/);
      const rest = out.split('\n').filter((line) => line !== '' && !line.startsWith(';;'));
      assert.ok(rest.every((line) => line.split(' ').length === 6));
    });

    it('on standard error beside TextGrids, whose files stay in their folder', async () => {
      const folder = join(scratch.folder, 'faulty');
      const { code, out, err } = await runCli(
        ...['align', ...faulty, '--format', 'textgrid', '--frame-seconds', '0.02'],
        ...['--out-dir', folder],
      );
      assert.deepEqual([code, out], [0, `8 files in ${folder}\n`]);
      assert.match(err, /^Not aligned: 8 utterances$/m);
      const names = readdirSync(folder);
      assert.equal(names.length, 8);
      assert.ok(names.includes('__a_b_.._c.TextGrid') && names.includes('__a_b_.._c-9.TextGrid'));
    });
  });

  it('aligns partial transcripts with a star', async () => {
    const rows = readFileSync(join(root, speech.manifest), 'utf8').trimEnd().split('\n');
    const texts = rows.map((line) => JSON.parse(line));
    // lie osprey suits subsists
    texts[0].text = 'lie * subsists';
    const manifest = scratch.write(texts.map((row) => JSON.stringify(row)).join('\n'));
    const command = ['align', speech.logits, manifest, '--tokens', speech.tokens, '--json'];
    const whole = parse((await align('--json')).out).lines[0]!;
    for (const means of ['anything', 'label']) {
      const { code, out } = await runCli(...command, '--star', '*', '--star-means', means);
      assert.equal(code, 0);
      const { lines, summary } = parse(out);
      assert.deepEqual(summary.star, { symbol: '*', means });
      const { words } = lines[0]!;
      assert.deepEqual(
        words!.map(({ text }) => text),
        ['lie', '*', 'subsists'],
      );
      if (means === 'label') continue; // one label is too little for two words
      assert.equal(words![2]!.endFrame, whole.words![3]!.endFrame);
      assert.ok(words![1]!.startFrame < whole.words![1]!.endFrame);
      assert.ok(words![1]!.endFrame > whole.words![2]!.startFrame);
    }
    const refused = await runCli(...command);
    assert.match(parse(refused.out).lines[0]!.reason!, /^no token for "\*"/);
  });

  it('takes words from pieces that begin with a delimiter', async () => {
    const pieces = ['<blank>', '▁a', 'b', '▁c'];
    const path = [1, 2, 0, 3];
    const data = new Float32Array(16);
    path.forEach((label, t) => {
      data[t * 4 + label] = 9;
    });
    const array = scratch.write(npyBytes({ shape: [4, 4], data }));
    const manifest = scratch.write('{"id": "x", "text": "▁ab▁c"}');
    const tokens = scratch.write(pieces.join('\n'));
    const command = ['align', array, manifest, '--tokens', tokens, '--json'];
    const split = parse((await runCli(...command, '--word-delimiter', '▁')).out).lines[0]!;
    assert.deepEqual(
      split.words!.map(({ text, startFrame, endFrame }) => [text, startFrame, endFrame]),
      [
        ['ab', 0, 2],
        ['c', 3, 4],
      ],
    );
    const whole = parse((await runCli(...command)).out).lines[0]!;
    assert.deepEqual(
      whole.words!.map(({ text }) => text),
      ['▁ab▁c'],
    );
  });

  it('refuses wrong usage with 2', async () => {
    const cases: [options: string[], message: RegExp][] = [
      [['--format', 'ctm'], /^error: --format ctm has times in seconds: give --frame-seconds/],
      [
        ['--format', 'textgrid', '--frame-seconds', '1'],
        /^error: 16 utterances make as many TextGrid files: give --out-dir/,
      ],
      [['--star-means', 'label'], /^error: --star-means goes with --star$/m],
      [['--out-dir', 'x'], /^error: --out-dir is for --format textgrid/],
      [
        ['--json', '--format', 'ctm', '--frame-seconds', '1'],
        /^error: --json and --format ctm exclude/,
      ],
      [['--frame-seconds', '0'], /It must be a number from/],
      [['--frame-seconds', 'NaN'], /It must be a number from/],
      [['--star', 'a'], /^error: --star is 'a', which is a token/],
      [['--star', ''], /^error: --star is empty/],
      [['--word-delimiter', 'QQ'], /^error: --word-delimiter is 'QQ', and no token/],
      [['--format', 'srt'], /Allowed choices are text, json, ctm, textgrid/],
      [['--threads', '0'], /integer from 1 to 1024/],
    ];
    const runs = await Promise.all(cases.map(([options]) => align(...options)));
    runs.forEach(({ code, out, err }, i) => {
      assert.deepEqual([code, out], [2, ''], err);
      assert.match(err, cases[i]![1]);
    });
  });

  it('says which file cannot be written, with 3', async () => {
    const taken = scratch.write('a file');
    const { code, err } = await align(
      ...['--format', 'textgrid', '--frame-seconds', '1', '--out-dir', taken],
    );
    assert.equal(code, 3);
    assert.match(err, /cannot be a folder: it is a file\. Name another\n$/);
  });
});

const round = (seconds: number) => Math.round(seconds * 1e6) / 1e6;

interface Interval {
  start: number;
  end: number;
  text: string;
}

/** Praat's long text format, as far as it is written here; the counts must be right. */
function readTextGrid(grid: string): { duration: number; tiers: Record<string, Interval[]> } {
  assert.match(grid, /^File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = /);
  const tiers: Record<string, Interval[]> = {};
  for (const tier of grid.split(/ {4}item \[\d+\]:\n/).slice(1)) {
    const intervals = [
      ...tier.matchAll(/intervals \[\d+\]:\n +xmin = (.*)\n +xmax = (.*)\n +text = "(.*)"\n/g),
    ].map(([, start, end, text]) => ({
      start: Number(start),
      end: Number(end),
      text: text!.replaceAll('""', '"'),
    }));
    assert.equal(Number(/intervals: size = (\d+)/.exec(tier)![1]), intervals.length);
    tiers[/name = "(.*)"/.exec(tier)![1]!] = intervals;
  }
  return { duration: Number(/^xmax = (.*)$/m.exec(grid)![1]), tiers };
}
