// Bytes of the formats that the readers know, as other tools write them and as they do not; and what the
// fixtures hold.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetMetadata } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { type ArraySource, ReadBuffer } from '../../lib/io/openSource.js';
import { crc32 as crc } from './crc32.js';
import { root } from './paths.js';

export const fixture = (name: string) => join(root, 'test', 'fixtures', 'formats', name);

type SchemaTree = NonNullable<Parameters<typeof parquetWriteBuffer>[0]['schema']>;

/** A file that keeps apache-arrow busy: a length in its schema, which the library then looks for in endless zeros. */
export function endlessArrow(): Buffer {
  const bytes = readFileSync(fixture('utterances.arrow'));
  bytes[407] = 96;
  return bytes;
}

/**
 * A table of two row groups with `ids`, 5 x 4 each, of which hyparquet takes the second one for a list that is longer
 * than V8's lists can be, which ends a process: levels that begin in the middle of the numbers, as a length of a run.
 */
export function fatalParquet(ids: readonly string[]): Buffer {
  const half = ids.length / 2;
  const run = new Float32Array(Uint32Array.of(0xfefffffe, 0x40840003).buffer);
  const logits = ids.map((_, n) =>
    Array.from({ length: 20 }, (_, i) => (n === half && i < 2 ? run[i]! : n + i / 8)),
  );
  const list = (name: string, type: 'FLOAT' | 'INT32'): SchemaTree => [
    { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type, repetition_type: 'OPTIONAL' },
  ];
  const file = parquetWriteBuffer({
    codec: 'UNCOMPRESSED',
    rowGroupSize: half,
    schema: [
      { name: 'root', num_children: 3 },
      { name: 'id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      ...list('logits', 'FLOAT'),
      ...list('shape', 'INT32'),
    ],
    columnData: [
      { name: 'id', data: [...ids] },
      { name: 'logits', data: logits },
      { name: 'shape', data: ids.map(() => [5, 4]) },
    ],
  });
  const bytes = Buffer.from(file);
  const page = Number(parquetMetadata(file).row_groups[1]!.columns[1]!.meta_data!.data_page_offset);
  // In the page's header: 16 bytes of repetition levels become 19, and the definition levels begin where the numbers do.
  assert.equal(bytes[page + 21], 2 * 16);
  bytes[page + 21] = 2 * 19;
  return bytes;
}

/** Element (t, c) of utterance u in the fixtures. */
export const element = (u: number, t: number, c: number) => 100 * u + 10 * t + c;

/** Utterance u of the fixtures: 3 + u frames of 4 classes. */
export function utterance(u: number): number[][] {
  return Array.from({ length: 3 + u }, (_, t) => [0, 1, 2, 3].map((c) => element(u, t, c)));
}

export interface ReadUtterance {
  id: string | undefined;
  rows: number[][] | undefined;
  fault: string | undefined;
}

/** Everything in a source, in order, with a buffer of `limit` bytes. */
export async function readAll(source: ArraySource, limit = 2 ** 20): Promise<ReadUtterance[]> {
  const buffer = new ReadBuffer(limit);
  const read: ReadUtterance[] = [];
  let positions = Array.from({ length: source.count }, (_, i) => i);
  while (positions.length > 0) {
    const { data, shape, strides, frames, faults } = await source.read(positions, buffer);
    const count = shape[1];
    assert.ok(count > 0 && count <= positions.length);
    for (let n = 0; n < count; n++) {
      assert.equal(frames[n] === 0 || faults[n] === undefined, true);
      const rows = Array.from({ length: frames[n]! }, (_, t) =>
        Array.from({ length: shape[2] }, (_, c) => {
          return data[t * strides[0] + n * strides[1] + c * strides[2]]!;
        }),
      );
      const fault = faults[n];
      read.push({ id: source.id(positions[n]!), rows: fault ? undefined : rows, fault });
    }
    positions = positions.slice(count);
  }
  return read;
}

export interface ZipPart {
  name: string;
  data: Buffer;
  /** As it is in the archive, where it is deflated. */
  packed?: Buffer;
  zip64?: boolean;
  /** Replaces fields of the directory's entry, for broken archives. */
  directory?: {
    bytes?: number;
    compressed?: number;
    offset?: number;
    method?: number;
    flags?: number;
  };
}

export function zipBytes(parts: ZipPart[], zip64 = false): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const { name, data, packed, directory = {}, ...part } of parts) {
    const stored = packed ?? data;
    const method = directory.method ?? (packed ? 8 : 0);
    const label = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(label.length, 26);
    locals.push(local, label, stored);
    const sizes = [
      directory.bytes ?? data.length,
      directory.compressed ?? stored.length,
      directory.offset ?? offset,
    ];
    const extra = part.zip64 ? Buffer.alloc(4 + 24) : Buffer.alloc(0);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(directory.flags ?? 0, 8);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(crc(data), 16);
    if (part.zip64) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      sizes.forEach((size, i) => void extra.writeBigUInt64LE(BigInt(size), 4 + 8 * i));
    }
    [24, 20, 42].forEach(
      (at, i) => void entry.writeUInt32LE(part.zip64 ? 0xffffffff : sizes[i]!, at),
    );
    entry.writeUInt16LE(label.length, 28);
    entry.writeUInt16LE(extra.length, 30);
    entries.push(entry, label, extra);
    offset += 30 + label.length + stored.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(zip64 ? 0xffff : parts.length, 10);
  end.writeUInt32LE(zip64 ? 0xffffffff : directory.length, 12);
  end.writeUInt32LE(zip64 ? 0xffffffff : offset, 16);
  const wide = Buffer.alloc(zip64 ? 56 + 20 : 0);
  if (zip64) {
    wide.writeUInt32LE(0x06064b50, 0);
    wide.writeBigUInt64LE(BigInt(parts.length), 32);
    wide.writeBigUInt64LE(BigInt(directory.length), 40);
    wide.writeBigUInt64LE(BigInt(offset), 48);
    wide.writeUInt32LE(0x07064b50, 56);
    wide.writeBigUInt64LE(BigInt(offset + directory.length), 64);
  }
  return Buffer.concat([...locals, directory, wide, end]);
}

/** A .safetensors file of `header` (an object, or any text) and data. */
export function safetensorsBytes(header: object | string, data: Uint8Array): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

/** One entry of a Kaldi archive: key, "\0B", token, sizes, data. */
export function kaldiBytes(
  key: string,
  kind: string,
  rows: number,
  columns: number,
  data: Buffer,
  range?: [least: number, range: number],
): Buffer {
  const sizes = Buffer.alloc(range ? 16 : 10);
  if (range) {
    sizes.writeFloatLE(range[0], 0);
    sizes.writeFloatLE(range[1], 4);
    sizes.writeInt32LE(rows, 8);
    sizes.writeInt32LE(columns, 12);
  } else {
    sizes[0] = 4;
    sizes.writeInt32LE(rows, 1);
    sizes[5] = 4;
    sizes.writeInt32LE(columns, 6);
  }
  return Buffer.concat([Buffer.from(`${key} \0B${kind} `), sizes, data]);
}

export const bytesOf = (array: ArrayBufferView) =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);
