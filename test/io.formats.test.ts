import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { float16ToNumber } from '../lib/io/half.js';
import { openSource, type SourceOptions } from '../lib/io/openSource.js';
import { npyBytes, Scratch } from './io.helpers.js';
import {
  bytesOf,
  element,
  fixture,
  readAll,
  safetensorsBytes,
  utterance,
  zipBytes,
} from './support/formats.js';
import { root } from './support/paths.js';

async function read(paths: string | string[], options: SourceOptions = {}, limit?: number) {
  const source = await openSource([paths].flat(), options);
  try {
    return { source, utterances: await readAll(source, limit) };
  } finally {
    await source.close();
  }
}

const float32 = (u: number) => Float32Array.from(utterance(u).flat());
const npy = (u: number) => npyBytes({ shape: [3 + u, 4], data: float32(u) });

describe('readers', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  const keyed: [file: string, format: string, type: string][] = [
    ['utterances.npz', 'npz', 'float32'],
    ['deflated.npz', 'npz', 'float32'],
    ['utterances.h5', 'hdf5', 'float32'],
    ['uncompressed.parquet', 'parquet', 'float32'],
    ['snappy.parquet', 'parquet', 'float32'],
    ['zstd.parquet', 'parquet', 'float32'],
    ['flat.parquet', 'parquet', 'float64'],
    ['utterances.arrow', 'arrow', 'float32'],
  ];
  for (const [file, format, type] of keyed) {
    for (const limit of [1, 150, 2 ** 20]) {
      it(`read an utterance from each array or row of ${file}, ${limit} bytes at a time`, async () => {
        const { source, utterances } = await read(fixture(file), {}, limit);
        assert.deepEqual(
          [source.format, source.type, source.classes, source.keyed, source.warnings],
          [format, type, 4, true, []],
        );
        const expected = [0, 1, 2, 3, 4].map((u) => ({
          id: `utt${u}`,
          rows: utterance(u),
          fault: undefined,
        }));
        assert.deepEqual(utterances, expected);
        assert.equal(source.find('utt3'), 3);
        assert.equal(source.find('data/x/utt3.wav'), 3);
        assert.equal(source.find('utt5'), undefined);
      });
    }
  }

  for (const file of ['utterances.h5', 'zstd.parquet', 'utterances.arrow', 'utterances.npz']) {
    it(`read ${file} from CommonJS, too`, async () => {
      const reader = createRequire(import.meta.url)(join(root, 'dist/cjs/io/openSource.js'));
      const source = await (reader as { openSource: typeof openSource }).openSource([
        fixture(file),
      ]);
      const utterances = await readAll(source);
      assert.deepEqual(utterances[3]!.rows, utterance(3));
      await source.close();
    });
  }

  it('read utterances in any order', async () => {
    const source = await openSource([fixture('deflated.npz')]);
    const { ReadBuffer } = await import('../lib/io/openSource.js');
    const { data, frames } = await source.read([4, 0, 2], new ReadBuffer());
    assert.deepEqual(frames, [7, 3, 5]);
    assert.deepEqual(
      [data[0], data[28], data[56 + 5]],
      [element(4, 0, 0), element(0, 0, 0), element(2, 1, 1)],
    );
    await source.close();
  });

  for (const [file, type] of [
    ['batch.npz', 'float16'],
    ['batch.h5', 'float32'],
  ] as const) {
    it(`read the only array of three axes, of ${file}`, async () => {
      for (const limit of [1, 100, 2 ** 20]) {
        const { source, utterances } = await read(fixture(file), {}, limit);
        assert.deepEqual([source.shape, source.type, source.keyed], [[3, 5, 4], type, false]);
        assert.match(
          source.warnings.join(),
          /"lengths", "logits", "logits" is read|"logits", "lengths", "logits" is read/,
        );
        utterances.forEach(({ rows }, n) => {
          const numbers = rows!.map((row) =>
            row.map((value) => (type === 'float16' ? float16ToNumber(value) : value)),
          );
          const expected = utterance(4)
            .slice(0, 3)
            .map((row) => row.map((value) => value + 100 * n));
          assert.deepEqual(numbers, expected);
        });
      }
      const named = await read(fixture(file), { array: 'logits' });
      assert.deepEqual([named.source.count, named.source.warnings], [5, []]);
      const other = await read(fixture(file), { array: 'logits', layout: 'NTC' });
      assert.deepEqual([other.source.count, other.utterances[1]!.rows!.length], [3, 5]);
      await assert.rejects(openSource([fixture(file)], { array: 'logit' }), {
        code: 'ERR_CTC_FILE',
        message: /has no (array|dataset)? ?"logit"/,
      });
    });
  }

  it('leave no temporary file of a deflated array', async () => {
    const before = readdirSync(scratch.folder);
    const saved = process.env.TMPDIR;
    process.env.TMPDIR = scratch.folder;
    try {
      const { utterances } = await read(fixture('batch.npz'));
      assert.equal(utterances.length, 5);
    } finally {
      if (saved === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = saved;
    }
    assert.deepEqual(readdirSync(scratch.folder), before);
  });

  it("take numpy's nameless arrays in their order", async () => {
    const { source, utterances } = await read(fixture('nameless.npz'));
    assert.equal(source.keyed, false);
    assert.deepEqual(
      utterances.map(({ id, rows }) => [id, rows!.length]),
      [3, 4, 5, 6, 7].map((frames) => [undefined, frames]),
    );
  });

  it('turn Fortran order round', async () => {
    const { utterances } = await read(fixture('fortran.npz'));
    assert.deepEqual(
      utterances.map(({ rows }) => rows),
      [utterance(0), utterance(1)],
    );
    // Stored, too.
    const columns = [0, 1, 2, 3].flatMap((c) => [0, 1, 2].map((t) => element(0, t, c)));
    const data = Float64Array.from(columns);
    const member = npyBytes({ descr: '<f8', fortranOrder: true, shape: [3, 4], data });
    const path = scratch.write(zipBytes([{ name: 'a.npy', data: member }]));
    assert.deepEqual((await read(path)).utterances[0]!.rows, utterance(0));
  });

  it('report what is wrong with one utterance, and read the others', async () => {
    const npz = await read(fixture('mixed.npz'));
    assert.deepEqual(
      npz.utterances.map(({ rows }) => rows?.length),
      [3, undefined, undefined, undefined, undefined],
    );
    const reasons = npz.utterances.map(({ fault }) => fault);
    assert.match(
      reasons[1]!,
      /mixed\.npz: utt1 has 4 classes of float64; the first .* of float32$/,
    );
    assert.match(reasons[2]!, /mixed\.npz: utt2: holds big-endian numbers \(>f4\)/);
    assert.match(reasons[2]!, /numpy\.load\(".*mixed\.npz"\)\["utt2"\]/);
    assert.match(reasons[3]!, /utt3: holds Python objects \(pickle\), which are never loaded/);
    assert.match(reasons[4]!, /utt4 has 3 classes of float32; the first utterance has 4/);

    const h5 = await read(fixture('mixed.h5'));
    assert.equal(h5.source.type, 'float16');
    assert.equal(float16ToNumber(h5.utterances[0]!.rows![2]![1]!), 21);
    assert.match(h5.utterances[1]!.fault!, /utt1: holds big-endian numbers/);
    assert.match(h5.utterances[2]!.fault!, /utt2: holds elements of another kind/);
    assert.match(h5.utterances[3]!.fault!, /of float32; the first utterance has 4 of float16/);
  });

  it('read zip64, comments, and members in another order than their bytes', async () => {
    const parts = [0, 1, 2].map((u) => ({ name: `utt${u}.npy`, data: npy(u), zip64: true }));
    const path = scratch.write(zipBytes(parts, true));
    const { utterances } = await read(path);
    assert.deepEqual(
      utterances.map(({ rows }) => rows),
      [0, 1, 2].map(utterance),
    );
    const comment = Buffer.from(
      'a comment PK\u0005\u0006 with a signature in it, and more bytes after it',
    );
    const commented = zipBytes(parts.map((part) => ({ ...part, zip64: false })));
    commented.writeUInt16LE(comment.length, commented.length - 2);
    const other = await read(scratch.write(Buffer.concat([commented, comment])));
    assert.deepEqual(other.utterances, utterances);
  });

  const dtypes: [dtype: string, type: string, data: ArrayBufferView, options?: SourceOptions][] = [
    ['F32', 'float32', Float32Array.of(1, 2, 3, 4, 5, 6)],
    ['F64', 'float64', Float64Array.of(1, 2, 3, 4, 5, 6)],
    ['F16', 'float16', Uint16Array.of(1, 2, 3, 4, 5, 6)],
    ['BF16', 'bfloat16', Uint16Array.of(1, 2, 3, 4, 5, 6)],
    ['U16', 'bfloat16', Uint16Array.of(1, 2, 3, 4, 5, 6), { bfloat16: true }],
  ];
  for (const [dtype, type, data, options] of dtypes) {
    it(`read ${dtype} of .safetensors as ${type}`, async () => {
      const half = data.byteLength / 2;
      // The order of the header is not that of the data.
      const bytes = safetensorsBytes(
        {
          __metadata__: { format: 'pt' },
          b: { dtype, shape: [1, 3], data_offsets: [half, 2 * half] },
          a: { dtype, shape: [1, 3], data_offsets: [0, half] },
        },
        bytesOf(data),
      );
      const { source, utterances } = await read(scratch.write(bytes), options);
      assert.deepEqual([source.format, source.type], ['safetensors', type]);
      assert.deepEqual(
        utterances.map(({ id, rows }) => [id, rows]),
        [
          ['a', [[1, 2, 3]]],
          ['b', [[4, 5, 6]]],
        ],
      );
    });
  }

  it('read a batch of .safetensors', async () => {
    const data = Float32Array.from({ length: 12 }, (_, i) => i);
    const header = { logits: { dtype: 'F32', shape: [2, 3, 2], data_offsets: [0, 48] } };
    const { source, utterances } = await read(
      scratch.write(safetensorsBytes(header, bytesOf(data))),
    );
    assert.deepEqual(source.shape, [2, 3, 2]);
    assert.deepEqual(utterances[1]!.rows, [
      [2, 3],
      [8, 9],
    ]);
  });

  it('read folders, patterns and lists of files', async () => {
    const folder = join(scratch.folder, 'outputs');
    mkdirSync(join(folder, 'b', 'c'), { recursive: true });
    const files = ['b/utt1.npy', 'b/c/utt2.npy', 'utt0.npy', 'b/notes.txt', '.hidden.npy'];
    for (const name of files) {
      const u = Number(/\d/.exec(name)?.[0] ?? 0);
      writeFileSync(join(folder, name), npy(u));
    }
    const idsOf = async (path: string | string[]) => {
      const { source, utterances } = await read(path, {}, 200);
      for (const { id, rows } of utterances) {
        assert.deepEqual(rows, utterance(Number(/\d/.exec(id!)![0])));
      }
      return { ids: utterances.map(({ id }) => id), source };
    };
    const { ids, source } = await idsOf(folder);
    assert.deepEqual(ids, ['b/c/utt2', 'b/utt1', 'utt0']);
    assert.equal(source.find('/audio/b/utt1.flac'), 1);
    assert.deepEqual((await idsOf(`${folder}/**/utt?.npy`)).ids, ids);
    assert.deepEqual((await idsOf(`${folder}/*/*.npy`)).ids, ['b/utt1']);
    const list = [join(folder, 'utt0.npy'), join(folder, 'b/utt1.npy')];
    assert.deepEqual((await idsOf(list)).ids, ['utt0', 'utt1']);
    await assert.rejects(openSource([`${folder}/*.npz`]), /matches no file/);
    await assert.rejects(openSource([join(folder, 'nothing')]), /no such file/);
    await assert.rejects(openSource([list[0]!, list[0]!]), /second file with the id utt0/);
    mkdirSync(join(scratch.folder, 'empty'));
    await assert.rejects(openSource([join(scratch.folder, 'empty')]), /no model outputs in it/);

    // One that cannot be read is its own fault.
    writeFileSync(join(folder, 'a.npy'), 'nothing');
    writeFileSync(
      join(folder, 'batch.npy'),
      npyBytes({ shape: [1, 1, 4], data: new Float32Array(4) }),
    );
    const { utterances } = await read(folder);
    assert.match(utterances[0]!.fault!, /a\.npy: is not a \.npy file/);
    assert.match(utterances[3]!.fault!, /batch\.npy: has the shape \(1, 1, 4\), not T x C$/);
    assert.equal(utterances.filter(({ rows }) => rows).length, 3);
  });

  it('go on when more files are needed than are kept open', async () => {
    const folder = join(scratch.folder, 'many');
    mkdirSync(folder);
    for (let i = 0; i < 600; i++) {
      const data = Float32Array.of(i, -i);
      writeFileSync(
        join(folder, `${String(i).padStart(4, '0')}.npy`),
        npyBytes({ shape: [1, 2], data }),
      );
    }
    const { utterances } = await read(folder);
    assert.deepEqual(
      utterances.map(({ rows }) => rows![0]![0]),
      Array.from({ length: 600 }, (_, i) => i),
    );
  });

  it('put several files one after the other', async () => {
    const two = await read([fixture('utterances.npz'), fixture('snappy.parquet')], {}, 200);
    assert.deepEqual([two.source.count, two.source.keyed], [10, true]);
    assert.deepEqual(two.utterances[8]!.rows, utterance(3));
    assert.equal(two.source.find('utt2'), 2);

    const batch = (start: number, frames: number) =>
      scratch.write(
        npyBytes({
          shape: [frames, 2, 1],
          data: Float32Array.from({ length: 2 * frames }, (_, i) => start + i),
        }),
        `batch-${start}.npy`,
      );
    const { source, utterances } = await read([batch(0, 2), batch(10, 1)]);
    assert.deepEqual([source.count, source.frames(0), source.frames(3)], [4, 2, 1]);
    assert.deepEqual(
      utterances.map(({ rows }) => rows),
      [[[0], [2]], [[1], [3]], [[10]], [[11]]],
    );
    await assert.rejects(
      openSource([fixture('utterances.npz'), fixture('flat.parquet')]),
      /has 4 classes of float64 and .*utterances\.npz 4 of float32/,
    );
    await assert.rejects(
      openSource([fixture('utterances.npz'), fixture('nameless.npz')]),
      /has ids and .*nameless\.npz has none/,
    );
  });

  it('choose columns', async () => {
    const path = fixture('snappy.parquet');
    const { source } = await read(path, { idColumn: 'text' });
    assert.equal(source.find('text 3'), 3);
    for (const table of [path, fixture('utterances.arrow')]) {
      for (const options of [{ array: 'nothing' }, { idColumn: 'nothing' }]) {
        await assert.rejects(openSource([table], options), {
          code: 'ERR_CTC_FILE',
          message: /has no column "nothing". It has "id", "text", "logits"$/,
        });
      }
      await assert.rejects(openSource([table], { array: 'text' }), /"text" is no list of lists/);
    }
  });

  it('refuse pickles with a line that converts them', async () => {
    const pickle = scratch.write(Buffer.from([0x80, 4, 0x95, 0]), 'a.pkl');
    await assert.rejects(openSource([pickle]), {
      code: 'ERR_CTC_FILE',
      message: /is a Python pickle.*python3 -c 'import numpy, pickle; .*a\.pkl/,
    });
    const torch = zipBytes([{ name: 'model/data.pkl', data: Buffer.from('x') }]);
    await assert.rejects(openSource([scratch.write(torch, 'a.pt')]), {
      code: 'ERR_CTC_FILE',
      message: /is a PyTorch file.*python3 -c 'import numpy, torch; .*a\.pt/,
    });
  });

  it('refuse what is no known format', async () => {
    const path = scratch.write('hello there', 'a.bin');
    await assert.rejects(openSource([path]), /a\.bin: is of no known format. Readable are \.npy/);
    await assert.rejects(openSource([scratch.write('', 'b.bin')]), /b\.bin: is empty/);
    await assert.rejects(
      openSource([fixture('lz4.arrow')]),
      /compressed, which its library does not/,
    );
  });

  it('inflate no more than a member claims, and compare its checksum', async () => {
    const data = npy(0);
    const packed = deflateRawSync(data);
    const broken = Buffer.from(packed);
    const member = (part: object) =>
      scratch.write(
        zipBytes([
          { name: 'ok.npy', data, packed },
          { name: 'a.npy', data, packed, ...part },
        ]),
      );
    const faultOf = async (path: string) => (await read(path)).utterances[1]!.fault;
    assert.equal(await faultOf(member({})), undefined);
    const longer = deflateRawSync(Buffer.concat([data, Buffer.alloc(1e6)]));
    assert.match((await faultOf(member({ packed: longer })))!, /is larger than its archive says/);
    const shorter = deflateRawSync(data.subarray(0, -4));
    assert.match(
      (await faultOf(member({ packed: shorter })))!,
      /compressed data is broken|smaller/,
    );
    const changed = Buffer.from(data);
    changed[data.length - 1]! ^= 1;
    const wrong = (await faultOf(member({ packed: deflateRawSync(changed) })))!;
    assert.match(wrong, /compressed data is broken \(incorrect data check\)/);
    broken[broken.length >> 1]! ^= 0xff;
    assert.ok(await faultOf(member({ packed: broken })));
  });
});
