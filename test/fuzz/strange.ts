// Values that nobody should give, each made anew for every use: some are taken over or detached by a call.

import { createContext, runInContext } from 'node:vm';
import { detached, resizableBuffer } from '../support/badCalls/row.js';

/** What a caller's own code throws. It passes through a call as it is. */
export class CallersError extends Error {}

/** The part of a good call that a strange value takes the place of. */
export interface Place {
  /** What was there. */
  readonly good: unknown;
  /** The numbers of the whole call, for those that detach them while the call looks. */
  readonly data: Float32Array<ArrayBuffer> | undefined;
}

const realm = createContext({});
const abroad = (code: string) => () => runInContext(code, realm) as unknown;

function fail(): never {
  throw new CallersError('thrown by a getter');
}

function growableShared(bytes: number): SharedArrayBuffer {
  type Constructor = new (bytes: number, options: { maxByteLength: number }) => SharedArrayBuffer;
  return new (SharedArrayBuffer as unknown as Constructor)(bytes, { maxByteLength: 2 * bytes });
}

class Posing extends Float32Array {
  override get length() {
    return 1e9;
  }
  override get byteLength() {
    return 160;
  }
  override get byteOffset() {
    return 4;
  }
  override get buffer() {
    return new ArrayBuffer(0);
  }
}

/** An array or object whose every entry is another one at each look. */
function shifting(good: unknown): unknown {
  if (typeof good !== 'object' || good === null || ArrayBuffer.isView(good)) return good;
  let looks = 0;
  return new Proxy(good, {
    get(target, key) {
      const value = Reflect.get(target, key) as unknown;
      looks += 1;
      return typeof value === 'number' && looks % 3 === 0 ? value + 1e6 : value;
    },
  });
}

/** As it was, but looking at any of it takes the call's numbers away. */
function taking({ good, data }: Place): unknown {
  if (typeof good !== 'object' || good === null || ArrayBuffer.isView(good)) return good;
  return new Proxy(good, {
    get(target, key) {
      if (data !== undefined && data.byteLength > 0) {
        try {
          detached(data);
        } catch {
          // Shared memory cannot be taken away.
        }
      }
      return Reflect.get(target, key) as unknown;
    },
  });
}

const plain: unknown[] = [
  ...[undefined, null, true, false, '', 'x', '\0', 'float32', 'bfloat16', 'softmax', 'mean'],
  ...['logProbs', 'probabilities', 'NTC', 'borrow', 'transfer', 'cuda:0', 'cuda:-1', 'auto'],
  ...['torch', 'word', 'token', 'anything', 'label', '\ud800', 'a'.repeat(5000), Symbol('s')],
  ...[-2, -1, -0, 0, 1, 2, 2.5, 5, 1024, 1e9, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 53, 1e300],
  ...[Infinity, -Infinity, Number.NaN, 5e-324, 0n, 3n, -1n, 2n ** 63n, 2n ** 70n],
];

export const strange: readonly ((place: Place) => unknown)[] = [
  ...plain.map((value) => () => value),
  () => ({}),
  () => [],
  () => new Array(2),
  () => new Array(2 ** 32 - 1),
  () => [[1], [2]],
  () => [[], []],
  () => [1, [2]],
  () => [[1, undefined], [null]],
  () => [Number.NaN, 1.5],
  () => [-0, -0],
  () => [1e300, -1e300],
  () => ['1', '2'],
  () => ['', 'a', ' ', 'b', 'b'],
  () => ['a', ['b', [1]]],
  () => [Symbol('s'), 1n],
  () => [1n, 2n],
  () => ({ length: 2, 0: 1, 1: 2 }),
  () => ({ length: 2 ** 53, 0: 1 }),
  () => ({ data: [1, 2], shape: [2, 1] }),
  () => ({ data: new Float32Array(4), shape: [2, 2] }),
  () => ({ data: new Float32Array(1), shape: [2 ** 31 - 1, 2 ** 31 - 1], strides: [0, 0] }),
  () => ({ data: new Float32Array(4), shape: [2, 2], strides: [2 ** 53, 1] }),
  () => ({ data: Int32Array.of(1, 2, 3, 4), shape: [2, 2], strides: [2, -1] }),
  () => ({ data: null, shape: null }),
  () => [2 ** 31 - 1, 2 ** 31 - 1],
  () => [4, 2, 5],
  () => [2, 2],
  () => [0, 0, 0],
  () => [10, 5, 1],
  () => [0, -1],
  () => BigInt64Array.of(1n, -(2n ** 63n)),
  () => BigUint64Array.of(2n ** 64n - 1n, 2n),
  () => Int8Array.of(1, -1),
  () => Uint8ClampedArray.of(1, 2),
  () => new Int32Array(0),
  () => new Float32Array(40).fill(Number.NaN),
  () => new Float32Array(40).fill(3e38),
  () => new Float64Array(40).fill(-Infinity),
  () => new Uint16Array(40).fill(0x7c00),
  () => new Float32Array(1),
  () => new Float32Array(new ArrayBuffer(164), 4),
  () => Buffer.alloc(160),
  () => Buffer.alloc(161).subarray(1),
  () => new DataView(new ArrayBuffer(160)),
  () => new ArrayBuffer(160),
  () => new SharedArrayBuffer(160),
  () => new Float32Array(new SharedArrayBuffer(160)),
  () => new Float32Array(growableShared(160)),
  () => new Float32Array(resizableBuffer(160)),
  () => {
    const view = new Float32Array(resizableBuffer(160));
    (view.buffer as ArrayBuffer & { resize(bytes: number): void }).resize(80);
    return view;
  },
  () => detached(new Float32Array(40)),
  () => detached(Int32Array.of(1, 2)),
  () => new Posing(2),
  () => class extends Array<number> {}.from([1, 2]),
  abroad('[1, 2]'),
  abroad('[[1, 2], [3]]'),
  abroad('new Float32Array(40)'),
  abroad('new Int32Array(2)'),
  abroad('({ data: new Float32Array(40), shape: [4, 2, 5] })'),
  abroad('new Map([["a", 1]])'),
  () => new Proxy([1, 2], {}),
  () => new Proxy(new Float32Array(40), {}),
  () => new Proxy({}, { get: () => 3, has: () => true, ownKeys: () => [] }),
  () => new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail }),
  () => new Proxy([1, 2], { get: fail }),
  () => {
    const { proxy, revoke } = Proxy.revocable<number[]>([], {});
    revoke();
    return proxy;
  },
  ({ good }) => shifting(good),
  taking,
  () => ({
    get data() {
      return fail();
    },
    get length() {
      return fail();
    },
    get 0() {
      return fail();
    },
    [Symbol.iterator]: fail,
    [Symbol.toPrimitive]: fail,
    toString: fail,
  }),
  () => [1, { valueOf: fail, toString: fail, [Symbol.toPrimitive]: fail }],
  function* () {
    yield 'a';
    fail();
  },
  () => new Map([['a', 1]]),
  () => new Set(['a', 'b']),
  () => new Date(Number.NaN),
  () => /x/,
  () => () => 1,
  () => class {},
  () => Promise.resolve(1),
  () => new WeakMap(),
  () => new URL('file:///nowhere/lm.arpa'),
  () => new URL('https://example.org/'),
  () => AbortSignal.abort(),
  () => AbortSignal.abort(new CallersError('a reason')),
  () => AbortSignal.timeout(0),
  () => ({ aborted: false, addEventListener: () => {} }),
  () => ({ aborted: false, addEventListener: fail, removeEventListener: fail }),
  () => Object.create(null),
  () => Object.freeze([1, 2]),
  () => globalThis,
];
