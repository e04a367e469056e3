// Exact sums and fixed bins: any order and any split gives the same bits.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ExactSum } from '../lib/eval/exact.js';
import { Histogram, relativeScale, unitScale } from '../lib/eval/histogram.js';

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

function sumOf(values: readonly number[]): ExactSum {
  const sum = new ExactSum();
  for (const value of values) sum.add(value);
  return sum;
}

describe('ExactSum', () => {
  it('is one double for one double, bit for bit', () => {
    fc.assert(
      fc.property(finite, (value) => assert.ok(Object.is(sumOf([value]).value, value + 0))),
      { numRuns: 5000 },
    );
    for (const value of [5e-324, -5e-324, 2.2250738585072014e-308, Number.MAX_VALUE, 1 / 3]) {
      assert.equal(sumOf([value]).value, value);
    }
  });

  it('of two doubles is their sum, which the processor rounds once, too', () => {
    fc.assert(
      fc.property(finite, finite, (a, b) => assert.equal(sumOf([a, b]).value, a + b + 0)),
      { numRuns: 5000 },
    );
    // Ties go to even, and one bit far below decides them.
    assert.equal(sumOf([1, 2 ** -53]).value, 1);
    assert.equal(sumOf([1, 2 ** -53, 2 ** -1074]).value, 1 + 2 ** -52);
    assert.equal(sumOf([1 + 2 ** -52, 2 ** -53]).value, 1 + 2 ** -51);
  });

  it('loses nothing to cancellation', () => {
    assert.equal(sumOf([1e308, 1, -1e308]).value, 1);
    assert.equal(sumOf([1e308, 1e308, -1e308]).value, 1e308);
    assert.equal(sumOf([Number.MAX_VALUE, Number.MAX_VALUE]).value, Number.POSITIVE_INFINITY);
    assert.equal(sumOf([]).value, 0);
    assert.equal(sumOf(Array(10).fill(0.1)).value, 1);
  });

  it('does not depend on the order, the parts, or a way through JSON', () => {
    fc.assert(
      fc.property(fc.array(finite, { maxLength: 30 }), fc.nat(30), (values, cut) => {
        const whole = sumOf(values);
        const parts = [sumOf(values.slice(cut)), sumOf(values.slice(0, cut))];
        const merged = new ExactSum();
        for (const part of parts) {
          merged.merge(ExactSum.fromJSON(JSON.parse(JSON.stringify(part))));
        }
        assert.equal(JSON.stringify(merged), JSON.stringify(whole));
        assert.ok(Object.is(merged.value, sumOf(values.toReversed()).value));
      }),
    );
  });

  it('refuses what has no exact sum', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => new ExactSum().add(value), /cannot add/);
    }
    for (const text of [undefined, '', '12g', '0x1', '-', 'f'.repeat(601)]) {
      assert.throws(() => ExactSum.fromJSON(text), RangeError);
    }
  });
});

describe('Histogram', () => {
  for (const [name, scale] of Object.entries({ relativeScale, unitScale })) {
    it(`with ${name} puts a value between the edges of its bin`, () => {
      const value = fc.double({ min: 0, max: 1e6, noNaN: true });
      fc.assert(
        fc.property(value, (x) => {
          const histogram = new Histogram(scale);
          histogram.add(x);
          const [bin] = histogram.bins();
          assert.ok(bin!.from <= x && x < bin!.to, `${x} in ${bin!.from} to ${bin!.to}`);
          assert.ok(histogram.edgeFrom(x) >= x);
        }),
        { numRuns: 2000 },
      );
    });
  }

  it('has bins no wider than a sixteenth', () => {
    for (const x of [1e-300, 0.001, 0.7, 1, 3, 1e9]) {
      const histogram = new Histogram(relativeScale);
      histogram.add(x);
      const { from, to } = histogram.bins()[0]!;
      assert.ok((to - from) / from <= 1 / 16);
    }
  });

  it('finds quantiles as sorting does', () => {
    const values = fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.constantFrom(0.25, 0.5, 0.75, 1), (all, q) => {
        const histogram = new Histogram(relativeScale);
        for (const value of all) histogram.add(value);
        const sorted = all.toSorted((a, b) => a - b);
        const exact = sorted[Math.ceil(q * all.length) - 1]!;
        const bin = histogram.quantile(q)!;
        assert.ok(bin.from <= exact && exact < bin.to);
      }),
    );
    assert.equal(new Histogram(relativeScale).quantile(0.5), undefined);
  });

  it('refuses what is no histogram', () => {
    for (const pairs of [undefined, {}, [1], [[1, -1]], [['a', 1]], [[1.5, 1]]]) {
      assert.throws(() => Histogram.fromJSON(unitScale, pairs), RangeError);
    }
  });
});
