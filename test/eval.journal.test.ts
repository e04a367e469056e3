// The journal after every kind of sudden end: a process killed at any byte, a file that lost its end.

import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  type FinishedBatch,
  Journal,
  type JournalHeader,
  RunConflict,
} from '../lib/eval/journal.js';
import { emptyRecord, toLine } from '../lib/eval/record.js';
import type { Settings } from '../lib/eval/settings.js';
import { Scratch } from './io.helpers.js';

const settings: Settings = {
  version: '1.0.0',
  input: 'logits',
  layout: 'TNC',
  array: null,
  blank: 0,
  wordDelimiter: ' ',
  worst: 3,
  tokens: 'abc',
  manifest: { utterances: 15, sha256: 'def' },
  data: { format: 'npy', utterances: 15, classes: 8, type: 'float32' },
};
const header: JournalHeader = {
  format: 'node-ctc journal 1',
  settings,
  stamp: '123',
  isa: 'avx2',
  start: 0,
  end: 15,
};
const batches = [3, 1, 5, 2, 4];
const all = Array.from({ length: 15 }, (_, i) => emptyRecord(i, `é-${i}`, 'text'));
const lines = all.map(toLine);
const whole = lines.join('');
const looks = (n: number) => ({ looked: n, probabilities: 0, unnormalised: 1 });

describe('Journal', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  let runs = 0;

  function newFiles() {
    const base = join(scratch.folder, `run-${runs++}`);
    return { partial: `${base}.partial`, journal: `${base}.journal`, results: `${base}.jsonl` };
  }

  /** Appends the batches that begin at utterance `from`, which must be the beginning of one. */
  async function append(journal: Journal, from: number): Promise<void> {
    let at = 0;
    for (const size of batches) {
      if (at >= from) await journal.append(all.slice(at, at + size), looks(size));
      at += size;
    }
  }

  async function complete() {
    const files = newFiles();
    const journal = await Journal.begin(files, header);
    await append(journal, 0);
    await journal.finish();
    return files;
  }

  async function resume(
    files: ReturnType<typeof newFiles>,
    now = header,
  ): Promise<{ journal: Journal; found: FinishedBatch[]; warnings: string[] }> {
    const found: FinishedBatch[] = [];
    const warnings: string[] = [];
    const journal = await Journal.resume(
      files,
      now,
      (batch) => found.push(batch),
      (message) => warnings.push(message),
    );
    return { journal, found, warnings };
  }

  /** Resumes, goes on, and compares with a run that nothing disturbed. Returns the utterances kept. */
  async function checkGoesOn(files: ReturnType<typeof newFiles>): Promise<number> {
    const { journal, found } = await resume(files);
    const kept = journal.utterances;
    const records = found.flatMap((batch) => batch.records);
    assert.equal(records.map(toLine).join(''), lines.slice(0, kept).join(''));
    assert.equal(
      found.reduce((sum, batch) => sum + batch.looks.looked, 0),
      kept,
    );
    await append(journal, kept);
    await journal.close();
    assert.equal(readFileSync(files.partial, 'utf8'), whole);
    return kept;
  }

  it('goes on from the last whole batch, wherever the journal ends', async () => {
    const files = await complete();
    const text = readFileSync(files.journal);
    const first = text.indexOf('\n') + 1;
    let most = 0;
    for (let length = first; length <= text.length; length++) {
      const copy = newFiles();
      copyFileSync(files.partial, copy.partial);
      writeFileSync(copy.journal, text.subarray(0, length));
      const kept = await checkGoesOn(copy);
      assert.ok(kept >= most);
      most = kept;
    }
    assert.equal(most, 15);
  });

  it('goes on from the last whole batch, wherever the results end', async () => {
    const files = await complete();
    const ends = batches.map((_, i) => batches.slice(0, i + 1).reduce((a, b) => a + b, 0));
    const bytesOf = (n: number) => Buffer.byteLength(lines.slice(0, n).join(''));
    for (let length = 0; length <= Buffer.byteLength(whole); length += 17) {
      const copy = newFiles();
      copyFileSync(files.partial, copy.partial);
      copyFileSync(files.journal, copy.journal);
      truncateSync(copy.partial, length);
      const expected = Math.max(0, ...ends.filter((n) => bytesOf(n) <= length));
      assert.equal(await checkGoesOn(copy), expected);
    }
  });

  it('does not trust bytes that are not what was written', async () => {
    const files = await complete();
    const bytes = readFileSync(files.partial);
    // As a file system can leave them after a crash of the machine.
    bytes.fill(0, bytes.length - 300);
    writeFileSync(files.partial, bytes);
    assert.ok((await checkGoesOn(files)) < 15);
  });

  it('takes complete results back that were renamed before the end', async () => {
    const files = await complete();
    renameSync(files.partial, files.results);
    assert.equal(await checkGoesOn(files), 15);
    assert.ok(!existsSync(files.results));
  });

  const differences: [name: string, now: JournalHeader, message: RegExp][] = [
    ['settings', { ...header, settings: { ...settings, blank: 7 } }, /blank was 0 and is 7/],
    ['tokens', { ...header, settings: { ...settings, tokens: 'x' } }, /the tokens are others/],
    [
      'manifest',
      { ...header, settings: { ...settings, manifest: { utterances: 15, sha256: 'x' } } },
      /the manifest is another/,
    ],
    ['version', { ...header, settings: { ...settings, version: '2.0.0' } }, /version was "1.0.0"/],
    ['data', { ...header, stamp: 'x' }, /a data file has changed since/],
    ['shard', { ...header, end: 7 }, /holds other utterances/],
  ];
  for (const [name, now, message] of differences) {
    it(`does not go on with other ${name}`, async () => {
      const files = await complete();
      await assert.rejects(resume(files, now), (error: Error) => {
        assert.ok(error instanceof RunConflict);
        assert.match(error.message, message);
        return true;
      });
      // Nothing was touched.
      assert.equal(await checkGoesOn(files), 15);
    });
  }

  it('warns when the instructions are others', async () => {
    const files = await complete();
    const { journal, warnings } = await resume(files, { ...header, isa: 'avx512' });
    await journal.close();
    assert.match(warnings[0]!, /began with avx2 instructions and goes on with avx512/);
  });

  for (const [name, text] of Object.entries({
    'an empty file': '',
    JSON: '{}\n',
    bytes: '\0\0\n',
  })) {
    it(`does not take ${name} for a journal`, async () => {
      const files = await complete();
      writeFileSync(files.journal, text);
      await assert.rejects(resume(files), /is not a journal of this version\. Begin anew/);
    });
  }
});
