// Parts of the command line that a process in a pipe does not show.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  type EvaluationOptions,
  evaluate,
  prepare,
  type UtteranceRecord,
} from '../lib/cli/evaluate.js';
import { exitCodeOf, UsageError } from '../lib/cli/exit.js';
import { Summary } from '../lib/cli/summary.js';
import { clip, clipStart, columnsOf, padEnd, paletteFor, widthOf } from '../lib/cli/terminal.js';
import { ctcError } from '../lib/errors.js';
import { readManifest } from '../lib/io/manifest.js';
import { openSource } from '../lib/io/openSource.js';
import { readTokens } from '../lib/io/tokens.js';
import { npyBytes, root, Scratch } from './io.helpers.js';

describe('terminal', () => {
  it('has colours only where they are wanted', () => {
    const terminal = { isTTY: true, columns: 100 };
    assert.equal(paletteFor(terminal, { TERM: 'xterm' }).red('x'), '\u001b[31mx\u001b[39m');
    assert.equal(
      paletteFor(terminal, { TERM: 'xterm', NO_COLOR: '' }).bold('x'),
      '\u001b[1mx\u001b[22m',
    );
    assert.equal(paletteFor(terminal, { TERM: 'xterm', NO_COLOR: '1' }).red('x'), 'x');
    assert.equal(paletteFor(terminal, { TERM: 'dumb' }).red('x'), 'x');
    assert.equal(paletteFor({}, { TERM: 'xterm' }).red('x'), 'x');
  });

  it('has a width only when it is a terminal', () => {
    assert.equal(columnsOf({ isTTY: true, columns: 100 }), 100);
    assert.equal(columnsOf({ isTTY: true }), 80);
    assert.equal(columnsOf({ columns: 100 }), undefined);
  });

  it('counts columns, not characters', () => {
    assert.equal(widthOf('abc'), 3);
    assert.equal(widthOf('你好'), 4);
    assert.equal(widthOf('ｆｕ'), 4);
    assert.equal(widthOf('e\u0301'), 1);
    assert.equal(widthOf('👍'), 2);
    assert.equal(padEnd('你', 4), '你  ');
    assert.equal(padEnd('long', 2), 'long');
  });

  it('clips text to columns', () => {
    assert.equal(clip('hello', 5), 'hello');
    assert.equal(clip('hello', 4), 'hel…');
    assert.equal(clip('你好吗', 5), '你好…');
    assert.equal(clip('你好吗', 4), '你…');
    assert.equal(clipStart('/a/b/0001.flac', 10), '…0001.flac');
    assert.equal(clipStart('short', 10), 'short');
    assert.equal(clipStart('你好吗', 4), '…吗');
    assert.equal(clip('\u001b[31m\u202e\n'), '\\u001b[31m\\u202e\\n');
  });
});

describe('exit codes', () => {
  it('follow the error', () => {
    const aborted = AbortSignal.abort().reason;
    assert.equal(exitCodeOf(new UsageError('x')), 2);
    assert.equal(exitCodeOf(ctcError('ERR_CTC_FILE', 'x')), 3);
    assert.equal(exitCodeOf(ctcError('ERR_CTC_OUT_OF_MEMORY', 'x')), 4);
    assert.equal(exitCodeOf(ctcError('ERR_CTC_NATIVE_LOAD', 'x')), 4);
    assert.equal(exitCodeOf(new TypeError('a bug')), 4);
    assert.equal(exitCodeOf(undefined), 4);
    assert.equal(exitCodeOf(aborted), 130);
  });
});

describe('summary', () => {
  const record = (index: number, loss: number | undefined, labels: number): UtteranceRecord => ({
    index,
    id: String(index),
    line: index + 1,
    status: loss === undefined ? 'infeasible' : 'ok',
    text: '',
    frames: 9,
    labels,
    loss,
  });

  it('keeps the worst by loss per label, equal ones in their order', () => {
    const summary = new Summary(3);
    const losses = [4, 9, undefined, 4, 1, 4, 0];
    losses.forEach((loss, index) => {
      summary.add(record(index, loss, index === 1 ? 3 : 1));
    });
    const worst = summary.worst.map(({ record: { index }, lossPerLabel }) => [index, lossPerLabel]);
    assert.deepEqual(worst, [
      [0, 4],
      [3, 4],
      [5, 4],
    ]);
    assert.deepEqual([summary.utterances, summary.ok, summary.labels], [7, 6, 8]);
    assert.deepEqual([summary.sum, summary.mean, summary.perLabel], [22, 16 / 6, 22 / 8]);
  });

  it('can keep none', () => {
    const summary = new Summary(0);
    summary.add(record(0, 4, 2));
    assert.deepEqual(summary.worst, []);
  });
});

describe('evaluation', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const at = (file: string) => join(root, 'examples/data/speech', file);

  async function collect(array: string, extra: Partial<EvaluationOptions> = {}, manifest?: string) {
    const source = await openSource([array]);
    try {
      const rows = await readManifest(manifest ?? at('manifest.jsonl'));
      const tokens = await readTokens(at('tokens.txt'));
      const options: EvaluationOptions = { layout: 'TNC', input: 'logits', warn() {}, ...extra };
      const inputs = { source, path: array, manifest: rows, tokens };
      const records: UtteranceRecord[] = [];
      for await (const each of evaluate(prepare(inputs, options))) records.push(each);
      return records;
    } finally {
      await source.close();
    }
  }

  it('is the same in parts of any size', async () => {
    const whole = await collect(at('logits.npy'));
    assert.equal(whole.length, 16);
    const one = 168 * 29 * 4;
    for (const chunkBytes of [1, one, 3 * one, 5 * one + 1, 16 * one]) {
      assert.deepEqual(await collect(at('logits.npy'), { chunkBytes }), whole);
    }
  });

  it('stops when the signal says so', async () => {
    await assert.rejects(collect(at('logits.npy'), { signal: AbortSignal.abort() }), {
      name: 'AbortError',
    });
  });

  it('takes empty arrays', async () => {
    const none = scratch.write(npyBytes({ shape: [168, 0, 29] }));
    assert.deepEqual(await collect(none, {}, scratch.write('')), []);
    const frameless = scratch.write(npyBytes({ shape: [0, 1, 29] }));
    const [record] = await collect(frameless, {}, scratch.write('{"id": "a", "text": "hi"}'));
    assert.equal(record!.status, 'infeasible');
    assert.equal(record!.reason, 'needs 2 frames and has 0');
  });
});
