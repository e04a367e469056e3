// `node-ctc eval` and `node-ctc merge` as processes: what they write, print, and how they end.

import assert from 'node:assert/strict';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { openInputs } from '../lib/eval/inputs.js';
import type { EvalRecord } from '../lib/eval/record.js';
import { columns } from '../lib/eval/record.js';
import type { SummaryFile } from '../lib/eval/report.js';
import { evaluateShard } from '../lib/eval/run.js';
import { ctcLossSync } from '../lib/index.js';
import { errorRate } from '../lib/metrics.js';
import { root, Scratch } from './io.helpers.js';
import { makeCase, parseLines, readLines, run, splitCase, symbols } from './support/evalCase.js';

type Line = EvalRecord & { type: string };

const speech = ['eval', 'examples/data/speech/logits.npy', '--manifest'];
const speechArgs = [
  ...[...speech, 'examples/data/speech/manifest.jsonl'],
  ...['--tokens', 'examples/data/speech/tokens.txt'],
];

describe('node-ctc eval', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  let folders = 0;
  const newFolder = () => join(scratch.folder, `out-${folders++}`);
  const readJson = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'));

  describe('on a bundled model', () => {
    it('finds the losses that PyTorch finds', async () => {
      const { code, out, err } = await run([...speechArgs, '--json']);
      assert.deepEqual([code, err], [0, '']);
      const lines = parseLines<Line>(out);
      const summary = lines.pop() as unknown as SummaryFile & { type: string };
      assert.equal(summary.type, 'summary');
      const reference = readJson(root, 'examples/data/speech/reference.json');
      lines.forEach((line, n) => {
        assert.equal(line.type, 'utterance');
        const expected = reference.utterances[n].final;
        assert.ok(Math.abs(line.loss! - expected) < 1e-6 * expected);
      });
      assert.ok(Math.abs(summary.loss.sum - reference.final.sum) < 1e-4);
      assert.ok(Math.abs(summary.loss.mean! - reference.final.mean) < 1e-6);
    });

    it('prints the worst utterances and a summary, without colours in a pipe', async () => {
      const { code, out, err } = await run([...speechArgs, '--worst', '1']);
      assert.deepEqual([code, err], [0, '']);
      assert.ok(!out.includes('\u001b'));
      const lines = out.split('\n').map((line) => line.replace(/ {2,}/g, '  '));
      assert.deepEqual(lines.slice(0, 9), [
        'Worst by loss per label',
        'id  loss  loss/label  CER  text / greedy text',
        'sp-0006  24.6348  1.5397  31.3%  worriers coyotes',
        "  wori's ciotes",
        '',
        'Summary',
        'utterances  16',
        'ok  16',
        'loss sum  148.791639',
      ]);
      assert.ok(
        lines.includes('CER  7.76%  37 / 477 characters: 17 substituted, 17 missing, 3 inserted'),
      );
    });
  });

  describe('writes records', () => {
    const given = makeCase(scratch);
    const folder = newFolder();
    let records: EvalRecord[];
    before(async () => {
      const { code, err } = await run([...given.args, '--out', folder]);
      assert.deepEqual([code, err], [0, '']);
      records = readLines(join(folder, 'results.jsonl'));
    });

    it('into a folder that holds nothing else', () => {
      assert.deepEqual(readdirSync(folder).sort(), [
        'results.jsonl',
        'summary.json',
        'timings.json',
      ]);
      assert.ok(readJson(folder, 'timings.json').utterancesPerSecond > 0);
    });

    it('with every field, in order', () => {
      assert.equal(records.length, 40);
      for (const [n, record] of records.entries()) {
        assert.deepEqual(
          Object.keys(record),
          columns.map(({ name }) => name),
        );
        assert.deepEqual([record.index, record.id, record.status], [n, `utt-${n}`, 'ok']);
        assert.equal(record.frames, 24 - (n % 3));
      }
    });

    it('that agree with the library', () => {
      const rows = readLines<{ text: string; frames: number }>(given.manifest);
      const data = new Float32Array(
        Uint8Array.from(readFileSync(given.data)).buffer.slice(-40 * 24 * 6 * 4),
      );
      const targets = rows.map(({ text }) => Array.from(text, (symbol) => symbols.indexOf(symbol)));
      const { losses } = ctcLossSync({ data, shape: [40, 24, 6] }, targets, {
        layout: 'NTC',
        inputLengths: rows.map(({ frames }) => frames),
        reduction: 'none',
      });
      for (const [n, record] of records.entries()) {
        const labels = targets[n]!.length;
        const repeats = targets[n]!.filter((label, i) => label === targets[n]![i - 1]).length;
        assert.equal(record.loss, losses[n]);
        assert.equal(record.lossPerLabel, losses[n]! / Math.max(labels, 1));
        assert.equal(record.lossPerFrame, losses[n]! / record.frames!);
        assert.equal(record.labels, labels);
        assert.equal(record.framesNeeded, labels + repeats);
        for (const [unit, rate, total] of [
          ['character', 'cer', 'chars'],
          ['word', 'wer', 'words'],
        ] as const) {
          const errors = errorRate(record.text, record.greedyText!, { unit });
          assert.equal(record[total], errors.referenceLength);
          assert.equal(record[rate], errors.referenceLength > 0 ? errors.rate : null);
        }
        assert.ok(record.blankRatio! > 0 && record.blankRatio! <= 1);
        if (record.greedyText === '') assert.equal(record.confidence, null);
        else assert.ok(record.confidence! > 0.2 && record.confidence! <= 1);
      }
    });

    it('and a summary that is the sum of them', () => {
      const summary = readJson(folder, 'summary.json') as SummaryFile;
      const { cer, wer, loss } = summary;
      const sum = (name: keyof EvalRecord) =>
        records.reduce((total, record) => total + (record[name] as number), 0);
      assert.equal(summary.utterances, 40);
      assert.deepEqual(summary.statuses, { ok: 40 });
      assert.ok(Math.abs(loss.sum - sum('loss')) < 1e-9);
      assert.equal(loss.perLabel, loss.sum / sum('labels'));
      assert.equal(loss.perFrame, loss.sum / sum('frames'));
      assert.equal(
        cer.errors,
        sum('charSubstitutions') + sum('charDeletions') + sum('charInsertions'),
      );
      assert.equal(cer.rate, cer.errors / sum('chars'));
      assert.equal(wer.reference, sum('words'));
      const ranked = records.toSorted((a, b) => b.lossPerLabel! - a.lossPerLabel!).slice(0, 10);
      assert.deepEqual(
        summary.worst.map(({ id }) => id),
        ranked.map(({ id }) => id),
      );
      for (const bins of Object.values(summary.histograms)) {
        assert.ok(bins.every(({ count }) => count > 0));
      }
      assert.equal(
        summary.histograms.lossPerLabel.reduce((total, { count }) => total + count, 0),
        40,
      );
      assert.deepEqual(summary.warnings, []);
    });

    it('the same bytes for any threads and size of batches', async () => {
      const out = newFolder();
      const { code } = await run([
        ...given.args,
        '--out',
        out,
        '--threads',
        '1',
        '--batch-mb',
        '1',
      ]);
      assert.equal(code, 0);
      for (const name of ['results.jsonl', 'summary.json']) {
        assert.deepEqual(readFileSync(join(out, name)), readFileSync(join(folder, name)), name);
      }
    });

    it('as CSV, too', async () => {
      const out = newFolder();
      const odd = makeCase(scratch, { utterances: 3 }, (n, fields) => ({
        ...fields,
        id: ['a,b', 'say "a"', 'two\nlines'][n],
      }));
      const { code } = await run([...odd.args, '--out', out, '--format', 'csv']);
      assert.equal(code, 0);
      const text = readFileSync(join(out, 'results.csv'), 'utf8');
      assert.ok(text.startsWith(`${columns.map(({ name }) => name).join(',')}\n0,"a,b",ok,,24,`));
      assert.ok(text.includes('\n1,"say ""a""",ok,,23,'));
      assert.ok(text.includes('\n2,"two\nlines",ok,,22,'));
    });

    it('as Parquet, too', async () => {
      const out = newFolder();
      const { code, err } = await run([...given.args, '--out', out, '--format', 'parquet']);
      assert.deepEqual([code, err], [0, '']);
      const file = await asyncBufferFromFile(join(out, 'results.parquet'));
      const rows = await parquetReadObjects({ file });
      const plain = rows.map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([name, value]) => [
            name,
            typeof value === 'bigint' ? Number(value) : value,
          ]),
        ),
      );
      assert.deepEqual(plain, records);
    });

    it('once: it does not write over results, unless it is told to', async () => {
      const again = await run([...given.args, '--out', folder]);
      assert.equal(again.code, 2);
      assert.match(again.err, /results\.jsonl is there already: --overwrite replaces it/);
      const resumed = await run([...given.args, '--out', folder, '--resume']);
      assert.equal(resumed.code, 0);
      assert.match(resumed.err, /^complete already/);
      assert.match(resumed.out, /^utterances +40$/m);
      const other = await run([...given.args, '--out', folder, '--resume', '--worst', '1']);
      assert.equal(other.code, 2);
      assert.match(other.err, /is of another run: worst was 10 and is 1; --overwrite replaces it/);
      const over = await run([...given.args, '--out', folder, '--overwrite', '--worst', '1']);
      assert.deepEqual([over.code, over.err], [0, '']);
    });
  });

  describe('goes on after a faulty utterance', () => {
    it('of each kind, and says what is wrong', async () => {
      const given = makeCase(scratch, { utterances: 9 }, (n, fields) => {
        if (n === 0) return { ...fields, text: 'axb' };
        if (n === 1) return { ...fields, frames: 99 };
        if (n === 2) return { ...fields, text: 'a'.repeat(20) };
        if (n === 3) return { ...fields, id: 'utt-0' };
        if (n === 4) return '{"id": "utt-4"';
        if (n === 5) return { ...fields, text: '' };
        return fields;
      });
      // NaN in utterance 6, at frame 2, class 3.
      const bytes = readFileSync(given.data);
      bytes.writeFloatLE(Number.NaN, bytes.length - (3 * 24 * 6 - 2 * 6 - 3) * 4);
      writeFileSync(given.data, bytes);
      const { code, out, err } = await run([...given.args, '--json', '--strict']);
      assert.deepEqual([code, err], [1, '']);
      const lines = parseLines<Line>(out);
      const summary = lines.pop() as unknown as SummaryFile;
      assert.deepEqual(
        lines.map(({ status, reason }) => [status, reason]),
        [
          ['unknown-symbol', 'no token for "x" (U+0078) at character 2'],
          ['frames-out-of-range', '99 frames; the data has 24'],
          ['infeasible', 'needs 39 frames (20 labels + 19 repeats) and has 22'],
          ['duplicate-id', 'the id "utt-0" is already on line 1'],
          ['bad-row', 'not JSON: "{"id": "utt-4""'],
          ['ok', null],
          ['nonfinite', 'NaN at frame 2, class 3'],
          ['ok', null],
          ['ok', null],
        ],
      );
      assert.deepEqual(summary.statuses, {
        ok: 3,
        'bad-row': 1,
        'duplicate-id': 1,
        'frames-out-of-range': 1,
        infeasible: 1,
        nonfinite: 1,
        'unknown-symbol': 1,
      });
      // What can be decoded is: its errors count although there is no loss.
      for (const n of [0, 2]) assert.ok(lines[n]!.greedyText !== null && lines[n]!.cer !== null);
      for (const n of [1, 3, 4, 6]) assert.equal(lines[n]!.greedyText, null);
      assert.deepEqual([lines[5]!.labels, lines[5]!.cer, lines[5]!.chars], [0, null, 0]);
      assert.ok(lines[5]!.loss! > 0);
    });

    it('of which a file is broken, with exit code 3', async () => {
      const given = makeCase(scratch, { utterances: 3 });
      const folder = join(scratch.folder, 'files');
      splitCase(given, folder, (path, bytes, n) => {
        if (n === 1) writeFileSync(path, bytes.subarray(0, 200));
        return n === 1;
      });
      const out = newFolder();
      const { code, err } = await run([...given.args.toSpliced(1, 1, folder), '--out', out]);
      assert.equal(code, 3);
      assert.match(err, /^error: 1 utterance could not be read; .*results\.jsonl has the reason/);
      const records = readLines<EvalRecord>(join(out, 'results.jsonl'));
      assert.deepEqual(
        records.map(({ status }) => status),
        ['ok', 'unreadable', 'ok'],
      );
      assert.match(records[1]!.reason!, /^utt-1\.npy: /);
    });

    it('of whose file the end is cut off during the run', async () => {
      const given = makeCase(scratch, { utterances: 900 });
      const stop = new AbortController();
      const warn = () => assert.fail('no warning was expected');
      const choices = {
        ...{ tokens: given.tokens, worst: 1 },
        ...({ layout: 'NTC', input: 'logits' } as const),
      };
      const inputs = await openInputs([given.data], given.manifest, choices, warn, stop.signal);
      const statuses: string[] = [];
      const each = 24 * 6 * 4;
      const { summary } = await evaluateShard({
        ...inputs,
        warn,
        batchBytes: 10 * each,
        onRecords(records) {
          // The header and half of an utterance more than 450.
          if (statuses.length === 0) truncateSync(given.data, 128 + 450.5 * each);
          statuses.push(...records.map(({ status, reason }) => `${status} ${reason}`));
        },
      });
      await inputs.source.close();
      const reason = `${basename(given.data)}: became shorter while it was read. Read it when it is complete`;
      assert.deepEqual(
        statuses,
        statuses.map((_, n) => (n < 450 ? 'ok null' : `unreadable ${reason}`)),
      );
      assert.deepEqual(summary.statuses, { ok: 450, unreadable: 450 });
    });
  });

  describe('warns', () => {
    it('once, when the rows look like probabilities', async () => {
      const given = makeCase(scratch, { utterances: 5, frames: 4 });
      const bytes = readFileSync(given.data);
      for (let at = bytes.length - 5 * 4 * 6 * 4, i = 0; at < bytes.length; at += 4, i++) {
        bytes.writeFloatLE(i % 6 === 0 ? 0.5 : 0.1, at);
      }
      writeFileSync(given.data, bytes);
      const { err, out, code } = await run([...given.args, '--json']);
      assert.equal(code, 0);
      assert.match(
        err,
        /^warning: the rows look like probabilities \(0 to 1, summing to 1\): .*\n$/,
      );
      const summary = parseLines<SummaryFile>(out).pop()!;
      assert.equal(summary.warnings.length, 1);
      const scores = await run([...given.args, '--input', 'logProbs', '--json']);
      assert.match(scores.err, /look like probabilities/);
    });

    it('when log-probabilities look like scores', async () => {
      const given = makeCase(scratch, { utterances: 5 });
      const { err } = await run([...given.args, '--input', 'logProbs']);
      assert.match(err, /^warning: the rows do not look like log-probabilities/);
    });
  });

  describe('merges shards into what one run writes', () => {
    const given = makeCase(scratch, { utterances: 41 }, (n, fields) =>
      n % 10 === 3 ? { ...fields, text: 'x' } : fields,
    );
    const whole = newFolder();
    const shards = newFolder();
    const names = ['results.jsonl', 'summary.json'];
    before(async () => {
      await run([...given.args, '--out', whole]);
      for (const i of [2, 0, 3, 1]) {
        const { code, err } = await run([...given.args, '--out', shards, '--shard', `${i}/4`]);
        assert.deepEqual([code, err], [0, '']);
      }
    });

    it('byte for byte', async () => {
      const { code, out } = await run(['merge', shards]);
      assert.equal(code, 0);
      assert.match(out, /^utterances +41$/m);
      for (const name of names) {
        assert.deepEqual(readFileSync(join(shards, name)), readFileSync(join(whole, name)), name);
      }
      assert.equal(readJson(shards, 'timings.json').shards.length, 4);
    });

    it('from several folders, with shards from schedulers, also of nothing', async () => {
      const few = makeCase(scratch, { utterances: 2 });
      const one = newFolder();
      const out = [newFolder(), newFolder(), newFolder()];
      await run([...few.args, '--out', one, '--format', 'csv']);
      const envs = [
        { JOB_COMPLETION_INDEX: '0' },
        { SLURM_ARRAY_TASK_ID: '2', SLURM_ARRAY_TASK_MIN: '1', SLURM_ARRAY_TASK_COUNT: '3' },
        { AWS_BATCH_JOB_ARRAY_INDEX: '2' },
      ];
      for (const [i, env] of envs.entries()) {
        const { code, err } = await run([...few.args, '--out', out[i]!, '--shards', '3'], env);
        assert.deepEqual([code, err], [0, '']);
      }
      const merged = newFolder();
      const { code, err } = await run(['merge', ...out, '--out', merged, '--format', 'csv']);
      assert.deepEqual([code, err], [0, '']);
      for (const name of ['results.csv', 'summary.json']) {
        assert.deepEqual(readFileSync(join(merged, name)), readFileSync(join(one, name)), name);
      }
    });

    it('only with --overwrite over an earlier merge', async () => {
      const again = await run(['merge', shards]);
      assert.equal(again.code, 2);
      assert.match(again.err, /is there already: --overwrite replaces it/);
      assert.equal((await run(['merge', shards, '--overwrite'])).code, 0);
    });

    it('but not when one is missing, twice, cut or of another run', async () => {
      const aside = join(scratch.folder, 'aside');
      mkdirSync(aside);
      const shard = 'shard-00002-of-00004';
      const fails = async (folders: string[], message: RegExp) => {
        const { code, out, err } = await run(['merge', ...folders, '--out', newFolder()]);
        assert.deepEqual([code, out], [3, '']);
        assert.match(err, message);
      };
      await fails([aside], /no finished shard there/);
      await fails([join(aside, 'x')], /no such file/);
      await fails([shards, shards], /is also in/);
      const statistics = join(shards, `${shard}.statistics.json`);
      renameSync(statistics, join(aside, 'x'));
      await fails([shards], /1 of 4 shards are not there or not finished: 2/);
      const text = readFileSync(join(aside, 'x'), 'utf8');
      writeFileSync(statistics, text.replace('"blank": 0', '"blank": 1'));
      await fails([shards], /shard-00002.* is not of the same run as .*: blank was 0 and is 1/);
      writeFileSync(statistics, text.slice(0, -20));
      await fails([shards], /is not the statistics of a shard/);
      writeFileSync(statistics, text.replace(/"ok": \d+/, '"ok": -1'));
      await fails([shards], /is broken: no count of ok/);
      writeFileSync(statistics, text);
      const results = join(shards, `${shard}.jsonl`);
      truncateSync(results, 100);
      await fails([shards], /has 100 bytes instead of/);
    });
  });

  describe('evaluates standard input', () => {
    const given = makeCase(scratch, { utterances: 7 });
    const data = new Float32Array(
      Uint8Array.from(readFileSync(given.data)).buffer.slice(-7 * 24 * 6 * 4),
    );
    const lines = readLines<object>(given.manifest).map((row, n) => {
      const one = data.slice(n * 24 * 6, (n + 1) * 24 * 6);
      const logits = Buffer.from(one.buffer).toString('base64');
      return JSON.stringify({ ...row, shape: [24, 6], logits });
    });
    const args = ['eval', '-', '--tokens', given.tokens];

    it('as files of the same numbers', async () => {
      const files = await run([...given.args, '--json']);
      const piped = await run([...args, '--json'], {}, `${lines.join('\n')}\n`);
      assert.deepEqual([piped.code, piped.err], [0, '']);
      const [expected, actual] = [files, piped].map(({ out }) => parseLines<SummaryFile>(out));
      const [whole, summary] = [expected!.pop()!, actual!.pop()!];
      assert.deepEqual(actual, expected);
      for (const part of ['loss', 'cer', 'wer', 'statuses', 'worst', 'histograms'] as const) {
        assert.deepEqual(summary[part], whole[part]);
      }
    });

    it('also where a line is broken, or every one', async () => {
      const broken = lines.with(2, '{"id": "x"').with(3, '{"id": "y", "text": "a", "logits": 3}');
      const { code, out } = await run([...args, '--json'], {}, broken.join('\n'));
      assert.equal(code, 3);
      assert.deepEqual(
        parseLines<Line>(out).map(({ status }) => status),
        ['ok', 'ok', 'bad-row', 'unreadable', 'ok', 'ok', 'ok', undefined],
      );
      const none = await run([...args, '--json'], {}, '{"id": "y", "text": "a", "logits": 3}\n');
      assert.equal(none.code, 3);
      assert.equal(parseLines<Line>(none.out)[0]!.status, 'unreadable');
      const empty = await run(args, {}, '');
      assert.deepEqual([empty.code, empty.err], [0, 'warning: no utterances were read\n']);
      assert.equal((await run([...args, '--strict'], {}, '')).code, 1);
      assert.match(empty.out, /^utterances +0$/m);
    });

    it('not with other tokens, a folder or a manifest', async () => {
      const tokens = scratch.write('<blank>\na\n');
      const other = await run(['eval', '-', '--tokens', tokens], {}, lines.join('\n'));
      assert.equal(other.code, 3);
      assert.match(other.err, /has 2 tokens and standard input has 6 classes/);
      for (const option of ['--out', '--manifest', '--array', '--id-column']) {
        const { code, err } = await run([...args, option, 'x'], {}, '');
        assert.equal(code, 2);
        assert.match(err, new RegExp(`${option} does not go with JSON Lines`));
      }
      const missing = await run(['eval', given.data, '--tokens', given.tokens]);
      assert.equal(missing.code, 2);
      assert.match(missing.err, /the texts are missing: give --manifest/);
    });
  });

  describe('refuses', () => {
    const given = makeCase(scratch, { utterances: 3 });
    const usage: [args: string[], message: RegExp][] = [
      [['--shard', '3/3', '--out', 'x'], /--shard is "3\/3"; it must be i\/n/],
      [['--shard', '0/3'], /a shard is written to a folder: give --out/],
      [['--shards', '3', '--out', 'x'], /needs a scheduler/],
      [['--shard', '0/3', '--shards', '4', '--out', 'x'], /contradict/],
      [['--resume'], /--resume needs a folder: give --out/],
      [['--format', 'csv'], /--format needs a folder/],
      [['--shard', '0/3', '--out', 'x', '--format', 'csv'], /give it to merge/],
      [['--resume', '--overwrite', '--out', 'x'], /contradict/],
      [['--worst', '-1'], /must be an integer from 0/],
      [['--blank', '6'], /--blank is 6; classes are 0 to 5/],
      [['--word-delimiter', '|'], /--word-delimiter: .*no token is that/],
      [['--array', 'logits'], /--array does not go with .* \(npy\), which has no named arrays/],
      [['--id-column', 'id'], /--id-column does not go with .* \(npy\), which has no columns/],
      [['--nonsense'], /unknown option '--nonsense'/],
    ];
    for (const [args, message] of usage) {
      it(`${args.join(' ')}, with exit code 2`, async () => {
        const { code, out, err } = await run([...given.args, ...args]);
        assert.deepEqual([code, out], [2, '']);
        assert.match(err, message);
      });
    }

    it('data that do not fit, in one line, with exit code 3', async () => {
      const rows = readFileSync(given.manifest, 'utf8');
      const cases: [args: string[], message: RegExp][] = [
        [
          given.args.toSpliced(3, 1, scratch.write(rows.repeat(2).replaceAll('"utt', '"x'))),
          /has 6 rows and .* holds 3 utterances \(3 x 24 x 6, read as NTC\)/,
        ],
        [given.args.toSpliced(1, 1, join(scratch.folder, 'absent.npy')), /no such file/],
        [given.args.toSpliced(1, 1, scratch.write('\u0093NUMPY', 'x.npy')), /./],
        [given.args.toSpliced(3, 1, join(scratch.folder, 'absent')), /no such file/],
        [given.args.toSpliced(5, 1, scratch.write('a\nb\n')), /has 2 tokens and .* has 6 classes/],
      ];
      for (const [args, message] of cases) {
        const { code, out, err } = await run(args);
        assert.deepEqual([code, out], [3, ''], err);
        assert.match(err, message);
        assert.equal(err.trimEnd().split('\n').length, 1);
      }
    });

    it('to go on where the data have changed', async () => {
      const out = newFolder();
      mkdirSync(out);
      // A full disk leaves an unfinished run behind.
      symlinkSync('/dev/full', join(out, 'results.jsonl.partial'));
      const { code, err } = await run([...given.args, '--out', out]);
      assert.equal(code, 3);
      assert.match(
        err,
        /^error: .*results\.jsonl\.partial: cannot be written: the disk is full\. Make room, .*\n$/,
      );
      const refused = await run([...given.args, '--out', out]);
      assert.equal(refused.code, 2);
      assert.match(
        refused.err,
        /was not finished: --resume goes on with it, --overwrite begins anew/,
      );
      utimesSync(given.data, 1, 1);
      const changed = await run([...given.args, '--out', out, '--resume']);
      assert.equal(changed.code, 2);
      assert.match(changed.err, /a data file has changed since/);
      rmSync(join(out, 'results.jsonl.partial'));
      const other = await run([...given.args, '--out', out, '--overwrite']);
      assert.equal(other.code, 0);
    });

    it('a folder that cannot be written', async () => {
      const { code, err } = await run([...given.args, '--out', given.tokens]);
      assert.equal(code, 3);
      assert.match(err, /cannot be a folder: it is a file\. Name another\n$/);
    });

    it('a folder where the system makes none', async () => {
      // Linux answers ENOENT here, under a folder that is there: fs.mkdir never ends with `recursive`.
      for (const out of ['/proc/nope', '/proc/nope/deeper']) {
        const { code, err } = await run([...given.args, '--out', out]);
        assert.equal(code, 3);
        assert.match(err, /^error: \/proc\/nope.*: cannot be written: .*\n$/m);
      }
    });
  });

  it('explains itself within 80 columns', async () => {
    for (const command of ['eval', 'merge', 'doctor']) {
      const { code, out } = await run([command, '--help']);
      assert.equal(code, 0);
      for (const line of out.split('\n')) assert.ok(line.length <= 80, line);
    }
  });

  it('tells about devices', async () => {
    const { code, out } = await run(['doctor']);
    assert.equal(code, 0);
    assert.match(out, /^cpu +usable$/m);
    assert.match(out, /^cuda(:0)? +(usable: .+ GB, compute capability .+|no: .+)$/m);
    const { devices } = JSON.parse((await run(['info', '--json'])).out);
    assert.deepEqual(devices[0].device, 'cpu');
  });
});
