// The fast way of splitting texts into graphemes against the platform's segmenter.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { splitGraphemes } from '../lib/metrics.js';

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
const segmented = (text: string) => Array.from(segmenter.segment(text), (part) => part.segment);

describe('splitGraphemes', () => {
  it('agrees with the segmenter on each character of the Basic Multilingual Plane, twice', () => {
    for (let code = 0; code < 0x10000; code++) {
      const character = String.fromCharCode(code);
      const text = `a${character}${character}`;
      assert.deepEqual(splitGraphemes(text), segmented(text), `U+${code.toString(16)}`);
    }
  });

  it('agrees with the segmenter on any neighbours', () => {
    const scripts = [
      'a',
      'é',
      'ß',
      'Ω',
      'Я',
      'あ',
      'ガ',
      '漢',
      '한',
      '、',
      '！',
      '\u0301',
      '\u3099',
      '\u1100',
      '\u11a8',
      '👩‍👧',
      '🇩🇪',
      '\r\n',
      'क्षि',
    ];
    const character = fc.oneof(
      fc.constantFrom(...scripts),
      fc.integer({ min: 0x20, max: 0xffff }).map((code) => String.fromCharCode(code)),
    );
    fc.assert(
      fc.property(fc.array(character, { maxLength: 8 }), (characters) => {
        const text = characters.join('');
        assert.deepEqual(splitGraphemes(text), segmented(text));
      }),
      { numRuns: 2000 },
    );
  });
});
