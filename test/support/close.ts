// Comparing numbers as the specification does, and random numbers that repeat.

import assert from 'node:assert/strict';

type Numbers = ArrayLike<number>;

/**
 * |actual - expected| <= tolerance * max(1, |expected|), entry by entry. NaN equals NaN, and an
 * infinity only itself. Says which entry is furthest off.
 */
export function assertClose(
  actual: number | Numbers,
  expected: number | Numbers,
  tolerance: number,
  what: string,
): void {
  const a = typeof actual === 'number' ? [actual] : actual;
  const e = typeof expected === 'number' ? [expected] : expected;
  assert.equal(a.length, e.length, `${what}: ${a.length} numbers, not ${e.length}`);
  let worst = 0;
  let at = -1;
  for (let i = 0; i < e.length; i += 1) {
    const deviation = deviationOf(a[i]!, e[i]!);
    if (!(deviation <= worst)) {
      worst = deviation;
      at = i;
    }
  }
  if (!(worst <= tolerance)) {
    assert.fail(
      `${what}[${at}] is ${a[at]}, expected ${e[at]} within ${tolerance} (off by ${worst})`,
    );
  }
}

function deviationOf(actual: number, expected: number): number {
  if (Object.is(actual, expected) || actual === expected) return 0;
  if (!Number.isFinite(expected) || !Number.isFinite(actual)) return Infinity;
  return Math.abs(actual - expected) / Math.max(1, Math.abs(expected));
}

/** Bitwise equality, for results that must not depend on threads or batches. */
export function assertBitwise(
  actual: ArrayBufferView,
  expected: ArrayBufferView,
  what: string,
): void {
  const bytes = (view: ArrayBufferView) =>
    Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  assert.ok(bytes(actual).equals(bytes(expected)), `${what} differs`);
}

/** mulberry32: uniform in [0, 1), the same sequence for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal numbers from uniform ones (Box-Muller). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
