// Whatever is given for whatever argument: a result, or an error of this package with its code. Random
// values of every kind in random places; fast-check prints the seed of a counter-example.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ctcLoss, ctcLossSync } from '../lib/index.js';
import { detached, good, resizableBuffer } from './support/badCalls/row.js';

// Made anew for each use: some are taken over or detached by a call.
const strange: (() => unknown)[] = [
  ...[undefined, null, true, false, '', 'x', 'float32', 'softmax', 'mean', Symbol('s')],
  ...[-2, -1, -0, 0, 1, 2, 2.5, 5, 1e9, 2 ** 31, 2 ** 32 + 1, 2 ** 53, 1e300, Infinity, Number.NaN],
  ...[0n, 3n, -1n, 2n ** 63n, 2n ** 70n],
].map((value) => () => value);
strange.push(
  () => ({}),
  () => [],
  () => new Array(2),
  () => [[1], [2]],
  () => [[], []],
  () => [1, [2]],
  () => [[1, undefined], [null]],
  () => [Number.NaN, 1.5],
  () => ['1', '2'],
  () => [1n, 2n],
  () => ({ length: 2, 0: 1, 1: 2 }),
  () => ({ data: [1, 2], shape: [2, 1] }),
  () => ({ data: [1], shape: [2, 2 ** 31 - 1], strides: [0, 0] }),
  () => ({ data: Int32Array.of(1, 2, 3, 4), shape: [2, 2], strides: [2, -1] }),
  () => ({ data: new Float32Array(4), shape: [2, 2] }),
  () => ({ data: null, shape: null }),
  () => [2 ** 31 - 1, 2 ** 31 - 1],
  () => [4, 2, 5],
  () => [2, 2],
  () => [0, 0, 0],
  () => [10, 5, 1],
  () => BigInt64Array.of(1n, -(2n ** 63n)),
  () => BigUint64Array.of(2n ** 64n - 1n, 2n),
  () => Int8Array.of(1, -1),
  () => Uint8ClampedArray.of(1, 2),
  () => new Int32Array(0),
  () => new Float32Array(40).fill(Number.NaN),
  () => new Float64Array(40).fill(-Infinity),
  () => new Uint16Array(40).fill(0x7c00),
  () => new Float32Array(1),
  () => Buffer.alloc(160),
  () => new DataView(new ArrayBuffer(160)),
  () => new ArrayBuffer(160),
  () => new Float32Array(new SharedArrayBuffer(160)),
  () => new Float32Array(resizableBuffer(160)),
  () => detached(new Float32Array(40)),
  () => detached(Int32Array.of(1, 2)),
  () =>
    new (class extends Float32Array {
      override get length() {
        return 1e9;
      }
      override get byteLength() {
        return 160;
      }
      override get buffer() {
        return new ArrayBuffer(0);
      }
    })(2),
  () => new Proxy([1, 2], {}),
  () => new Proxy({}, { get: () => 3, has: () => true, ownKeys: () => [] }),
  () => new Map(),
  () => new Date(Number.NaN),
  () => () => 1,
  () => AbortSignal.abort(),
  () => ({ aborted: false, addEventListener: () => {} }),
  () => Object.create(null),
);

const places = [
  'input',
  'targets',
  'options',
  ...['data', 'shape', 'dims', 'type', 'strides'].map((name) => `input.${name}`),
  ...[
    'inputLengths',
    'targetLengths',
    'blank',
    'input',
    'gradientOf',
    'layout',
    'reduction',
    'normByTimes',
    'gradOutput',
    'denominator',
    'infeasible',
    'gradient',
    'device',
    'profile',
    'threads',
    'signal',
    'buffers',
    'Blank',
  ].map((name) => `options.${name}`),
];

/** A good call with the given things in the given places. */
function spoilt(changes: [string, number][]) {
  const call: Record<string, unknown> = { ...good() };
  for (const [place, which] of changes) {
    const value = strange[which]?.();
    const [part, field] = place.split('.') as [string, string | undefined];
    if (field === undefined) call[part] = value;
    else call[part] = { ...(call[part] as object), [field]: value };
  }
  return call;
}

function assertOurs(error: unknown, signal: unknown): void {
  // An aborted signal's reason is the caller's.
  if (error !== undefined && (signal as AbortSignal | undefined)?.reason === error) return;
  assert.ok(error instanceof Error, String(error));
  const { code } = error as { code?: string };
  assert.match(String(code), /^ERR_CTC_/, error.stack);
  assert.ok(['TypeError', 'RangeError', 'CtcError'].includes(error.name), error.name);
  assert.doesNotMatch(
    error.message,
    /native core refused|undefined is|cannot read/i,
    error.message,
  );
}

const changes = fc.array(
  fc.tuple(fc.constantFrom(...places), fc.nat({ max: strange.length - 1 })),
  { minLength: 1, maxLength: 3 },
);

describe('hostile arguments', function () {
  this.timeout(120_000);

  it('one strange value in each place', async () => {
    for (const place of places) {
      for (let which = 0; which < strange.length; which += 1) {
        const what = `${place} is strange[${which}]`;
        for (const call of [ctcLossSync, ctcLoss]) {
          const { input, targets, options } = spoilt([[place, which]]);
          try {
            const result = await call(input as never, targets as never, options as never);
            assert.equal((result as { status: string[] }).status.length, result.losses.length);
          } catch (error) {
            try {
              assertOurs(error, (options as { signal?: unknown } | null | undefined)?.signal);
            } catch (wrong) {
              throw new Error(what, { cause: wrong });
            }
          }
        }
      }
    }
  });

  it('up to three of them', async () => {
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        for (const call of [ctcLossSync, ctcLoss]) {
          const { input, targets, options } = spoilt(list);
          try {
            await call(input as never, targets as never, options as never);
          } catch (error) {
            assertOurs(error, (options as { signal?: unknown } | null | undefined)?.signal);
          }
        }
      }),
      { numRuns: 2000, seed: 20, endOnFailure: false },
    );
  });
});
