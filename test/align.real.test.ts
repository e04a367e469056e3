// Alignments of real models' outputs against where the characters and words truly are.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { forcedAlign, posteriors, wordSpans } from '../lib/index.js';
import { root } from './support/paths.js';
import { corpora, finalBatch, trueTimes } from './support/real.js';

const times = trueTimes();

function batchOf(name: 'ocr' | 'speech') {
  const { data, shape, targets, blank, inputLengths } = finalBatch(
    corpora.find((corpus) => corpus.name === name)!,
    'final',
  );
  return { input: { data, shape }, targets, options: { blank, inputLengths } };
}

const mean = (numbers: number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

describe('alignment of real models', () => {
  it("ocr: a character's middle is within 0.35 frames of the true middle on average", async () => {
    const { input, targets, options } = batchOf('ocr');
    const { utterances } = await forcedAlign(input, targets, options);
    const offsets = utterances.flatMap(({ status, spans }, n) => {
      assert.equal(status, 'ok');
      assert.deepEqual(
        spans.map(({ token }) => token),
        targets[n],
      );
      assert.equal(spans.length, times.ocr[n]!.spans.length);
      return spans.map(({ start, end }, i) => {
        const [from, to] = times.ocr[n]!.spans[i]!;
        const middle = (start + end) / 2;
        assert.ok(middle >= from - 1 && middle <= to + 1, `${times.ocr[n]!.id}, character ${i}`);
        return middle - (from + to) / 2;
      });
    });
    assert.equal(offsets.length, 974);
    const off = mean(offsets.map(Math.abs));
    assert.ok(off < 0.35, `${off} frames`);
    assert.ok(Math.abs(mean(offsets)) < 0.05, 'and to neither side');
  });

  it('ocr: so is the middle of the expected boundaries, over all paths', async () => {
    const { input, targets, options } = batchOf('ocr');
    const { utterances } = await posteriors(input, targets, options);
    const offsets = utterances.flatMap(({ starts, ends }, n) =>
      times.ocr[n]!.spans.map(([from, to], i) =>
        Math.abs((starts[i]! + ends[i]!) / 2 - (from + to) / 2),
      ),
    );
    assert.ok(mean(offsets) < 0.35, `${mean(offsets)} frames`);
  });

  it("speech: every word's middle is inside its true interval", async () => {
    const { input, targets, options } = batchOf('speech');
    const tokens = readFileSync(join(root, 'examples/data/speech/tokens.txt'), 'utf8').split('\n');
    const { utterances } = await forcedAlign(input, targets, options);
    let words = 0;
    utterances.forEach(({ status, spans }, n) => {
      assert.equal(status, 'ok');
      const found = wordSpans(spans, tokens.indexOf(' '));
      const text = found.map((word) => word.spans.map(({ token }) => tokens[token]).join(''));
      assert.deepEqual(text, times.speech[n]!.words);
      found.forEach(({ start, end, score }, i) => {
        const [from, to] = times.speech[n]!.spans[i]!;
        const middle = (start + end) / 2;
        assert.ok(middle > from && middle < to, `${times.speech[n]!.id}, ${text[i]}`);
        assert.ok(score > 0 && score <= 1);
        words += 1;
      });
    });
    assert.equal(words, 80);
  });
});
