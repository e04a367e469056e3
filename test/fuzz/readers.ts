// The readers of files under a fuzzer: whatever the bytes are, they end in results or in ERR_CTC_FILE
// errors that begin with the path, within memory and time that the file's size allows.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { loadLanguageModel, loadLanguageModelSync } from '../../lib/index.js';
import { openStream } from '../../lib/io/jsonlStream.js';
import { readManifest } from '../../lib/io/manifest.js';
import { openSource, ReadBuffer } from '../../lib/io/openSource.js';
import { makeTokenizer, readTokens } from '../../lib/io/tokens.js';
import { npyBytes } from '../io.helpers.js';
import { kaldiBytes, zipBytes } from '../support/formats.js';
import type { Target } from './guided.js';
import * as seeds from './seeds.js';

/** Decompressed data is 1032 times as large at most; numbers in text become 8 bytes for every 2. */
const mostGrowth = 1100;
const mostMemory = 2 ** 25;
const mostSeconds = 10;

type Reader = keyof typeof seeds.inputs;

export class ReaderTargets {
  readonly folder = mkdtempSync(join(tmpdir(), 'node-ctc-fuzz-'));
  readonly all: readonly Target[];

  constructor() {
    writeFileSync(join(this.folder, 'good.ark'), kaldiBytes('utt', 'FM', 2, 2, Buffer.alloc(16)));
    const array = (name: Reader, toFile: (input: Buffer) => Buffer = (input) => input) =>
      this.#target(name, name, toFile, readArrays);
    this.all = [
      array('npy', npyFile),
      array('npz', npzFile),
      array('safetensors', safetensorsFile),
      array('ark'),
      array('scp'),
      this.#byName('manifest', ['jsonl', 'csv', 'tsv', 'txt'], async (path) => {
        const { rows } = await readManifest(path);
        for (const { fault } of rows) if (fault) assertOneLine(fault.reason);
      }),
      this.#target('jsonl', 'jsonl', (input) => input, readStream),
      this.#target('tokens', 'txt', (input) => input, readTokenList),
      this.#target('lm', 'arpa', (input) => input, readModel),
    ];
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #target(
    name: Reader,
    extension: string,
    toFile: (input: Buffer) => Buffer,
    read: (path: string) => Promise<void>,
  ): Target {
    const path = join(this.folder, `${name}-input.${extension}`);
    return {
      name,
      seeds: seeds.inputs[name],
      words: seeds.words[name],
      run: (input) => check(path, toFile(input), read),
    };
  }

  /** The first byte of an input says how its file is named. */
  #byName(
    name: Reader,
    extensions: readonly string[],
    read: (path: string) => Promise<void>,
  ): Target {
    return {
      name,
      seeds: seeds.inputs[name],
      words: seeds.words[name],
      run: (input) => {
        const extension = extensions[(input[0] ?? 0) % extensions.length];
        const path = join(this.folder, `${name}-input.${extension}`);
        return check(path, input.subarray(1), read);
      },
    };
  }
}

/** Reads a file of `bytes`; throws for any failure but the one that files have. */
async function check(
  path: string,
  bytes: Buffer,
  read: (path: string) => Promise<void>,
): Promise<void> {
  writeFileSync(path, bytes);
  const memory = process.memoryUsage().arrayBuffers;
  const time = process.cpuUsage();
  try {
    await read(path);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code !== 'ERR_CTC_FILE') throw error;
    // What an .scp names are other files.
    assert.ok(message.startsWith(path) || path.endsWith('.scp'), message);
    assertOneLine(message);
  }
  const { user, system } = process.cpuUsage(time);
  assert.ok((user + system) / 1e6 < mostSeconds, `took ${(user + system) / 1e6} s`);
  const grown = process.memoryUsage().arrayBuffers - memory;
  assert.ok(grown < mostMemory + mostGrowth * bytes.length, `took ${grown} bytes of memory`);
}

function assertOneLine(message: string): void {
  assert.doesNotMatch(message, /\n|undefined|\[object/, message);
}

async function readArrays(path: string): Promise<void> {
  const source = await openSource([path]);
  try {
    source.warnings.forEach(assertOneLine);
    const buffer = new ReadBuffer(2 ** 20);
    const most = Math.min(source.count, 64);
    for (let at = 0; at < most; ) {
      const positions = Array.from({ length: most - at }, (_, i) => at + i);
      const { data, type, shape, strides, frames, faults } = await source.read(positions, buffer);
      assert.equal(data.BYTES_PER_ELEMENT, { float32: 4, float64: 8 }[type as string] ?? 2);
      assert.ok(shape[1] > 0 && shape[1] <= positions.length);
      assert.ok(frames.every((count) => count >= 0 && count <= shape[0]));
      // The last element of every utterance lies in the data.
      const last = (shape[1] - 1) * strides[1] + (shape[2] - 1) * strides[2];
      assert.ok(shape[0] === 0 || (shape[0] - 1) * strides[0] + last < data.length);
      for (const fault of faults) {
        if (fault === undefined) continue;
        // What an .scp names are other files.
        assert.ok(fault.startsWith(path) || path.endsWith('.scp'), fault);
        assertOneLine(fault);
      }
      at += shape[1];
    }
    const id = source.id(0);
    if (id !== undefined) assert.equal(source.find(id), 0);
  } finally {
    await source.close();
  }
}

async function readStream(path: string): Promise<void> {
  const stream = openStream(path);
  try {
    const buffer = new ReadBuffer(2 ** 16);
    for (let next = await stream.next(buffer); next; next = await stream.next(buffer)) {
      const { batch, rows } = next;
      assert.equal(rows.length, batch.shape[1]);
      for (const fault of batch.faults) if (fault !== undefined) assertOneLine(fault);
    }
  } finally {
    await stream.close();
  }
}

async function readTokenList(path: string): Promise<void> {
  const { symbols, blank } = await readTokens(path);
  assert.ok(symbols.length > 0);
  assert.equal(new Set(symbols).size, symbols.length);
  const tokenize = makeTokenizer(symbols, blank ?? 0);
  for (const [label, symbol] of symbols.entries()) {
    // A token may begin with the blank's symbol, but is always found whole.
    if (label !== (blank ?? 0)) assert.deepEqual(tokenize(symbol).labels, [label]);
  }
}

async function readModel(path: string): Promise<void> {
  const failures: string[] = [];
  for (const load of [loadLanguageModelSync, loadLanguageModel]) {
    try {
      const model = await load(path);
      assert.ok(model.order >= 1 && model.ngrams >= 0);
      for (const score of model.score(['a', 'b', 'zz'])) assert.ok(Math.abs(score) !== Infinity);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_CTC_FILE') throw error;
      failures.push((error as Error).message);
      assert.ok(failures[0]!.startsWith(path), failures[0]);
      assertOneLine(failures[0]!);
    }
  }
  // Read at once or in a stream, the answer is the same.
  assert.ok(failures.length !== 1, failures[0]);
}

/** After a first byte below 128 comes a file; after others what lies in one that is whole around it. */
function isPart(input: Buffer): boolean {
  return (input[0] ?? 0) >= 128;
}

/** A part is a header's text, which the data follows after a line's end. */
function npyFile(input: Buffer): Buffer {
  if (!isPart(input)) return input.subarray(1);
  const [header, data] = splitAtLine(input.subarray(1));
  return npyBytes({ header: header.toString('latin1'), version: ((input[0]! % 3) + 1) as 1, data });
}

function safetensorsFile(input: Buffer): Buffer {
  if (!isPart(input)) return input.subarray(1);
  const [header, data] = splitAtLine(input.subarray(1));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
}

/** A part is a member, stored or deflated, with its right checksum. */
function npzFile(input: Buffer): Buffer {
  if (!isPart(input)) return input.subarray(1);
  const data = input.subarray(1);
  const packed = input[0]! % 2 === 0 ? undefined : deflateRawSync(data);
  return zipBytes([{ name: 'a.npy', data, packed }]);
}

function splitAtLine(bytes: Buffer): [Buffer, Buffer] {
  const end = bytes.indexOf('\n');
  return end < 0 ? [bytes, Buffer.alloc(0)] : [bytes.subarray(0, end), bytes.subarray(end + 1)];
}
