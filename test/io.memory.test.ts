// Files of some megabytes whose values could take far more: Node ends a process whose heap is full, and nobody
// can catch that. Read with a heap of 64 MiB, so that the files can be small.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openStream } from '../lib/io/jsonlStream.js';
import { manifestRows } from '../lib/io/manifest.js';
import { openSource, ReadBuffer } from '../lib/io/openSource.js';
import { readTokens } from '../lib/io/tokens.js';
import { root, Scratch } from './io.helpers.js';
import { safetensorsBytes } from './support/formats.js';

/** What reading a file says in a process with a small heap: its shape, or the error or fault. */
async function inSmallHeap(path: string): Promise<string> {
  const module = (name: string) => JSON.stringify(join(root, 'build', 'lib', 'io', name));
  const program = `
    const [path] = process.argv.slice(1);
    const { openSource, ReadBuffer } = await import(${module('openSource.js')});
    const { openStream } = await import(${module('jsonlStream.js')});
    const { manifestRows } = await import(${module('manifest.js')});
    const buffer = new ReadBuffer(2 ** 24);
    try {
      if (path.endsWith('manifest.jsonl')) {
        for await (const { fault } of manifestRows(path)) console.log(fault?.reason);
      } else if (path.endsWith('.jsonl')) {
        const { shape, faults } = (await openStream(path).next(buffer)).batch;
        console.log(faults[0] ?? shape.join());
      } else {
        const source = await openSource([path]);
        const { shape, faults } = await source.read([0], buffer);
        console.log(faults[0] ?? shape.join());
      }
    } catch (error) {
      console.log(error.code, error.message);
    }`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--max-old-space-size=64', '--input-type=module', '-e', program],
    path,
  ]);
  return stdout.trim();
}

describe('memory that files ask for', function () {
  this.timeout(60_000);
  const scratch = new Scratch();
  after(() => scratch.remove());

  const tooMuch = /\d+ characters of JSON that may take \d+ MiB, and Node's heap has \d+ for them/;
  const many = `${'{},'.repeat(3e6)}{}`;

  it('a line of outputs that is 3 million objects is refused', async () => {
    const path = scratch.write(`{"id": "a", "logits": [${many}]}\n`, 'objects.jsonl');
    assert.match(await inSmallHeap(path), tooMuch);
  });

  it('so is a line of a manifest', async () => {
    const path = scratch.write(`{"id": "a", "text": [${many}]}\n`, 'manifest.jsonl');
    assert.match(await inSmallHeap(path), tooMuch);
  });

  it('so is the header of a .safetensors file', async () => {
    const bytes = safetensorsBytes(`{"a": [${many}]}`, new Uint8Array(0));
    const read = await inSmallHeap(scratch.write(bytes, 'objects.safetensors'));
    assert.match(read, /^ERR_CTC_FILE .*its header is not JSON/);
    assert.match(read, tooMuch);
  });

  it('a line of as many bytes of numbers is read', async () => {
    const row = `[${'-1.2345,'.repeat(99)}0]`;
    const rows = Array.from({ length: 4000 }, () => row).join();
    const path = scratch.write(`{"id": "a", "text": "", "logits": [${rows}]}\n`, 'numbers.jsonl');
    assert.equal(await inSmallHeap(path), '4000,1,100');
  });

  it('a matrix in text takes as much as its numbers, not as its words', async () => {
    const path = scratch.write(`utt [\n${'11 '.repeat(2.5e6)}]\n`, 'text.ark');
    assert.equal(await inSmallHeap(path), '1,1,2500000');
  });

  it('a line that is no JSON is quoted from its start', async () => {
    const path = scratch.write(`{"id": "a" ${'x'.repeat(2e7)}\n`, 'words.jsonl');
    assert.match(await inSmallHeap(path), /line 1: not JSON: "\{\\?"id\\?": \\?"a\\?" x{48}…"$/);
  });

  it('lists within lists, deeper than the stack, are faults of their rows', async () => {
    const deep = '['.repeat(2e5) + ']'.repeat(2e5);
    const lines: [line: string, stream: RegExp, row?: RegExp][] = [
      [`{"text": ${deep}}`, /has no "logits"/, /^"text" is a list, not text$/],
      [`{"text": "", "id": ${deep}}`, /has no "logits"/, /^"id" is a list, not a name$/],
      [`{"text": "", "frames": ${deep}}`, /has no "logits"/, /^"frames" is a list, not a count/],
      [`{"text": "", "logits": [[1]], "dtype": ${deep}}`, /has the dtype a list/],
      [
        `{"text": "", "logits": [1], "shape": [1, ${deep}]}`,
        /has 1 numbers and the shape \(1, NaN/,
      ],
      [`{"text": "", "logits": [1], "shape": ${deep}}`, /has 1 numbers and the shape \(\)/],
      [`{"text": "", "logits": ${deep}}`, /has no number at frame 0/],
      [deep, /not a JSON object: "\[{59}…"/, /^not a JSON object: "\[{59}…"$/],
    ];
    const text = `{"text": "good"}\n${lines.map(([line]) => `${line}\n`).join('')}`;
    const path = scratch.write(text, 'deep.jsonl');
    let position = -1;
    for await (const { fault } of manifestRows(path)) {
      const reason = lines[position++]?.[2];
      if (reason === undefined) assert.equal(fault?.status === 'bad-row', false);
      else assert.match(fault!.reason, reason);
    }
    assert.equal(position, lines.length);
    const stream = openStream(path);
    const { batch } = (await stream.next(new ReadBuffer(2 ** 20)))!;
    await stream.close();
    for (const [i, [, fault]] of lines.entries()) assert.match(batch.faults[i + 1]!, fault);
  });

  it('one long frame before many short ones asks for nothing', async () => {
    const frames = ['0,'.repeat(2e5).slice(0, -1), ...Array(2e5).fill('0')];
    const line = `{"id": "a", "logits": [[${frames.join('],[')}]]}\n`;
    const stream = openStream(scratch.write(line, 'long.jsonl'));
    const { batch } = (await stream.next(new ReadBuffer(2 ** 20)))!;
    await stream.close();
    assert.match(batch.faults[0]!, /has 1 classes in frame 1 and 200000 classes in the first/);
  });

  it('an archive of many small matrices in text opens in time that fits it', async () => {
    const entries = Array.from({ length: 20_000 }, (_, i) => `u${i} [ 1 2 ]\n`);
    const path = scratch.write(entries.join(''), 'small.ark');
    const before = process.cpuUsage();
    const source = await openSource([path]);
    assert.equal(source.count, 20_000);
    await source.close();
    const { user, system } = process.cpuUsage(before);
    // 64 KiB for each of them would be 1.3 GB to read.
    assert.ok(user + system < 5e6, `${(user + system) / 1e6} s for ${statSync(path).size} bytes`);
  });

  it('a list of tokens of more than 64 MiB is refused unread', async () => {
    const path = scratch.write('a\n', 'tokens.txt');
    truncateSync(path, 2 ** 26 + 1);
    await assert.rejects(readTokens(path), /has 67108865 bytes; a list of at most 64 MiB is read/);
  });
});
