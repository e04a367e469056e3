// `node-ctc explain` as a process: the demo, utterances of files, drawing and page, wrong usage.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { explainSync, explanationText } from '../lib/index.js';
import { npyBytes, Scratch } from './io.helpers.js';
import { bundledFiles, runCli } from './support/cli.js';
import { root } from './support/paths.js';
import { tutorial } from './support/tutorial.js';

const speech = bundledFiles('speech');
const files = [speech.logits, speech.manifest, '--tokens', speech.tokens];

describe('node-ctc explain', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  it('--demo is the tutorial: 28 paths, 1.366e-6, 13.5036', async () => {
    const { code, out, err } = await runCli('explain', '--demo');
    assert.deepEqual([code, err], [0, '']);
    const data = Float64Array.from(tutorial.probabilities);
    const symbols = ['-', ...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
    const want = explainSync({ data, shape: [5, 27] }, tutorial.target, {
      input: 'probabilities',
      symbols,
    });
    assert.equal(out, explanationText(want));
    assert.match(out, /^paths {4}28 read as the target$/m);
    assert.match(out, /^total {4}1\.366e-6,/m);
    assert.match(out, /^loss {5}13\.5036,/m);
    assert.match(out, /^7 {3}- C A T T .* 6\.8965e-8 +5\.05%$/m);
  });

  it('writes the drawing and the page', async () => {
    const [svg, html] = ['cat.svg', 'cat.html'].map((name) => join(scratch.folder, name));
    const { code, out } = await runCli('explain', '--demo', '--svg', svg!, '--html', html!);
    assert.equal(code, 0);
    assert.match(out, /^target {3}CAT$/m);
    assert.match(
      readFileSync(svg!, 'utf8'),
      /^<svg xmlns=.*<title id="ctc-title">CTC lattice of “CAT”/s,
    );
    assert.match(readFileSync(html!, 'utf8'), /^<!doctype html>.*<svg.*4\.5374e-8.*<\/html>\n$/s);
  });

  it("explains a manifest's utterance, with the loss of node-ctc loss", async () => {
    const { code, out, err } = await runCli(
      'explain',
      ...files,
      '--utterance',
      'sp-0001',
      '--json',
    );
    assert.deepEqual([code, err], [0, '']);
    const e = JSON.parse(out);
    assert.deepEqual([e.status, e.frames, e.classes, e.blank], ['ok', 100, 29, 28]);
    const { out: losses } = await runCli('loss', ...files, '--json');
    const { loss } = JSON.parse(losses.split('\n')[1]!);
    assert.ok(Math.abs(e.loss - loss) < 1e-5 * loss);
    assert.equal(
      e.spans.map(({ token }: { token: number }) => e.symbols[token]).join(''),
      'this kitchen waited over our ship',
    );
    assert.equal(e.posteriors.length, 100);
    assert.equal(e.posteriors[50].length, e.states.length);
    assert.deepEqual([e.paths, e.readings], [null, null]);
    assert.match(e.pathCount, /^\d{39}$/);
    assert.equal(e.lnAlpha[0][5], null, 'no infinities in JSON');
  });

  it('explains a row of an array against any text', async () => {
    const { code, out } = await runCli(
      ...['explain', speech.logits, '--tokens', speech.tokens, '--utterance', '1', '--frames', '6'],
      ...['--text', 'hi'],
    );
    assert.equal(code, 0);
    assert.match(out, /^lattice {2}6 frames x 5 states, 29 classes$/m);
    assert.match(out, /^paths {4}70 read as the target$/m);
    assert.match(out, /^66 +h i - - - - +h i - +hi +1\.477\de-11 +49\.86%$/m);
    const empty = await runCli(
      ...['explain', speech.logits, '--tokens', speech.tokens, '--utterance', '1', '--text', ''],
    );
    assert.match(empty.out, /^target {3}\(empty\)$/m);
  });

  it('lists as many paths as it is told to', async () => {
    const { out } = await runCli('explain', '--demo', '--max-paths', '27');
    assert.match(out, /^The 28 paths are not listed: there are too many\.$/m);
  });

  it('needs no --utterance where there is one, and says where a number is broken', async () => {
    const array = scratch.write(
      npyBytes({ shape: [2, 2], data: Float32Array.of(2, 1, Number.NaN, 0) }),
    );
    const tokens = scratch.write('-\na\n');
    const { code, out, err } = await runCli(
      ...['explain', array, '--tokens', tokens, '--blank', '0', '--text', 'a'],
    );
    assert.equal(code, 0);
    assert.match(out, /^status {3}nonfinite/m);
    assert.equal(err, 'warning: nonfinite: NaN at frame 1, class 0\n');
  });

  it('has a sign for the blank that no token has', async () => {
    const array = scratch.write(npyBytes({ shape: [2, 2], data: new Float32Array(4) }));
    const tokens = scratch.write('<blank>\n-\n');
    const { out } = await runCli('explain', array, '--tokens', tokens, '--text', '-');
    assert.match(out, /^1 {2}ε - +ε - +- /m);
  });

  it('refuses wrong usage with 2, and unreadable data with 3', async () => {
    const array = ['explain', speech.logits, '--tokens', speech.tokens];
    const broken = scratch.write(
      readFileSync(join(root, speech.manifest), 'utf8').replace('"frames": 127', '"frames": "x"'),
    );
    const cases: [args: string[], code: number, message: RegExp][] = [
      [['explain'], 2, /^error: name a file of model outputs, or give --demo/],
      [['explain', speech.logits], 2, /^error: --tokens <file> is required/],
      [['explain', '--demo', speech.logits], 2, /^error: --demo has its own data/],
      [['explain', '--demo', '--text', 'A'], 2, /^error: --demo has its own data/],
      [array, 2, /^error: which utterance\? Give --utterance \(0, 1, 2, \.\.\.\)/],
      [
        [...array, '--utterance', '16'],
        2,
        /^error: there is no utterance '16' \(there are 0, 1, 2, \.\.\.\)/,
      ],
      [[...array, '--utterance', '1'], 2, /^error: which text\? Give --text, or a manifest/],
      [[...array, '--utterance', '1', '--text', 'Q'], 2, /^error: --text: no token for "Q"/],
      [[...array, '--utterance', '1', '--text', 'a', '--frames', '169'], 2, /^error: .*169.*168/],
      [
        ['explain', ...files, '--utterance', 'sp-0000', '--frames', '1000'],
        2,
        /^error: --frames is 1000; the data has 168\n$/,
      ],
      [
        ['explain', ...files, '--utterance', 'sp-99'],
        2,
        /^error: there is no utterance 'sp-99' \(there are sp-0000, sp-0001, sp-0002, \.\.\.\)/,
      ],
      [
        ['explain', speech.logits, broken, '--tokens', speech.tokens, '--utterance', 'sp-0000'],
        3,
        /line 1: "frames" is \\?"x\\?"/,
      ],
      [
        ['explain', '--demo', '--svg', join(scratch.folder, 'no', 'where.svg')],
        3,
        /where\.svg: cannot be written \(ENOENT\)/,
      ],
      [['explain', '--demo', '--values', 'alpha'], 2, /^error: --values goes with --svg$/m],
      [
        ['explain', '--demo', '--values', 'gamma'],
        2,
        /Allowed choices are posteriors, alpha, beta, emissions/,
      ],
      [['explain', 'missing.npy', '--tokens', speech.tokens], 3, /missing\.npy: no such file/],
    ];
    const runs = await Promise.all(cases.map(([args]) => runCli(...args)));
    runs.forEach(({ code, out, err }, i) => {
      assert.match(err, cases[i]![2]);
      assert.deepEqual([code, out], [cases[i]![1], '']);
    });
  });
});
