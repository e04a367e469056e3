import assert from 'node:assert/strict';
import { truncateSync } from 'node:fs';
import fc from 'fast-check';
import { bfloat16ToNumber, float16ToNumber } from '../lib/io/half.js';
import { locateNpy, type NpyData, type NpyType, readNpy } from '../lib/io/npy.js';
import { PreadFile } from '../lib/io/pread.js';
import { parsePythonLiteral } from '../lib/io/pythonLiteral.js';
import { viewElements } from '../lib/io/source.js';
import { type NpyParts, npyBytes, Scratch } from './io.helpers.js';

describe('.npy reader', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  it('reads what numpy 2.4 wrote', async () => {
    // numpy.array([[1.5, -2, inf], [0, 0.25, 65504]]), in C, Fortran and C order
    const files: [type: NpyType, strides: number[], base64: string][] = [
      [
        'float32',
        [3, 1],
        'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAMA/AAAAwAAAgH8AAAAAAACAPgDgf0c=',
      ],
      [
        'float64',
        [1, 2],
        'k05VTVBZAgB0AAAAeydkZXNjcic6ICc8ZjgnLCAnZm9ydHJhbl9vcmRlcic6IFRydWUsICdzaGFwZSc6ICgyLCAzKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAD4PwAAAAAAAAAAAAAAAAAAAMAAAAAAAADQPwAAAAAAAPB/AAAAAAD870A=',
      ],
      [
        'float16',
        [3, 1],
        'k05VTVBZAwB0AAAAeydkZXNjcic6ICc8ZjInLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAPgDAAHwAAAA0/3s=',
      ],
    ];
    for (const [type, strides, base64] of files) {
      const array = await readNpy(scratch.write(Buffer.from(base64, 'base64')));
      const decode = type === 'float16' ? float16ToNumber : Number;
      const at = (i: number, j: number) => decode(array.data[i * strides[0]! + j * strides[1]!]!);
      assert.deepEqual([array.type, array.shape, array.strides], [type, [2, 3], strides]);
      assert.deepEqual([at(0, 0), at(0, 1), at(0, 2)], [1.5, -2, Number.POSITIVE_INFINITY]);
      assert.deepEqual([at(1, 0), at(1, 1), at(1, 2)], [0, 0.25, 65504]);
    }
  });

  it('reads float32, float64 and float16, versions 1 to 3', async () => {
    const cases: [string, NpyType, NpyData][] = [
      ['<f4', 'float32', Float32Array.of(1.5, -2, Number.POSITIVE_INFINITY, 0, Number.NaN, 65504)],
      ['<f8', 'float64', Float64Array.of(1.5, -2, Number.POSITIVE_INFINITY, 0, Number.NaN, 1e300)],
      ['<f2', 'float16', Uint16Array.of(0x3e00, 0xc000, 0x7c00, 0, 0x7e00, 0x7bff)],
      ['=f4', 'float32', Float32Array.of(1, 2, 3, 4, 5, 6)],
    ];
    for (const [descr, type, data] of cases) {
      for (const version of [1, 2, 3] as const) {
        const path = scratch.write(npyBytes({ descr, shape: [2, 3], version, data }));
        const array = await readNpy(path);
        assert.deepEqual(array, { data, type, shape: [2, 3], strides: [3, 1] });
      }
    }
  });

  it('reads 16-bit integers and void elements as bfloat16, only when asked', async () => {
    const data = Uint16Array.of(0x3fc0, 0xc000, 0x7f80);
    for (const descr of ['<u2', '|V2', '<V2']) {
      const path = scratch.write(npyBytes({ descr, shape: [3], data }));
      await assert.rejects(readNpy(path), { code: 'ERR_CTC_FILE', message: /bfloat16 option/ });
      const array = await readNpy(path, { bfloat16: true });
      assert.deepEqual(array, { data, type: 'bfloat16', shape: [3], strides: [1] });
      assert.deepEqual([...data].map(bfloat16ToNumber), [1.5, -2, Number.POSITIVE_INFINITY]);
    }
    const float = scratch.write(npyBytes({ shape: [1], data: Float32Array.of(1) }));
    await assert.rejects(readNpy(float, { bfloat16: true }), { message: /not the 16-bit ones/ });
  });

  it('describes Fortran order by strides and leaves the data as it lies', async () => {
    const data = Float32Array.from({ length: 24 }, (_, i) => i);
    const path = scratch.write(npyBytes({ shape: [2, 3, 4], fortranOrder: true, data }));
    const array = await readNpy(path);
    assert.deepEqual(array.strides, [1, 2, 6]);
    assert.deepEqual(array.data, data);
  });

  it('reads any range of any axis, in either order (property)', async () => {
    const types: [string, (n: number) => NpyData][] = [
      ['<f4', (n) => Float32Array.from({ length: n }, (_, i) => i)],
      ['<f8', (n) => Float64Array.from({ length: n }, (_, i) => i)],
      ['<f2', (n) => Uint16Array.from({ length: n }, (_, i) => i)],
    ];
    const anyCase = fc
      .record({
        shape: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
        type: fc.constantFrom(...types),
        fortranOrder: fc.boolean(),
        axisSeed: fc.nat(),
        range: fc.tuple(fc.nat(), fc.nat()),
      })
      .map(({ shape, axisSeed, range, ...rest }) => {
        const axis = axisSeed % shape.length;
        const start = range[0] % (shape[axis]! + 1);
        const count = range[1] % (shape[axis]! - start + 1);
        return { shape, axis, start, count, ...rest };
      });
    await fc.assert(
      fc.asyncProperty(anyCase, async ({ shape, type, fortranOrder, axis, start, count }) => {
        const total = shape.reduce((product, n) => product * n, 1);
        const data = type[1](total);
        const bytes = npyBytes({ descr: type[0], shape, fortranOrder, data });
        const file = PreadFile.open(scratch.write(bytes, 'property.npy'));
        try {
          const { array } = locateNpy(file, 0, file.size, {});
          assert.equal(array.bytesFor(axis, shape[axis]!), total * data.BYTES_PER_ELEMENT);
          const memory = new ArrayBuffer(array.bytesFor(axis, count));
          await array.fill(new Uint8Array(memory), axis, start, count);
          const read = viewElements(memory, array.type, memory.byteLength);
          const strides = array.strides(axis, count);
          const within = shape.map((n, i) => (i === axis ? count : n));
          const order = shape.map((_, i) => i);
          if (!fortranOrder) order.reverse();
          for (const index of indices(within)) {
            const here = index.reduce((sum, i, k) => sum + i * strides[k]!, 0);
            let there = 0;
            let stride = 1;
            for (const k of order) {
              there += (index[k]! + (k === axis ? start : 0)) * stride;
              stride *= shape[k]!;
            }
            assert.equal(read[here], data[there]);
          }
        } finally {
          file.close();
        }
      }),
      { numRuns: 200, seed: 2 },
    );
  });

  describe('refuses', () => {
    const four = Float32Array.of(1, 2, 3, 4);
    const with_ = (header: string): NpyParts => ({ header, data: four });
    const shaped = (shape: string) =>
      with_(`{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`);
    const typed = (descr: string) =>
      with_(`{'descr': ${descr}, 'fortran_order': False, 'shape': (4,), }`);
    const patched = (patch: (bytes: Buffer) => Buffer): Buffer =>
      patch(npyBytes({ shape: [4], data: four }));

    const hostile: [name: string, file: NpyParts | Buffer, message: RegExp][] = [
      ['an empty file', Buffer.alloc(0), /: is empty\. Write it again with numpy\.save$/],
      ['another file', Buffer.from('id,text\n1,hello\n'), /begins with the text "id,text\\n1,he"/],
      ['a zip archive', Buffer.from('PK\u0003\u0004aaaaaaaaaa'), /zip archive.*logits\.float\(\)/],
      ['a pickle', Buffer.from([0x80, 4, 0x95, 0, 0, 0, 0, 0]), /a Python pickle/],
      ['a pointer of Git LFS', Buffer.from('version https://git-lfs'), /git lfs pull/],
      ['a magic cut short', Buffer.from('\u0093NUM', 'latin1'), /not a \.npy file.*bytes 934e554d/],
      ['a prefix cut short', patched((b) => b.subarray(0, 9)), /ends inside its header/],
      ['a header cut short', patched((b) => b.subarray(0, 60)), /ends inside its header/],
      ['data cut short', patched((b) => b.subarray(0, b.length - 1)), /needs 16 bytes.*holds 15/],
      [
        'a later version',
        patched((b) => set(b, 6, 4)),
        /version 4\.0; versions 1\.0, 2\.0 and 3\.0/,
      ],
      ['version 0', patched((b) => set(b, 6, 0)), /version 0\.0/],
      [
        'a header of 4 GiB',
        Buffer.from('\u0093NUMPY\u0002\u0000\u00ff\u00ff\u00ff\u00ff{', 'latin1'),
        /claims a header of 4294967295 bytes/,
      ],
      ['big-endian numbers', typed("'>f4'"), /big-endian numbers \(>f4\).*astype\('<f4'\)/],
      ['Python objects', typed("'|O'"), /Python objects \(pickle\), which are never loaded/],
      ['a structured dtype', typed("[('p', '<f4'), ('q', '<i4')]"), /2 fields.*a\["p"\]/],
      ['a nested dtype', typed("[('p', [('q', '<f4')])]"), /structured dtype with 1 fields/],
      ['integers', typed("'<i4'"), /holds "<i4" elements.*astype\('<f4'\)/],
      ['complex numbers', typed("'<c8'"), /holds "<c8" elements/],
      ['dates', typed("'<M8[ns]'"), /holds "<M8\[ns\]" elements/],
      ['float128', typed("'<f16'"), /holds "<f16" elements/],
      ['text', typed("'<U5'"), /holds "<U5" elements/],
      ['a descr that is no dtype', typed("''"), /'descr' is not a dtype/],
      ['a descr that is a number', typed('4'), /'descr' is not a dtype/],
      ['a shape of 10^18', shaped('(1000000000000000000,)'), /needs 4000000000000000000 bytes/],
      [
        'a shape whose product overflows',
        shaped(`(${'4294967296, '.repeat(4)})`),
        /needs 136\d{37}/,
      ],
      [
        '10^30 beside an empty axis',
        shaped('(0, 1000000000000000000000000000000)'),
        /length 10{30}/,
      ],
      ['a negative axis', shaped('(-4,)'), /an axis of the length -4/],
      ['two negative axes', shaped('(-2, -2)'), /an axis of the length -2/],
      ['a fractional axis', shaped('(4.0,)'), /header cannot be read: expected/],
      ['a shape of text', shaped("('4',)"), /'shape' is not a tuple of integers/],
      ['a shape without a tuple', shaped('4'), /'shape' is not a tuple of integers/],
      ['65 axes', shaped(`(${'1, '.repeat(65)})`), /has 65 axes/],
      ['one number', { shape: [], data: four }, /one number, not an array/],
      ['no fields', with_('{}'), /not a dict of descr, fortran_order, shape/],
      [
        'a further field',
        with_("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'x': 1}"),
        /not a dict of descr, fortran_order, shape/,
      ],
      [
        'a field twice',
        with_("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (4,)}"),
        /'descr' only once/,
      ],
      [
        'an order that is no boolean',
        with_("{'descr': '<f4', 'fortran_order': 0, 'shape': (4,)}"),
        /'fortran_order' is not True or False/,
      ],
      ['a call', with_("__import__('os').system('true')"), /header cannot be read/],
      ['nested brackets', with_('['.repeat(5000)), /expected fewer nested brackets/],
      ['an open string', with_("{'descr"), /expected a closed string/],
    ];
    for (const [name, file, message] of hostile) {
      it(name, async () => {
        const path = scratch.write(Buffer.isBuffer(file) ? file : npyBytes(file), 'hostile.npy');
        await assert.rejects(readNpy(path), (error: NodeJS.ErrnoException) => {
          assert.equal(error.code, 'ERR_CTC_FILE');
          assert.ok(error.message.startsWith(`${path}: `), error.message);
          assert.match(error.message, message);
          return true;
        });
      });
    }

    it('a missing file and a folder', async () => {
      await assert.rejects(readNpy('/no/such.npy'), {
        code: 'ERR_CTC_FILE',
        message: '/no/such.npy: no such file. Check the path',
      });
      await assert.rejects(readNpy(scratch.folder), { code: 'ERR_CTC_FILE', message: /a folder/ });
      await assert.rejects(readNpy('a\0b'), { code: 'ERR_CTC_FILE', message: /path is not valid/ });
    });

    it('a file that becomes shorter between opening and reading', async () => {
      const path = scratch.write(npyBytes({ shape: [4], data: four }));
      const file = PreadFile.open(path);
      const { array } = locateNpy(file, 0, file.size, {});
      truncateSync(path, 130);
      const error = { code: 'ERR_CTC_FILE', message: /became shorter/ };
      await assert.rejects(array.fill(new Uint8Array(16), 0, 0, 4), error);
      file.close();
    });
  });

  it('reads or refuses damaged files, and does nothing else (property)', async () => {
    const good = npyBytes({ shape: [2, 3], data: new Float32Array(6) });
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(good.length), async (changes, length) => {
        const bytes = Buffer.from(good.subarray(0, length));
        for (const [place, value] of changes) if (place < length) bytes[place] = value;
        const path = scratch.write(bytes, 'damaged.npy');
        try {
          const { data } = await readNpy(path);
          assert.ok(data.byteLength <= bytes.length);
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, 'ERR_CTC_FILE');
        }
      }),
      { numRuns: 500, seed: 3 },
    );
  });
});

describe('Python literals', () => {
  it('are read as Python does', () => {
    assert.deepEqual(parsePythonLiteral('(1, -2, 3L)'), [1n, -2n, 3n]);
    assert.deepEqual(parsePythonLiteral('(7,)'), [7n]);
    assert.equal(parsePythonLiteral(' (7) '), 7n);
    assert.deepEqual(parsePythonLiteral('()'), []);
    assert.deepEqual(parsePythonLiteral('[None, True, False, "a", \'b\']'), [
      null,
      true,
      false,
      'a',
      'b',
    ]);
    assert.deepEqual(
      parsePythonLiteral('{\'a\': [1], "b": {}}'),
      new Map<string, unknown>([
        ['a', [1n]],
        ['b', new Map()],
      ]),
    );
  });

  it('fail with a SyntaxError on anything else (property)', () => {
    const pieces = ['(', ')', '[', ']', '{', '}', ',', ':', "'a'", '1', 'True', ' ', '-', 'x', '"'];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (parts) => {
        try {
          parsePythonLiteral(parts.join(''));
        } catch (error) {
          assert.ok(error instanceof SyntaxError);
        }
      }),
      { numRuns: 2000, seed: 4 },
    );
  });
});

describe('16-bit floats', () => {
  it('become numbers', () => {
    const cases: [bits: number, value: number][] = [
      [0x0000, 0],
      [0x8000, -0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x3555, 0.333251953125],
      [0x7bff, 65504],
      [0x0001, 2 ** -24],
      [0x0400, 2 ** -14],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xfc00, Number.NEGATIVE_INFINITY],
      [0x7e00, Number.NaN],
    ];
    for (const [bits, value] of cases) assert.ok(Object.is(float16ToNumber(bits), value));
    assert.equal(bfloat16ToNumber(0x3f80), 1);
    assert.ok(Number.isNaN(bfloat16ToNumber(0x7fc0)));
  });
});

function set(bytes: Buffer, place: number, value: number): Buffer {
  bytes[place] = value;
  return bytes;
}

function* indices(shape: readonly number[]): Generator<number[]> {
  if (shape.length === 0) {
    yield [];
    return;
  }
  for (let i = 0; i < shape[0]!; i++) {
    for (const rest of indices(shape.slice(1))) yield [i, ...rest];
  }
}
