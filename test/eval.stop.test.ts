// Ctrl-C while a file keeps its library busy: it is not waited for, and nothing that is done is lost.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DataType,
  Field,
  Float32,
  Int32,
  List,
  Table,
  tableToIPC,
  vectorFromArray,
} from 'apache-arrow';
import { openInputs } from '../lib/eval/inputs.js';
import { evaluateShard } from '../lib/eval/run.js';
import { openSource } from '../lib/io/openSource.js';
import { Scratch } from './io.helpers.js';
import { readLines, start } from './support/evalCase.js';
import { endlessArrow } from './support/formats.js';

const utterances = 60;

describe('node-ctc eval, stopped while a library reads', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const ids = Array.from({ length: utterances }, (_, n) => `utt-${n}`);
  const lists = (type: DataType, of: (n: number) => number[]) => {
    return vectorFromArray(
      ids.map((_, n) => of(n)),
      new List(new Field('item', type)),
    );
  };
  const table = new Table({
    id: vectorFromArray(ids),
    logits: lists(new Float32(), (n) => Array.from({ length: 40 }, (_, i) => (n * i) % 7)),
    shape: lists(new Int32(), () => [10, 4]),
  });
  const data = scratch.write(tableToIPC(table, 'file'), 'data.arrow');
  const endless = scratch.write(endlessArrow(), 'endless.arrow');
  const tokens = scratch.write('<blank>\na\nb\nc\n', 'tokens.txt');
  const rows = ids.map((id) => `${JSON.stringify({ id, text: 'abc' })}\n`);
  const manifest = scratch.write(rows.join(''), 'manifest.jsonl');
  const choices = { tokens, layout: 'TNC', input: 'logits', worst: 1, threads: 1 } as const;
  const warn = (message: string) => assert.fail(message);

  async function evaluate(out: string, onFirst = async () => {}, signal?: AbortSignal) {
    const inputs = await openInputs([data], manifest, choices, warn, signal);
    let first = true;
    try {
      await evaluateShard({
        ...{ ...inputs, out: join(scratch.folder, out), resume: true, warn },
        batchBytes: 200,
        async onRecords() {
          if (first) await onFirst();
          first = false;
        },
      });
    } finally {
      await inputs.source.close();
    }
  }

  const result = (out: string, name: string) => join(scratch.folder, out, name);

  it('keeps what is done, and goes on from there', async () => {
    await evaluate('whole');
    const controller = new AbortController();
    const stopped = new Error('stopped');
    const stopping = evaluate(
      'stopped',
      async () => {
        renameSync(data, `${data}.whole`);
        scratch.write(endlessArrow(), 'data.arrow');
        // The process in which the file is open ends with this one; another opens it anew.
        const another = openSource([endless], {}, AbortSignal.timeout(300));
        await assert.rejects(another, { name: 'TimeoutError' });
        setTimeout(() => controller.abort(stopped), 500);
      },
      controller.signal,
    );
    await assert.rejects(stopping, (error) => error === stopped);
    assert.ok(existsSync(result('stopped', 'results.journal')));
    const kept = readLines(result('stopped', 'results.jsonl.partial')).length;
    assert.ok(kept >= 1 && kept < utterances, `${kept}`);

    renameSync(`${data}.whole`, data);
    await evaluate('stopped');
    const timings = JSON.parse(readFileSync(result('stopped', 'timings.json'), 'utf8'));
    assert.equal(timings.resumedAfter, kept);
    for (const name of ['results.jsonl', 'summary.json']) {
      assert.ok(readFileSync(result('stopped', name)).equals(readFileSync(result('whole', name))));
    }
  });

  it('ends with 130 at the first Ctrl-C', async () => {
    // Where it came before the command listened, the signal itself ended it.
    for (let delay = 1000; ; delay *= 2) {
      const child = start(['eval', endless, '--manifest', manifest, '--tokens', tokens]);
      let err = '';
      child.stderr!.setEncoding('utf8').on('data', (text) => {
        err += text;
      });
      child.stdout!.resume();
      const closed = new Promise((resolve) => child.once('close', resolve));
      await Promise.race([sleep(delay), closed]);
      child.kill('SIGINT');
      const code = await closed;
      if (code === null && delay < 10_000) continue;
      assert.deepEqual([code, err], [130, 'interrupted\n']);
      return;
    }
  });
});
