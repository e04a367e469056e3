// Statistics of parts against those of the whole.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type EvalRecord, emptyRecord, fromLine, LineBuffer, toLine } from '../lib/eval/record.js';
import { Statistics } from '../lib/eval/statistics.js';

const keep = 4;

function record(index: number, loss: number | null, labels: number): EvalRecord {
  const frames = 2 * labels + 1;
  return {
    ...emptyRecord(index, `utt-${index}`, 'x'.repeat(labels)),
    status: loss === null ? 'infeasible' : 'ok',
    frames,
    labels,
    loss,
    lossPerFrame: loss === null ? null : loss / frames,
    lossPerLabel: loss === null ? null : loss / Math.max(labels, 1),
    greedyText: 'y',
    cer: labels > 0 ? 1 / labels : null,
    chars: labels,
    charSubstitutions: 1,
    charDeletions: 0,
    charInsertions: index % 3,
    wer: labels > 0 ? 1 : null,
    words: labels > 0 ? 1 : 0,
    wordSubstitutions: 1,
    wordDeletions: 0,
    wordInsertions: 0,
    blankRatio: 0.1 * (index % 11),
    confidence: index % 5 === 0 ? null : 1 / (1 + index),
  };
}

// Few values, so that there are ties among the worst.
const losses = fc.array(
  fc.oneof(fc.constantFrom(null, 0, -1e-9, 3, 3, 6), fc.double({ min: 0, max: 1e5, noNaN: true })),
  {
    minLength: 1,
    maxLength: 40,
  },
);

function statisticsOf(records: readonly EvalRecord[]): Statistics {
  const statistics = new Statistics(keep);
  for (const one of records) statistics.add(one);
  return statistics;
}

describe('Statistics', () => {
  it('of parts add up to those of the whole, in any order', () => {
    fc.assert(
      fc.property(
        losses,
        fc.array(fc.nat(40), { maxLength: 4 }),
        fc.boolean(),
        (all, cuts, back) => {
          const records = all.map((loss, index) => record(index, loss, index % 7));
          const whole = statisticsOf(records);
          const edges = [0, ...cuts.map((cut) => Math.min(cut, all.length)), all.length];
          edges.sort((a, b) => a - b);
          const parts = edges.slice(1).map((end, i) => statisticsOf(records.slice(edges[i], end)));
          const merged = new Statistics(keep);
          for (const part of back ? parts.reverse() : parts) {
            merged.merge(Statistics.fromJSON(JSON.parse(JSON.stringify(part)), keep));
          }
          assert.equal(JSON.stringify(merged), JSON.stringify(whole));
          assert.equal(JSON.stringify(merged.summary()), JSON.stringify(whole.summary()));
        },
      ),
    );
  });

  it('rank by loss per label, ties by place in the manifest', () => {
    const records = [2, 5, 5, 1, 5, 9, 0].map((loss, index) => record(index, loss, 1));
    const { worst } = statisticsOf(records.toReversed()).summary();
    assert.deepEqual(
      worst.map(({ index }) => index),
      [5, 1, 2, 4],
    );
    assert.deepEqual(new Statistics(0).summary().worst, []);
  });

  it('call outliers what lies three quartile ranges above the upper quartile', () => {
    const ordinary = Array.from({ length: 100 }, (_, i) => record(i, 1 + i / 100, 1));
    const far = [20, 30].map((loss, i) => record(100 + i, loss, 1));
    const { outliers, quartiles } = statisticsOf([...ordinary, ...far]).summary();
    assert.equal(outliers!.count, 2);
    assert.ok(Math.abs(quartiles!.median - 1.5) < 0.1);
    assert.ok(outliers!.above > 2 && outliers!.above < 4);
  });

  it('have nulls where nothing was evaluated', () => {
    const { loss, cer, quartiles, outliers, confidence } = new Statistics(1).summary();
    assert.deepEqual([loss.sum, loss.mean, loss.perLabel, cer.rate], [0, null, null, null]);
    assert.deepEqual([quartiles, outliers, confidence], [null, null, null]);
  });

  it('refuse broken JSON', () => {
    const good = JSON.parse(JSON.stringify(statisticsOf([record(0, 1, 1)])));
    for (const part of Object.keys(good)) {
      assert.throws(() => Statistics.fromJSON({ ...good, [part]: undefined }, keep), RangeError);
    }
    for (const value of [null, 1, 'x', {}]) {
      assert.throws(() => Statistics.fromJSON(value, keep), RangeError);
    }
    const counts = { ...good.counts, ok: -1 };
    assert.throws(() => Statistics.fromJSON({ ...good, counts }, keep), RangeError);
  });
});

describe('records', () => {
  it('come back from their lines', () => {
    const one = { ...record(3, 1 / 3, 2), text: 'a\u2028"\n', greedyText: '漢' };
    assert.equal(toLine(one).split('\n').length, 2);
    assert.deepEqual(fromLine(toLine(one).trimEnd()), one);
    assert.throws(() => fromLine('{}'), SyntaxError);
    assert.throws(() => fromLine('null'), SyntaxError);
  });
});

describe('LineBuffer', () => {
  it('holds the lines of each batch, however long they are', () => {
    const lines = new LineBuffer();
    for (const lengths of [[1, 2], [], [30000, 1, 90000], [5], [70000]]) {
      const records = lengths.map((length, i) => emptyRecord(i, `é-${i}`, '語'.repeat(length)));
      assert.equal(lines.of(records).toString(), records.map(toLine).join(''));
    }
  });
});
