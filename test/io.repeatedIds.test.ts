import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RepeatedIds } from '../lib/io/repeatedIds.js';

/** What a second pass says about each id, whose line is its place from 1. */
function linesOf(repeated: RepeatedIds, ids: readonly string[]): (number | undefined)[] {
  const lines = repeated.lines();
  return ids.map((id, i) => lines.add(id, i + 1));
}

function pass(ids: readonly string[]): RepeatedIds {
  const repeated = new RepeatedIds();
  for (const id of ids) repeated.note(id);
  repeated.seal();
  return repeated;
}

describe('repeated ids in two passes', () => {
  it('are exactly those that were there before, with the first line of each', () => {
    const id = fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom('a', 'b', 'é', '😀', ''));
    fc.assert(
      fc.property(fc.array(id, { maxLength: 200 }), (ids) => {
        const expected = ids.map((each, i) => {
          const first = ids.indexOf(each);
          return first < i ? first + 1 : undefined;
        });
        const repeated = pass(ids);
        assert.deepEqual(linesOf(repeated, ids), expected);
        // Each shard makes a pass of its own.
        assert.deepEqual(linesOf(repeated, ids), expected);
      }),
    );
  });

  it('are found among so many that the filter grows, and nothing else is', () => {
    const count = 300_000;
    const ids = Array.from({ length: count }, (_, i) => `utterance-${i}`);
    ids.push('utterance-0', 'utterance-70000', 'utterance-0');
    const lines = linesOf(pass(ids), ids);
    assert.deepEqual(
      lines.flatMap((line, i) => (line === undefined ? [] : [[i, line]])),
      [
        [count, 1],
        [count + 1, 70001],
        [count + 2, 1],
      ],
    );
  });

  it('need no more than a few bytes for each id while they are noted, and none later', () => {
    const repeated = new RepeatedIds();
    const count = 500_000;
    for (let i = 0; i < count; i++) repeated.note(`utterance-${i}`);
    assert.ok(
      repeated.bytes >= 2 * count,
      `${repeated.bytes} bytes cannot tell ${count} ids apart`,
    );
    assert.ok(repeated.bytes <= 4 * count, `${repeated.bytes} bytes`);
    repeated.seal();
    assert.equal(repeated.bytes, 0);
  });
});
