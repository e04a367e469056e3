// The gradient into the caller's array: every element type, sync and async, in any memory; an array that
// overlaps the input is refused.

import assert from 'node:assert/strict';
import { ctcLoss, ctcLossSync, type GradientArray } from '../lib/index.js';
import { resizableBuffer } from './support/badCalls/row.js';
import { makeBatch } from './support/batch.js';
import { assertBitwise } from './support/close.js';
import type { DTypeName } from './support/half.js';

const shape = { T: 24, N: 3, C: 20, L: 7 };
const size = shape.T * shape.N * shape.C;

type Constructor = new (
  buffer: ArrayBufferLike,
  offset?: number,
  length?: number,
) => Float32Array & GradientArray;

describe("the gradient in the caller's array", () => {
  for (const dtype of ['float32', 'float64', 'float16', 'bfloat16'] as DTypeName[]) {
    const { data, targets, shape: dims } = makeBatch(shape, dtype);
    const View = data.constructor as unknown as Constructor;
    const width = data.BYTES_PER_ELEMENT;
    const input = { data, shape: dims, type: dtype };
    const expected = ctcLossSync(input, targets).gradient as Float32Array;

    const places: Record<string, () => Float32Array & GradientArray> = {
      'an array of its size': () => new View(new ArrayBuffer(size * width)),
      'a longer array': () => new View(new ArrayBuffer((size + 5) * width)),
      'the middle of a buffer': () =>
        new View(new ArrayBuffer((size + 16) * width), 3 * width, size + 2),
      'a SharedArrayBuffer': () => new View(new SharedArrayBuffer(size * width)),
      'a resizable ArrayBuffer': () => new View(resizableBuffer(size * width)),
    };
    for (const [what, make] of Object.entries(places)) {
      it(`${dtype}: ${what}`, async () => {
        const async = (gradient: Float32Array & GradientArray, buffers: 'auto' | 'transfer') =>
          ctcLoss({ ...input, data: data.slice() }, targets, { gradient, buffers });
        for (const call of [
          (gradient: Float32Array & GradientArray) => ctcLossSync(input, targets, { gradient }),
          (gradient: Float32Array & GradientArray) => async(gradient, 'auto'),
          (gradient: Float32Array & GradientArray) => async(gradient, 'transfer'),
        ]) {
          const gradient = make();
          const all = new Uint8Array(gradient.buffer).fill(0xab);
          const result = await call(gradient);
          assert.equal(result.gradient, gradient);
          assertBitwise(gradient.subarray(0, size), expected, 'gradient');
          const [start, end] = [gradient.byteOffset, gradient.byteOffset + size * width];
          const isBeside = (_: number, i: number) => i < start || i >= end;
          assert.ok(
            all.filter(isBeside).every((byte) => byte === 0xab),
            'nothing beside it is written',
          );
        }
      });
    }

    it(`${dtype}: borrowed, it is written in place`, async () => {
      const gradient = new View(new ArrayBuffer(size * width));
      const result = await ctcLoss(input, targets, { gradient, buffers: 'borrow' });
      assert.equal(result.gradient, gradient);
      assertBitwise(gradient, expected, 'gradient');
    });

    it(`${dtype}: overlaps are refused, neighbours are not`, async () => {
      const overlaps = { code: 'ERR_CTC_BUFFER', message: /^gradient overlaps input\.data/ };
      for (const Memory of [ArrayBuffer, SharedArrayBuffer]) {
        const memory = new Memory(2 * size * width);
        const at = (element: number) => new View(memory, element * width, size);
        const here = { ...input, data: at(0) };
        at(0).set(data);
        for (const element of [0, 1, size - 1]) {
          const gradient = at(element);
          assert.throws(() => ctcLossSync(here, targets, { gradient }), overlaps);
          for (const buffers of ['auto', 'borrow', 'transfer'] as const) {
            await assert.rejects(ctcLoss(here, targets, { gradient, buffers }), overlaps);
          }
        }
        assertBitwise(at(0), data, 'input');
        for (const call of [ctcLossSync, ctcLoss]) {
          const gradient = at(size);
          await call(here, targets, { gradient });
          assertBitwise(gradient, expected, 'gradient');
          assertBitwise(at(0), data, 'input');
        }
      }
    });
  }

  it('two SharedArrayBuffers over the same memory overlap', async () => {
    const { data, targets, shape: dims } = makeBatch(shape);
    const shared = new SharedArrayBuffer(data.byteLength);
    const view = new Float32Array(shared);
    view.set(data);
    const twin = structuredClone(shared);
    assert.notEqual(twin, shared);
    const gradient = new Float32Array(twin);
    const input = { data: view, shape: dims };
    const overlaps = { code: 'ERR_CTC_BUFFER', message: /^gradient overlaps input\.data/ };
    assert.throws(() => ctcLossSync(input, targets, { gradient }), overlaps);
    await assert.rejects(ctcLoss(input, targets, { gradient }), overlaps);
    assertBitwise(view, data, 'input');
  });

  it('strides leave the gradient dense and in the order of the shape', () => {
    const { data, targets, shape: dims } = makeBatch(shape);
    const wide = new Float32Array(2 * data.length).fill(Number.NaN);
    data.forEach((x, i) => {
      wide[2 * i] = x;
    });
    const strides = [2 * shape.N * shape.C, 2 * shape.C, 2];
    const gradient = new Float32Array(size);
    ctcLossSync({ data: wide, shape: dims, strides }, targets, { gradient });
    assertBitwise(gradient, ctcLossSync({ data, shape: dims }, targets).gradient, 'gradient');
  });
});
