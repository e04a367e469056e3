// Files from outside: whatever their bytes are, reading them ends in results or in an ERR_CTC_FILE that
// begins with the path, and takes no more memory than the file's size allows.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { openSource } from '../lib/io/openSource.js';
import { npyBytes, Scratch } from './io.helpers.js';
import {
  bytesOf,
  fixture,
  kaldiBytes,
  readAll,
  safetensorsBytes,
  zipBytes,
} from './support/formats.js';

const numbers = Float32Array.from({ length: 24 }, (_, i) => i);
const npy = npyBytes({ shape: [6, 4], data: numbers });
const tensor = { dtype: 'F32', shape: [6, 4], data_offsets: [0, 96] };

/** How many utterances could be read. */
async function attempt(path: string): Promise<number> {
  try {
    const source = await openSource([path]);
    try {
      const utterances = await readAll(source);
      for (const { fault } of utterances) {
        if (fault !== undefined) assert.ok(fault.startsWith(path), fault);
      }
      return utterances.filter(({ rows }) => rows !== undefined).length;
    } finally {
      await source.close();
    }
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    assert.equal(code, 'ERR_CTC_FILE', (error as Error).stack);
    assert.ok(message.startsWith(path) && !message.includes('\n'), message);
    return 0;
  }
}

describe('hostile files', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  const whole: [name: string, bytes: Buffer, utterances: number][] = [
    ['a.npy', npy, 1],
    [
      'stored.npz',
      zipBytes([
        { name: 'a.npy', data: npy },
        { name: 'b.npy', data: npy },
      ]),
      2,
    ],
    ['deflated.npz', zipBytes([{ name: 'a.npy', data: npy, packed: deflateRawSync(npy) }]), 1],
    ['wide.npz', zipBytes([{ name: 'a.npy', data: npy, zip64: true }], true), 1],
    ['a.safetensors', safetensorsBytes({ a: tensor }, bytesOf(numbers)), 1],
    ['a.ark', kaldiBytes('utt', 'FM', 6, 4, bytesOf(numbers)), 1],
    ['compressed.ark', kaldiBytes('utt', 'CM', 4, 2, Buffer.alloc(24), [0, 1]), 1],
    ['text.ark', Buffer.from('utt [ 1 2\n 3 4 ]\n'), 1],
  ];

  for (const [name, bytes, utterances] of whole) {
    it(`are ${name}, cut at every byte`, async () => {
      assert.equal(await attempt(scratch.write(bytes, name)), utterances);
      for (let length = 0; length < bytes.length; length++) {
        const read = await attempt(scratch.write(bytes.subarray(0, length), name));
        // A table in text ends with its bracket, and the line's end after it is no loss.
        assert.ok(read < utterances || name === 'text.ark', `${length} bytes`);
      }
    });
  }

  for (const name of ['batch.h5', 'utterances.arrow', 'zstd.parquet']) {
    it(`are ${name}, cut at many bytes`, async () => {
      const bytes = readFileSync(fixture(name));
      assert.equal(await attempt(fixture(name)), 5);
      for (let length = 0; length < bytes.length; length += 23) {
        await attempt(scratch.write(bytes.subarray(0, length), name));
      }
    });
  }

  // Those that libraries read: io.contained.test.ts.
  for (const [name, bytes] of whole) {
    it(`are ${name} with other bytes (property)`, async () => {
      const change = fc.record({ at: fc.nat(bytes.length - 1), byte: fc.nat(255) });
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
          const changed = Buffer.from(bytes);
          for (const { at, byte } of changes) changed[at] = byte;
          await attempt(scratch.write(changed, name));
        }),
        { numRuns: 150, seed: 11 },
      );
    });
  }

  it('are any bytes under any name (property)', async () => {
    const extension = fc.constantFrom(
      '.npy',
      '.npz',
      '.safetensors',
      '.ark',
      '.scp',
      '.parquet',
      '',
    );
    const start = fc.constantFrom(
      '',
      '\u0093NUMPY',
      'PK\u0003\u0004',
      'PAR1',
      'ARROW1',
      'key \0BFM ',
    );
    await fc.assert(
      fc.asyncProperty(
        extension,
        start,
        fc.uint8Array({ maxLength: 200 }),
        async (end, begin, rest) => {
          const bytes = Buffer.concat([Buffer.from(begin, 'latin1'), rest]);
          await attempt(scratch.write(bytes, `any${end}`));
        },
      ),
      { numRuns: 200, seed: 12 },
    );
  });

  const tebibyte = 2 ** 40;
  const at = (offsets: [number, number], shape = [1, 1]) => ({
    dtype: 'F32',
    shape,
    data_offsets: offsets,
  });
  const refused: [what: string, name: string, bytes: Buffer, reason: RegExp][] = [
    [
      'a zip bomb by its claim',
      'bomb.npz',
      zipBytes([
        { name: 'a.npy', data: npy, packed: deflateRawSync(npy), directory: { bytes: 2 ** 31 } },
      ]),
      /"a\.npy" claims 2147483648 bytes in \d+ compressed ones, which is impossible/,
    ],
    [
      'a member of 2^40 bytes',
      'huge.npz',
      zipBytes([{ name: 'a.npy', data: npy, zip64: true, directory: { compressed: tebibyte } }]),
      /"a\.npy" would lie beyond the end of the file/,
    ],
    [
      'a member that is not there',
      'beyond.npz',
      zipBytes([{ name: 'a.npy', data: npy, directory: { offset: 1e6 } }]),
      /would lie beyond the end/,
    ],
    [
      'members that share bytes',
      'shared.npz',
      zipBytes([
        { name: 'a.npy', data: npy },
        { name: 'b.npy', data: npy, directory: { offset: 0 } },
      ]),
      /"b\.npy" overlaps another part|"a\.npy" overlaps another part/,
    ],
    [
      'a name twice',
      'twice.npz',
      zipBytes([
        { name: 'a.npy', data: npy },
        { name: 'a.npy', data: npy },
      ]),
      /has two members "a\.npy"/,
    ],
    [
      'an encrypted member',
      'secret.npz',
      zipBytes([{ name: 'a.npy', data: npy, directory: { flags: 1 } }]),
      /a: is encrypted/,
    ],
    [
      'another compression',
      'other.npz',
      zipBytes([{ name: 'a.npy', data: npy, directory: { method: 12 } }]),
      /a: is compressed by method 12/,
    ],
    [
      'an array larger than its member',
      'larger.npz',
      zipBytes([{ name: 'a.npy', data: npyBytes({ shape: [2 ** 30, 2 ** 30], data: numbers }) }]),
      /a: the shape \(1073741824, 1073741824\) of float32 needs 4611686018427387904 bytes/,
    ],
    [
      'an archive without arrays',
      'none.npz',
      zipBytes([{ name: 'a.txt', data: npy }]),
      /no \.npy array/,
    ],
    ['an empty archive', 'empty.npz', zipBytes([]), /no \.npy array/],
    [
      'a header of 2^63 bytes',
      'header.safetensors',
      Buffer.from('\0\0\0\0\0\0\0\u0080{}', 'latin1'),
      /claims a header of 9223372036854775808 bytes/,
    ],
    [
      'a header longer than the file',
      'long.safetensors',
      safetensorsBytes('{}', new Uint8Array(0)).fill(100, 0, 1),
      /ends inside its header/,
    ],
    [
      'a header that is no JSON',
      'json.safetensors',
      safetensorsBytes('{"a": }', bytesOf(numbers)),
      /not JSON/,
    ],
    ['no tensor', 'no.safetensors', safetensorsBytes({}, new Uint8Array(0)), /has no tensor in it/],
    [
      'tensors that overlap',
      'overlap.safetensors',
      safetensorsBytes({ a: at([0, 4]), b: at([2, 6]) }, Buffer.alloc(6)),
      /"b" overlaps another tensor/,
    ],
    [
      'a hole',
      'hole.safetensors',
      safetensorsBytes({ a: at([0, 4]), b: at([8, 12]) }, Buffer.alloc(12)),
      /"b" leaves a hole before it/,
    ],
    [
      'a tensor beyond the end',
      'end.safetensors',
      safetensorsBytes({ a: at([0, 4]), b: at([4, 8]) }, Buffer.alloc(4)),
      /its tensors need 8 bytes and the file holds 4/,
    ],
    [
      'bytes that no tensor has',
      'rest.safetensors',
      safetensorsBytes({ a: at([0, 4]) }, Buffer.alloc(5)),
      /its tensors need 4 bytes and the file holds 5/,
    ],
    [
      'a shape of 10^18',
      'shape.safetensors',
      safetensorsBytes({ a: at([0, 4], [1e9, 1e9]) }, Buffer.alloc(4)),
      /"a" needs 4000000000000000000 bytes .* and has 4/,
    ],
    [
      'a negative axis',
      'negative.safetensors',
      safetensorsBytes({ a: at([0, 4], [-1, -1]) }, Buffer.alloc(4)),
      /"a" has a shape that is none/,
    ],
    [
      'offsets backwards',
      'backwards.safetensors',
      safetensorsBytes({ a: at([4, 0]) }, Buffer.alloc(4)),
      /"a" has data_offsets that are none/,
    ],
    [
      'integers only',
      'integers.safetensors',
      safetensorsBytes({ a: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, Buffer.alloc(8)),
      /a: holds "I64" elements; readable are F32, F64, F16 and BF16/,
    ],
  ];
  for (const [what, name, bytes, reason] of refused) {
    it(`are refused: ${what}`, async () => {
      const path = scratch.write(bytes, name);
      const before = process.memoryUsage().arrayBuffers;
      await assert.rejects(
        async () => {
          const source = await openSource([path]);
          const [utterance] = await readAll(source).finally(() => source.close());
          throw Object.assign(new Error(utterance!.fault), { code: 'ERR_CTC_FILE' });
        },
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'ERR_CTC_FILE', error.stack);
          assert.match(error.message, reason);
          assert.ok(error.message.startsWith(path));
          return true;
        },
      );
      assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 26);
    });
  }
});
