// The command line as a process: what it prints and how it ends.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readNpy } from '../lib/io/npy.js';
import { npyBytes, root, Scratch } from './io.helpers.js';

const main = join(root, 'dist/cjs/cli/main.js');
const { version } = createRequire(import.meta.url)(join(root, 'package.json'));

interface Run {
  code: number;
  out: string;
  err: string;
}

function run(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { cwd: root }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

interface Line {
  type: string;
  id: string;
  index: number;
  line: number;
  status: string;
  reason: string | null;
  frames: number;
  labels: number | null;
  framesNeeded: number | null;
  loss: number | null;
  lossPerLabel: number | null;
}

interface SummaryLine {
  type: string;
  utterances: number;
  statuses: Record<string, number>;
  labels: number;
  loss: { sum: number | null; mean: number | null; perLabel: number | null };
  worst: { index: number; id: string; loss: number; lossPerLabel: number }[];
  array: { shape: number[]; layout: string; type: string; input: string; blank: number };
  warnings: string[];
}

function parseJson(out: string): { lines: Line[]; summary: SummaryLine } {
  const objects = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const summary = objects.pop();
  assert.equal(summary.type, 'summary');
  assert.ok(objects.every(({ type }) => type === 'utterance'));
  return { lines: objects, summary };
}

function assertClose(actual: number | null, expected: number, tolerance = 1e-6): void {
  assert.ok(
    actual !== null && Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${actual} is not ${expected}`,
  );
}

it('a standard output that is full ends a command in one line, with 3', async () => {
  const fd = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [main, 'doctor'], { stdio: ['ignore', fd, 'pipe'] });
  closeSync(fd);
  let err = '';
  child.stderr!.on('data', (chunk) => {
    err += chunk;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 3);
  assert.match(err, /^error: standard output: cannot be written: the disk is full\..*\n$/);
});

/** The files and the float64 reference of a bundled model. */
function bundled(name: 'ocr' | 'speech') {
  const at = (file: string) => join('examples/data', name, file);
  const reference = JSON.parse(readFileSync(join(root, at('reference.json')), 'utf8')) as Record<
    'final' | 'shuffled',
    { sum: number; mean: number }
  > & { blank: number; utterances: { id: string; final: number; shuffled: number }[] };
  const [logits, manifest, shuffled, tokens] = [
    'logits.npy',
    'manifest.jsonl',
    'manifest_shuffled.jsonl',
    'tokens.txt',
  ].map(at) as [string, string, string, string];
  return { logits, manifest, shuffled, tokens, reference };
}

/** The bundled array of the speech model, time-major. */
async function readSpeech(): Promise<{ data: Float32Array; shape: number[] }> {
  const { data, shape } = await readNpy(join(root, 'examples/data/speech/logits.npy'));
  assert.ok(data instanceof Float32Array);
  return { data, shape };
}

describe('node-ctc loss', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const ocr = bundled('ocr');
  const speech = bundled('speech');

  describe('on the bundled models', () => {
    for (const [name, data] of Object.entries({ ocr, speech })) {
      for (const column of ['final', 'shuffled'] as const) {
        it(`${name}, ${column}: every loss and mean meets PyTorch in float64`, async () => {
          const manifest = column === 'final' ? data.manifest : data.shuffled;
          const { code, out, err } = await run(
            ...['loss', data.logits, manifest, '--tokens', data.tokens, '--json'],
          );
          assert.deepEqual([code, err], [0, '']);
          const { lines, summary } = parseJson(out);
          const { utterances } = data.reference;
          assert.equal(lines.length, utterances.length);
          for (const [n, line] of lines.entries()) {
            assert.deepEqual([line.index, line.id, line.status], [n, utterances[n]!.id, 'ok']);
            assertClose(line.loss, utterances[n]![column]);
          }
          assertClose(summary.loss.sum, data.reference[column].sum);
          assertClose(summary.loss.mean, data.reference[column].mean);
          assertClose(summary.loss.perLabel, data.reference[column].sum / summary.labels);
          assert.equal(summary.array.blank, data.reference.blank);
          assert.deepEqual(summary.statuses, { ok: utterances.length });
          const ratios = lines.map((line) => line.lossPerLabel!).sort((a, b) => b - a);
          assert.deepEqual(
            summary.worst.map(({ lossPerLabel }) => lossPerLabel),
            ratios.slice(0, 5),
          );
        });
      }
    }

    it('prints a table, the worst utterances and a summary', async () => {
      const { code, out, err } = await run(
        ...['loss', speech.logits, speech.manifest, '--tokens', speech.tokens, '--worst', '2'],
      );
      assert.deepEqual([code, err], [0, '']);
      assert.ok(!out.includes('\u001b'), 'no colours in a pipe');
      const lines = out.split('\n');
      assert.equal(lines[0], 'id       frames  labels        loss  loss/label  text');
      assert.equal(
        lines[1],
        'sp-0000     127      25     18.3219      0.7329  lie osprey suits subsists',
      );
      assert.deepEqual(lines.slice(17, 24), [
        '',
        'Worst by loss per label',
        'sp-0006      71      16     24.6348      1.5397  worriers coyotes',
        'sp-0009      62      17     14.1458      0.8321  pleading chastise',
        '',
        'Summary',
        'utterances  16',
      ]);
      assert.match(lines[24]!, /^ok {10}16$/);
      assert.match(lines[25]!, /^loss sum {4}148\.7916/);
      assert.match(lines[26]!, /^loss mean {3}0\.38288\d{3} {2}each loss/);
      assert.match(lines[27]!, /^per label {3}0\.31193\d{3} {2}sum of losses \/ 477 labels$/);
    });
  });

  describe('reads the same numbers', () => {
    let expected: Line[];
    let values: Float32Array;
    before(async () => {
      values = (await readSpeech()).data;
      const { out } = await run(
        ...['loss', speech.logits, speech.manifest, '--tokens', speech.tokens, '--json'],
      );
      expected = parseJson(out).lines;
    });

    async function compare(path: string, tolerance: number, ...options: string[]) {
      const { code, out, err } = await run(
        ...['loss', path, speech.manifest, '--tokens', speech.tokens, '--json', ...options],
      );
      assert.deepEqual([code, err], [0, '']);
      const { lines, summary } = parseJson(out);
      for (const [n, line] of lines.entries())
        assertClose(line.loss, expected[n]!.loss!, tolerance);
      return summary;
    }

    const [frames, utterances, classes] = [168, 16, 29] as const;
    const shape = [frames, utterances, classes];
    it('batch-major', async () => {
      const data = new Float32Array(values.length);
      forEach(shape, (t, n, c, i) => {
        data[(n * frames + t) * classes + c] = values[i]!;
      });
      const path = scratch.write(npyBytes({ shape: [utterances, frames, classes], data }));
      const { array } = await compare(path, 0, '--layout', 'NTC');
      assert.deepEqual([array.layout, array.shape], ['NTC', [utterances, frames, classes]]);
    });

    it('in Fortran order', async () => {
      const data = new Float32Array(values.length);
      forEach(shape, (t, n, c, i) => {
        data[(c * utterances + n) * frames + t] = values[i]!;
      });
      await compare(scratch.write(npyBytes({ shape, data, fortranOrder: true })), 1e-7);
    });

    it('in float64, and as bfloat16 within its precision', async () => {
      const data = Float64Array.from(values);
      const wide = scratch.write(npyBytes({ descr: '<f8', shape, data }));
      assert.equal((await compare(wide, 1e-6)).array.type, 'float64');
      const bits = new Uint16Array(values.buffer, values.byteOffset, values.length * 2);
      const upper = Uint16Array.from({ length: values.length }, (_, i) => bits[2 * i + 1]!);
      const narrow = scratch.write(npyBytes({ descr: '|V2', shape, data: upper }));
      assert.equal((await compare(narrow, 0.2, '--bfloat16')).array.type, 'bfloat16');
    });

    it('as log-probabilities', async () => {
      const data = Float64Array.from(values);
      forEachRow(data, classes, (row) => {
        const sum = row.reduce((total, value) => total + Math.exp(value), 0);
        row.forEach((value, c) => {
          row[c] = value - Math.log(sum);
        });
      });
      const path = scratch.write(npyBytes({ descr: '<f8', shape, data }));
      const { array } = await compare(path, 1e-6, '--input', 'logProbs');
      assert.equal(array.input, 'logProbs');
    });

    it('of one utterance without a batch axis', async () => {
      const data = new Float32Array(frames * classes);
      forEach([frames, 1, classes], (t, _, c, i) => {
        data[i] = values[t * utterances * classes + c]!;
      });
      const array = scratch.write(npyBytes({ shape: [frames, classes], data }));
      const first = readFileSync(join(root, speech.manifest), 'utf8').split('\n')[0]!;
      const { code, out } = await run(
        ...['loss', array, scratch.write(first), '--tokens', speech.tokens, '--json'],
      );
      assert.equal(code, 0);
      const { lines, summary } = parseJson(out);
      assert.equal(lines[0]!.loss, expected[0]!.loss);
      assert.equal(summary.array.layout, 'TC');
    });

    it('with any number of threads, bit for bit', async () => {
      await compare(speech.logits, 0, '--threads', '1');
      await compare(speech.logits, 0, '--threads', '3');
    });
  });

  describe('reports faulty utterances and evaluates the others', () => {
    const faults: Record<number, [status: string, reason: RegExp]> = {
      0: ['unknown-symbol', /^no token for "Q" \(U\+0051\) at character 5$/],
      1: ['empty-text', /^the text is empty$/],
      2: ['frames-out-of-range', /^169 frames; the data has 168$/],
      3: ['nonfinite', /^NaN at frame 5, class 7$/],
      4: ['nonfinite', /^frame 8 is all -Infinity$/],
      5: ['nonfinite', /^Infinity at frame 9, class 2$/],
      6: ['duplicate-id', /^the id "sp-0005" is already on line 6$/],
      7: ['infeasible', /^needs 35 frames \(34 labels \+ 1 repeat\) and has 34$/],
      8: ['unknown-symbol', /^no token for "\\u001b" \(U\+001B\) at character 1$/],
      9: ['bad-row', /^"frames" is "many", not a count of frames$/],
      10: ['bad-row', /^not JSON: "\{"id": "sp-0010"/],
      11: ['infeasible', /^-Infinity in the array leaves no path for the text$/],
    };
    let files: string[];

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
      rows[8].text = '\u001b[31mred';
      rows[9].frames = 'many';
      const lines = rows.map((row) => JSON.stringify(row));
      lines[10] = '{"id": "sp-0010", "text": ';
      const { data, shape } = await readSpeech();
      const at = (t: number, n: number, c: number) => (t * 16 + n) * 29 + c;
      data[at(5, 3, 7)] = Number.NaN;
      data.fill(Number.NEGATIVE_INFINITY, at(8, 4, 0), at(8, 5, 0));
      data[at(9, 5, 2)] = Number.POSITIVE_INFINITY;
      // The text of sp-0011 has an h (class 7).
      for (let t = 0; t < 168; t++) data[at(t, 11, 7)] = Number.NEGATIVE_INFINITY;
      // Beyond an utterance's frames nothing counts.
      data.fill(Number.NaN, at(160, 12, 0), at(160, 13, 0));
      files = [
        scratch.write(npyBytes({ shape, data })),
        scratch.write(`\ufeff${lines.join('\r\n')}\r\n\r\n`),
        ...['--tokens', speech.tokens],
      ];
    });

    it('as JSON', async () => {
      const { code, out, err } = await run('loss', ...files, '--json');
      assert.deepEqual([code, err], [0, '']);
      const { lines, summary } = parseJson(out);
      assert.equal(lines.length, 16);
      for (const line of lines) {
        const fault = faults[line.index];
        if (fault === undefined) {
          assert.deepEqual([line.status, line.reason], ['ok', null]);
          assertClose(line.loss, speech.reference.utterances[line.index]!.final);
        } else {
          assert.deepEqual([line.status, line.loss, line.lossPerLabel], [fault[0], null, null]);
          assert.match(line.reason!, fault[1]);
        }
      }
      assert.deepEqual(summary.statuses, {
        ok: 4,
        'unknown-symbol': 2,
        'empty-text': 1,
        'frames-out-of-range': 1,
        nonfinite: 3,
        'duplicate-id': 1,
        infeasible: 2,
        'bad-row': 2,
      });
      const fine = lines.filter(({ status }) => status === 'ok');
      const mean = fine.reduce((sum, { lossPerLabel }) => sum + lossPerLabel!, 0) / fine.length;
      assertClose(summary.loss.mean, mean, 1e-12);
      assert.equal(summary.worst.length, 4);
    });

    it('as text, with control characters made harmless', async () => {
      const { code, out } = await run('loss', ...files);
      assert.equal(code, 0);
      assert.ok(!out.includes('\u001b'));
      assert.match(out, /^sp-0003 +96 +25 +- +- {2}nonfinite$/m);
      assert.match(out, /^Not evaluated: 12 utterances$/m);
      assert.match(out, /^sp-0007 \(line 8\) infeasible: needs 35 frames/m);
      assert.match(out, /^line-11 \(line 11\) bad-row: not JSON/m);
      assert.match(out, /^ok {10}4\n {12}2 unknown-symbol$/m);
    });

    it('with exit code 1 under --strict', async () => {
      assert.equal((await run('loss', ...files, '--strict', '--json')).code, 1);
      const fine = [speech.logits, speech.manifest, '--tokens', speech.tokens];
      assert.equal((await run('loss', ...fine, '--strict')).code, 0);
    });

    it('even when none can be evaluated', async () => {
      const rows = Array.from({ length: 16 }, (_, n) => `{"id": "${n}", "text": "9", "frames": 5}`);
      const manifest = scratch.write(rows.join('\n'));
      const args = ['loss', speech.logits, manifest, '--tokens', speech.tokens];
      const { code, out } = await run(...args, '--json');
      assert.equal(code, 0);
      assert.deepEqual(parseJson(out).summary.loss, { sum: 0, mean: null, perLabel: null });
      assert.match((await run(...args)).out, /^ok {10}0\n {12}16 unknown-symbol\n$/m);
    });
  });

  describe('ends with', () => {
    const fine = [speech.manifest, '--tokens', speech.tokens];
    const blankless = () => {
      const text = readFileSync(join(root, speech.tokens), 'utf8');
      return scratch.write(text.replace('<blank>', '_'));
    };
    const cases: [name: string, args: () => string[], code: number, message: RegExp][] = [
      ['2 without arguments', () => [], 2, /^Usage: node-ctc /],
      [
        '2 on an unknown command',
        () => ['los'],
        2,
        /unknown command 'los'.*\(Did you mean loss\?\)/s,
      ],
      [
        '2 on an unknown option',
        () => ['loss', 'a', 'b', '--tokens', 'c', '--treads', '1'],
        2,
        /unknown option '--treads'.*Did you mean --threads/s,
      ],
      ['2 without a manifest', () => ['loss', 'a.npy', '--tokens', 'c'], 2, /argument 'MANIFEST'/],
      ['2 without --tokens', () => ['loss', 'a.npy', 'b.jsonl'], 2, /option '--tokens <file>' not/],
      [
        '2 on a third file',
        () => ['loss', speech.logits, ...fine, 'extra'],
        2,
        /too many arguments for 'loss'/,
      ],
      [
        '2 on a wrong choice',
        () => ['loss', speech.logits, ...fine, '--layout', 'CTN'],
        2,
        /Allowed choices are TNC, NTC/,
      ],
      [
        '2 on a number that is none',
        () => ['loss', speech.logits, ...fine, '--threads', 'two'],
        2,
        /'two' is invalid\. It must be an integer from 1 to 1024/,
      ],
      [
        '2 on a blank below -1',
        () => ['loss', speech.logits, ...fine, '--blank', '-2'],
        2,
        /'-2' is invalid/,
      ],
      [
        '2 on a blank beyond the classes',
        () => ['loss', speech.logits, ...fine, '--blank', '29'],
        2,
        /^error: --blank is 29; classes are 0 to 28$/m,
      ],
      [
        '2 on a blank that the tokens contradict',
        () => ['loss', speech.logits, ...fine, '--blank', '0'],
        2,
        /--blank says class 0 and .*tokens\.txt has <blank> as class 28/,
      ],
      [
        '2 when nothing says which class is the blank',
        () => ['loss', speech.logits, speech.manifest, '--tokens', blankless()],
        2,
        /which class is the blank\?.*give --blank/,
      ],
      [
        '0 when --blank says it',
        () => ['loss', speech.logits, speech.manifest, '--tokens', blankless(), '--blank', '-1'],
        0,
        /^$/,
      ],
      [
        '3 on a missing array',
        () => ['loss', 'no.npy', ...fine],
        3,
        /^error: no\.npy: no such file/,
      ],
      [
        '3 on a missing manifest',
        () => ['loss', speech.logits, 'no.jsonl', '--tokens', speech.tokens],
        3,
        /^error: no\.jsonl: no such file/,
      ],
      [
        '3 on missing tokens',
        () => ['loss', speech.logits, speech.manifest, '--tokens', 'no.txt'],
        3,
        /^error: no\.txt: no such file/,
      ],
      [
        "3 on another model's tokens",
        () => ['loss', speech.logits, speech.manifest, '--tokens', ocr.tokens],
        3,
        /has 86 tokens and .*logits\.npy has 29 classes/,
      ],
      [
        '3 on tokens without a line for the blank',
        () => {
          const text = readFileSync(join(root, speech.tokens), 'utf8');
          const tokens = scratch.write(text.replace('<blank>\n', ''));
          return ['loss', speech.logits, speech.manifest, '--tokens', tokens];
        },
        3,
        /has 28 tokens and .* 29 classes.*Add the line <blank>/,
      ],
      [
        '3 on too few rows',
        () => {
          const rows = readFileSync(join(root, speech.manifest), 'utf8').split('\n').slice(0, 15);
          return ['loss', speech.logits, scratch.write(rows.join('\n')), '--tokens', speech.tokens];
        },
        3,
        /has 15 rows and .* holds 16 utterances \(168 x 16 x 29, read as TNC\)/,
      ],
      [
        '3 on the other layout',
        () => ['loss', speech.logits, ...fine, '--layout', 'NTC'],
        3,
        /has 16 rows and .* holds 168 utterances.*With --layout TNC they agree/,
      ],
      [
        '3 on an array with four axes',
        () => {
          const data = new Float32Array(29);
          return ['loss', scratch.write(npyBytes({ shape: [1, 1, 1, 29], data })), ...fine];
        },
        3,
        /has the shape \(1, 1, 1, 29\)\. Model outputs have three/,
      ],
      [
        '3 on bfloat16 that is float32',
        () => ['loss', speech.logits, ...fine, '--bfloat16'],
        3,
        /holds "<f4" elements, not the 16-bit ones/,
      ],
    ];
    for (const [name, args, code, message] of cases) {
      it(name, async () => {
        const result = await run(...args());
        assert.equal(result.code, code, result.err);
        assert.match(result.err, message);
        assert.equal(result.out === '', code !== 0);
      });
    }
  });

  describe('warns', () => {
    async function warningsOf(array: string, ...options: string[]): Promise<string[]> {
      const { code, out, err } = await run(
        ...['loss', array, speech.manifest, '--tokens', speech.tokens, '--json', ...options],
      );
      assert.equal(code, 0);
      const { warnings } = parseJson(out).summary;
      assert.equal(err, warnings.map((warning) => `warning: ${warning}\n`).join(''));
      return warnings;
    }

    it('when the rows look like probabilities', async () => {
      const { data, shape } = await readSpeech();
      forEachRow(data, 29, (row) => {
        const sum = row.reduce((total, value) => total + Math.exp(value), 0);
        row.forEach((value, c) => {
          row[c] = Math.exp(value) / sum;
        });
      });
      const path = scratch.write(npyBytes({ shape, data }));
      for (const input of ['logits', 'logProbs']) {
        const warnings = await warningsOf(path, '--input', input);
        assert.equal(warnings.length, 1);
        assert.match(warnings[0]!, /^the rows look like probabilities/);
      }
    });

    it('when log-probabilities look like scores', async () => {
      const warnings = await warningsOf(speech.logits, '--input', 'logProbs');
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, /^the rows do not look like log-probabilities/);
    });

    it('of bytes after the array', async () => {
      const path = scratch.write(
        Buffer.concat([readFileSync(join(root, speech.logits)), Buffer.from('more')]),
      );
      assert.match((await warningsOf(path))[0]!, /: 4 bytes after the array are ignored$/);
    });
  });

  describe('under way', () => {
    // Zeros without blocks on disk: 1 GiB in chunks of 256 MiB, so that there is time to interfere.
    const [utterances, frames, classes] = [4096, 2048, 32] as const;
    let args: string[];
    before(() => {
      const path = join(scratch.folder, 'large.npy');
      const file = openSync(path, 'w');
      writeSync(file, npyBytes({ shape: [utterances, frames, classes] }));
      closeSync(file);
      truncateSync(path, statSync(path).size + utterances * frames * classes * 4);
      const tokens = Array.from({ length: classes }, (_, c) => (c === 0 ? '<blank>' : `<${c}>`));
      const text = Array.from({ length: 200 }, (_, i) => `<${1 + (i % 31)}>`).join('');
      const rows = Array.from({ length: utterances }, (_, n) => JSON.stringify({ id: n, text }));
      args = ['loss', path, scratch.write(rows.join('\n')), '--layout', 'NTC'];
      args.push('--tokens', scratch.write(tokens.join('\n')), '--threads', '1');
    });

    function start(): { child: ChildProcess; ended: Promise<[number | null, string]> } {
      const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      let err = '';
      child.stderr!.on('data', (text) => {
        err += text;
      });
      const ended = new Promise<[number | null, string]>((resolve) => {
        child.once('close', (code) => resolve([code, err]));
      });
      return { child, ended };
    }

    it('is interrupted by SIGINT with exit code 130', async function () {
      // Windows ends a process at once that is sent SIGINT by another.
      if (process.platform === 'win32') this.skip();
      const { child, ended } = start();
      child.stdout!.once('data', () => child.kill('SIGINT'));
      child.stdout!.resume();
      assert.deepEqual(await ended, [128 + constants.signals.SIGINT, 'interrupted\n']);
    });

    it('stops without a word when nobody reads on', async () => {
      const { child, ended } = start();
      child.stdout!.once('data', () => child.stdout!.destroy());
      assert.deepEqual(await ended, [0, '']);
    });
  });
});

describe('node-ctc', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  it('explains itself and its commands with examples', async () => {
    const general = await run('--help');
    assert.deepEqual([general.code, general.err], [0, '']);
    for (const command of ['eval', 'merge', 'loss', 'doctor', 'build'])
      assert.match(general.out, RegExp(`^  ${command} `, 'm'));
    const loss = await run('loss', '--help');
    assert.deepEqual([loss.code, loss.err], [0, '']);
    assert.equal((await run('help', 'loss')).out, loss.out);
    assert.match(loss.out, /^Usage: node-ctc loss <LOGITS> <MANIFEST> --tokens <file>/);
    assert.match(loss.out, /^Examples:$/m);
    const options = [...loss.out.matchAll(/^ {2}(--[a-z0-9-]+)/gm)].map(([, option]) => option);
    assert.deepEqual(options, [
      '--tokens',
      '--blank',
      '--layout',
      '--input',
      '--array',
      '--id-column',
      '--bfloat16',
      '--worst',
      '--threads',
      '--strict',
      '--json',
    ]);
    for (const line of loss.out.split('\n')) assert.ok(line.length <= 80, line);
  });

  it('tells what is loaded', async () => {
    const { code, out, err } = await run('info', '--json');
    assert.deepEqual([code, err], [0, '']);
    const facts = JSON.parse(out);
    assert.equal(facts.version, version);
    assert.ok(facts.isas.includes(facts.isa));
    assert.match(facts.binary, /ctc\.node$/);
    assert.match((await run('info')).out, RegExp(`^instructions  ${facts.isa}`, 'm'));
  });

  it('tells its version', async () => {
    assert.deepEqual(await run('--version'), { code: 0, out: `${version}\n`, err: '' });
  });

  /** The modules that a run loads, but the parser's: V8 lists every one. */
  async function modulesOf(name: string, ...args: string[]): Promise<string[]> {
    const folder = join(scratch.folder, name);
    const env = { ...process.env, NODE_V8_COVERAGE: folder };
    await promisify(execFile)(process.execPath, [main, ...args], { env, cwd: root });
    const [report] = readdirSync(folder);
    const { result } = JSON.parse(readFileSync(join(folder, report!), 'utf8')) as {
      result: { url: string }[];
    };
    return result
      .filter(({ url }) => url.startsWith('file:') && !url.includes('/node_modules/commander/'))
      .map(({ url }) => url.slice(url.search(/\/(dist|node_modules)\//)));
  }

  it('loads the parser and the command, and nothing else, before it has to work', async () => {
    for (const args of [['--version'], ['loss', '--help'], ['eval', '--help']]) {
      const loaded = await modulesOf(`loaded-${args[0]}`, ...args);
      assert.ok(loaded.length > 0 && loaded.length < 15, `${args.join(' ')}: ${loaded.join(' ')}`);
    }
  });

  it('loads the reader of the format that is there, and no other', async () => {
    const { logits, manifest, tokens } = bundled('speech');
    const loaded = await modulesOf('loaded-npy', 'loss', logits, manifest, '--tokens', tokens);
    assert.ok(loaded.some((module) => module.endsWith('/io/npy.js')));
    const others =
      /node_modules|\/io\/(npz|zip|safetensors|kaldi|hdf5|parquet|arrow|contained|fileList)/;
    assert.deepEqual(
      loaded.filter((module) => others.test(module)),
      [],
    );
  });
});

describe('the demo', () => {
  it('prints losses that meet their references', (done) => {
    execFile(process.execPath, ['examples/demo.mjs'], { cwd: root }, (error, out, err) => {
      assert.deepEqual([error, err], [null, '']);
      assert.match(out, /^ {2}ocr-0000 {5}0\.0794 {6}ocr-0022 {5}0\.0564 {6}ocr-0044 {5}0\.0131$/m);
      assert.match(out, /^ {2}mean loss {7}0\.01384/m);
      assert.match(out, /^ {2}mean loss {7}0\.38288/m);
      assert.match(out, /^ {2}mean loss {7}20\.68828/m);
      for (const line of out.split('\n')) assert.ok([...line].length <= 100, line);
      done();
    });
  });
});

function forEach(
  [frames, utterances, classes]: readonly number[],
  visit: (t: number, n: number, c: number, index: number) => void,
): void {
  for (let t = 0; t < frames!; t++) {
    for (let n = 0; n < utterances!; n++) {
      for (let c = 0; c < classes!; c++) visit(t, n, c, (t * utterances! + n) * classes! + c);
    }
  }
}

function forEachRow<A extends { subarray(start: number, end: number): A; length: number }>(
  data: A,
  classes: number,
  visit: (row: A) => void,
): void {
  for (let i = 0; i < data.length; i += classes) visit(data.subarray(i, i + classes));
}
