// An explanation as text, drawing and page: what is in them, that nothing in them acts, and how they
// look to a browser.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Explanation,
  explainSync,
  explanationHtml,
  explanationSvg,
  explanationText,
} from '../lib/index.js';
import { Scratch } from './io.helpers.js';
import { dumpDom, needChromium, screenshot } from './support/chromium.js';
import { normal, seeded } from './support/close.js';
import { root } from './support/paths.js';
import { corpora, finalBatch } from './support/real.js';
import { tutorial } from './support/tutorial.js';

const alphabet = ['-', ...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
const cat = explainSync(
  { data: Float64Array.from(tutorial.probabilities), shape: [5, 27] },
  tutorial.target,
  { symbols: alphabet, input: 'probabilities' },
);
const speech = explainSpeech();
const hostile = [
  '</script><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "&'\u0000\u001b[31m\u202e\ud800",
  ' ',
];
const attack = explainSync(
  { data: Float64Array.of(...Array(16).fill(0)), shape: [4, 4] },
  [1, 2, 3],
  {
    symbols: hostile,
  },
);
const infeasible = explainSync({ data: new Float32Array(4), shape: [2, 2] }, [1, 1]);
const nonfinite = explainSync({ data: Float32Array.of(0, Number.NaN), shape: [1, 2] }, [1]);
const masked = explainSync({ data: Float32Array.of(0, -Infinity), shape: [1, 2] }, [1]);
const nothing = explainSync({ data: new Float32Array(0), shape: [0, 2] }, []);
const silence = explainSync({ data: new Float32Array(4), shape: [2, 2] }, []);

function explainSpeech(): Explanation {
  const { data, shape, targets, blank, inputLengths } = finalBatch(corpora[1]!, 'final');
  const [, N, C] = shape;
  const file = join(root, 'examples/data/speech/tokens.txt');
  const symbols = readFileSync(file, 'utf8').replace(/\n$/, '').split('\n');
  const frames = inputLengths[0]!;
  const input = { data, shape: [frames, C], strides: [N * C, 1] };
  return explainSync(input, targets[0]!, { blank, symbols });
}

function large(frames: number, labels: number): Explanation {
  const random = seeded(frames);
  const data = Float32Array.from({ length: frames * 6 }, () => 3 * normal(random));
  const target = Array.from({ length: labels }, (_, i) => 1 + (i % 5));
  return explainSync({ data, shape: [frames, 6] }, target);
}

describe('explanationText', () => {
  it('has the tables of the tutorial', () => {
    const lines = explanationText(cat).split('\n');
    assert.deepEqual(lines.slice(0, 6), [
      'target   CAT',
      'labels   C A T',
      'lattice  5 frames x 7 states, 27 classes',
      'paths    28 read as the target',
      'total    1.366e-6, the sum of their probabilities',
      'loss     13.5036, its natural logarithm with the sign turned',
    ]);
    assert.ok(lines.includes('5      T  0.05133  0.04753  0.04330  0.04004  0.03685'), 'y');
    assert.ok(lines.includes('5      T        0         0  3.856e-5  9.294e-6  1.070e-6'), 'alpha');
    assert.ok(lines.includes('1      C   0.7202   0.4730   0.0992        .        .'), 'posterior');
    assert.ok(lines.includes('best path  - C A T T  6.8965e-8'));
    assert.ok(lines.includes('1   - - C A T  - C A T         CAT         4.5374e-8  3.32%'));
    assert.ok(lines.includes('28  C A T T T  C A T           CAT         5.6894e-8  4.17%'));
    assert.equal(lines.filter((line) => /^\d+ .* CAT /.test(line)).length, 28);
  });

  it('has what all paths read as, where they are few', () => {
    const small = explainSync({ data: Float64Array.of(1, 2, 0, 1, 0, 0), shape: [3, 2] }, [1], {
      symbols: ['-', 'a'],
    });
    const text = explanationText(small);
    assert.match(text, /^What all 2\^3 paths read as$/m);
    assert.match(text, /^a +6 +0\.8655 {2}the target$/m);
    assert.match(text, /^\(nothing\) +1 +0\.03616$/m);
  });

  it('leaves out what is too large, and says so', () => {
    const text = explanationText(speech);
    assert.match(
      text,
      /^The lattice of 127 x 51 is not written out \(that is done up to 16 frames x 33 states\)\.$/m,
    );
    assert.match(text, /^The 4\.48e\+40 paths are not listed: there are too many\.$/m);
    assert.match(text, /^best path {2}1\.94\d\de-11$/m);
    assert.equal(
      text.split('\n').filter((line) => /^\d+ +\S +\d+ +\d+ +0\.\d+ /.test(line)).length,
      25,
    );
  });

  it('writes logarithms where probabilities underflow', () => {
    const peaked = explainSync(
      { data: Float32Array.of(0, -400, 0, -400, 0, -400), shape: [3, 2] },
      [1, 1],
    );
    const text = explanationText(peaked);
    assert.equal(peaked.probability, 0);
    assert.match(text, /^total {4}exp\(-800\.0000\), /m);
    assert.match(text, /^ln alpha:/m);
    assert.match(text, /-inf/);
    assert.match(text, /exp\(-800\.000\) +100\.00%$/m);
  });

  it('says why there is nothing to show', () => {
    assert.match(explanationText(infeasible), /^status {3}infeasible: there are too few frames$/m);
    assert.match(explanationText(masked), /^status {3}infeasible: all paths have probability 0$/m);
    assert.match(explanationText(nonfinite), /^status {3}nonfinite: NaN/m);
    assert.match(explanationText(nothing), /^loss {5}0\.0000/m);
    assert.match(explanationText(silence), /^target {3}\(empty\)$/m);
    assert.match(
      explanationText(silence),
      /^best path {2}0 0 {2}2\.5000e-1$|^best path {2}- - {2}2\.5000e-1$/m,
    );
  });

  it('shows control characters as escapes', () => {
    const text = explanationText(attack);
    assert.ok(['\u0000', '\u001b', '\u202e'].every((c) => !text.includes(c)));
    assert.ok(text.includes('\\u001b'));
  });
});

describe('explanationSvg', () => {
  it('writes every number of a small lattice', () => {
    const svg = explanationSvg(cat);
    for (const s of [
      '0.7202',
      'y 0.0293',
      'α 0.0293',
      'β 3.35e-5',
      'frame 4',
      '6.8965e-8',
      'label 2',
    ]) {
      assert.ok(svg.includes(`>${s}<`) || svg.includes(`${s}<`), s);
    }
    // What some path takes is drawn, the other cells are dots.
    const paths = cat.paths!.map(({ states }) => states);
    const cells = new Set(paths.flatMap((path) => path.map((s, t) => `${t} ${s}`)));
    const moves = new Set(
      paths.flatMap((path) => path.slice(1).map((s, t) => `${t} ${path[t]} ${s}`)),
    );
    assert.equal(svg.match(/<circle class="dot"/g)!.length, 35 - cells.size);
    assert.equal(svg.match(/<rect class="shade"/g)!.length, cells.size + 5);
    assert.equal(svg.match(/<rect class="cell best"/g)!.length, 5);
    assert.equal(svg.match(/<path class="edge"/g)!.length, moves.size);
  });

  it('draws large lattices as maps, and says what one cell stands for', () => {
    const map = explanationSvg(speech);
    assert.ok(map.includes('>frame</text>') && map.includes('most probable path'));
    assert.ok(!map.includes('stands for'));
    assert.equal(map.match(/class="small end"/g)!.length, 25);
    const sizes: [frames: number, labels: number, note: string | undefined][] = [
      [1040, 339, undefined],
      [1041, 20, 'Each cell stands for 2 frames x 1 states and shows the largest of them.'],
      [3000, 700, 'Each cell stands for 3 frames x 3 states and shows the largest of them.'],
    ];
    for (const [frames, labels, note] of sizes) {
      const svg = explanationSvg(large(frames, labels));
      if (note === undefined) assert.ok(!svg.includes('stands for'));
      else assert.ok(svg.includes(note), `${frames} x ${labels}`);
      assert.ok(svg.length < 1_500_000);
      assert.ok(!/NaN|Infinity|undefined/.test(svg));
    }
  });

  it('shades a map by any of the four', () => {
    const drawings = (['posteriors', 'alpha', 'beta', 'emissions'] as const).map((values) =>
      explanationSvg(speech, { values }),
    );
    assert.equal(new Set(drawings).size, 4);
    assert.equal(explanationSvg(speech), drawings[0]);
  });

  it('is named and described for those who do not see it', () => {
    const svg = explanationSvg(cat, { idPrefix: 'one' });
    assert.match(svg, /role="img" aria-labelledby="one-title one-description"/);
    assert.match(svg, /<title id="one-title">CTC lattice of “CAT”<\/title>/);
    assert.match(
      svg,
      /<desc id="one-description">Trellis of 7 states by 5 frames .* most probable path is - C A T T\.<\/desc>/,
    );
  });

  it('says why there is nothing to draw', () => {
    assert.match(explanationSvg(infeasible), /2 frames are too few for 2 labels/);
    assert.match(explanationSvg(masked), /all paths have probability 0/);
    assert.match(explanationSvg(nonfinite), /Nonfinite: NaN/);
    assert.match(explanationSvg(nothing), /the loss is 0/);
  });

  it('refuses wrong options', () => {
    assert.throws(() => explanationSvg(cat, { values: 'gamma' as never }), {
      code: 'ERR_CTC_INVALID_ARG_VALUE',
    });
    assert.throws(() => explanationSvg(cat, { idPrefix: '" onload="' }), {
      code: 'ERR_CTC_INVALID_ARG_VALUE',
    });
    assert.throws(() => explanationSvg(cat, { idPrefix: 5 as never }), {
      code: 'ERR_CTC_INVALID_ARG_TYPE',
    });
    assert.throws(() => explanationSvg(cat, { value: 'alpha' } as never), {
      code: 'ERR_CTC_UNKNOWN_OPTION',
    });
  });
});

describe('explanationHtml', () => {
  it('loads nothing and runs nothing', () => {
    for (const page of [cat, speech, attack].map(explanationHtml)) {
      assert.ok(!/<(script|img|link|iframe|object|embed)\b/i.test(page));
      const addresses = page.match(/https?:\/\/[^"' <)]*/g) ?? [];
      assert.ok(addresses.every((address) => address === 'http://www.w3.org/2000/svg'));
      assert.ok(!/url\(|@import/.test(page));
      assert.match(page, /default-src 'none'/);
    }
  });

  it('has the numbers of the tutorial, and says where it cuts', () => {
    const page = explanationHtml(cat);
    assert.equal(page.match(/<td>CAT<\/td>/g)!.length, 28);
    for (const s of ['13.5036', '1.366e-6', '4.5374e-8', '5.6894e-8'])
      assert.ok(page.includes(s), s);
    const many = explainSync({ data: new Float32Array(60), shape: [20, 3] }, [1, 2], {
      maxPaths: 10_000,
    });
    assert.ok(many.paths!.length > 1000);
    assert.match(explanationHtml(many), /The first 1000 are listed\./);
    assert.match(explanationHtml(speech), /4\.48e\+40 paths read as the target: too many to list/);
    for (const e of [infeasible, masked, nonfinite, nothing, silence]) {
      assert.match(explanationHtml(e), /<\/html>\n$/);
    }
  });

  describe('in Chromium', function () {
    this.timeout(120_000);
    const scratch = new Scratch();
    after(() => scratch.remove());
    before(function () {
      needChromium(this);
    });

    it('is a page with the trellis drawn', async () => {
      const dom = await dumpDom(scratch.write(explanationHtml(cat), 'cat.html'));
      assert.match(dom, /<h1>CTC lattice of “CAT”<\/h1>/);
      assert.equal(dom.match(/<rect class="cell best"/g)!.length, 5);
      assert.equal(dom.match(/<tr>/g)!.length, 1 + 3 + 1 + 28);
    });

    it('keeps texts texts', async () => {
      const dom = await dumpDom(scratch.write(explanationHtml(attack), 'attack.html'));
      assert.ok(!/<script|<img/.test(dom));
      assert.ok(dom.includes('&lt;img src=x'));
    });

    it('has drawings that are well-formed XML', async () => {
      const all = [cat, speech, attack, infeasible, nothing, silence].map((e) => explanationSvg(e));
      const html = `<html xmlns="http://www.w3.org/1999/xhtml"><body>${all.join('')}</body></html>`;
      const dom = await dumpDom(scratch.write(html, 'all.xhtml'));
      assert.ok(!dom.includes('parsererror'));
      assert.equal(dom.match(/class="ctc-lattice"/g)!.length, all.length);
      assert.ok(!/<script|<img/.test(dom));
      const broken = await dumpDom(scratch.write(html.replace('</svg>', ''), 'broken.xhtml'));
      assert.ok(broken.includes('parsererror'), 'the check can fail');
    });

    const themes = {
      light: { surface: '#ffffff', best: '#c2570c', other: '#0d1117' },
      dark: { surface: '#0d1117', best: '#f0a13a', other: '#ffffff' },
    };
    for (const theme of ['light', 'dark'] as const) {
      for (const [name, e] of Object.entries(theme === 'light' ? { cat } : { cat, speech })) {
        it(`shows ${name} in ${theme} colours`, async () => {
          const { surface, best, other } = themes[theme];
          const file = scratch.write(explanationHtml(e), `${name}-${theme}.html`);
          const image = join(scratch.folder, `${name}-${theme}.png`);
          const { width, height, colours } = await screenshot(file, image, theme, [1280, 1000]);
          assert.deepEqual([width, height], [1280, 1000]);
          const share = (colour: string) => (colours.get(colour) ?? 0) / (width * height);
          assert.ok(share(surface) > 0.5, `background ${share(surface)}`);
          assert.ok(share(other) < 0.01, `the other theme's ${share(other)}`);
          assert.ok((colours.get(best) ?? 0) > 300, 'the best path');
          assert.ok(colours.size > 50, 'shades and text');
        });
      }
    }
  });
});
