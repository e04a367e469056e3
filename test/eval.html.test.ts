// The page of `node-ctc eval --html` and `merge --html`: what is in it, that nothing in it acts, and that a
// browser shows, sorts and filters it.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Histogram, relativeScale, unitScale } from '../lib/eval/histogram.js';
import { openInputs } from '../lib/eval/inputs.js';
import { Ranking } from '../lib/eval/ranking.js';
import { type EvalRecord, emptyRecord } from '../lib/eval/record.js';
import { evaluateShard } from '../lib/eval/run.js';
import { kept, mostWhole, Selection } from '../lib/eval/selection.js';
import { loadPackage } from '../lib/io/optional.js';
import { relativeBars, shareBars } from '../lib/report/bars.js';
import { loadCharts } from '../lib/report/charts.js';
import { npyBytes, Scratch } from './io.helpers.js';
import { dumpDom, needChromium, screenshot } from './support/chromium.js';
import { bundledFiles } from './support/cli.js';
import { seeded } from './support/close.js';
import { makeCase, readLines, run, start } from './support/evalCase.js';

const scratch = new Scratch();
after(() => scratch.remove());
let files = 0;
const newPath = (end: string) => join(scratch.folder, `${files++}${end}`);

/** The page of a run, which must end well. */
async function pageOf(args: readonly string[], input = ''): Promise<string> {
  const path = newPath('.html');
  const { code, err } = await run([...args, '--html', path], {}, input);
  assert.ok(code === 0, err);
  return readFileSync(path, 'utf8');
}

function bundledArgs(name: 'ocr' | 'speech', manifest = 'manifest'): string[] {
  const given = bundledFiles(name);
  const rows = given.manifest.replace('manifest', manifest);
  return ['eval', given.logits, '--manifest', rows, '--tokens', given.tokens];
}

const headingsOf = (page: string) =>
  [...page.matchAll(/<figcaption><b>(.*?)<\/b>/g)].map(([, t]) => t);
const rowsOf = (page: string) => page.match(/<tr data-status="[^"]*"/g) ?? [];
const idsOf = (page: string) =>
  [...page.matchAll(/<tr data-status[^\n]*?<b>(.*?)<\/b>/g)].map(([, id]) => id!);

describe('the page of an evaluation', function () {
  this.timeout(120_000);
  let speech: string;
  before(async () => {
    speech = await pageOf(bundledArgs('speech'));
  });

  describe('of a bundled model', () => {
    let page: string;
    before(() => {
      page = speech;
    });

    it('has the numbers of the summary', () => {
      assert.match(page, /<dd>7\.76%<small>/);
      assert.match(page, /<dd>31\.25%<small>/);
      assert.match(page, /<dd>0\.3829<small>each \/ its labels, then the mean/);
      assert.match(page, /<dd>0\.08411<small>1,769 frames/);
      assert.match(page, /17 substituted, 17 missing, 3 inserted \/ 477 characters/);
    });

    it('has a drawing for every distribution', () => {
      const all = ['Loss per label', 'Loss per frame', 'Character error rate', 'Word error rate'];
      assert.deepEqual(headingsOf(page), [
        ...all,
        ...['Confidence', 'Blank ratio', 'Frames', 'Labels'],
      ]);
      assert.equal(page.match(/<figure>.*?<svg.*?<\/svg><\/figure>/gs)!.length, 8);
      assert.match(
        page,
        /aria-description="Histogram\. 16 utterances; median about 0\.184, .*?" aria-label="Loss per label"/,
      );
      // Every utterance is in one bar.
      for (const figure of page.match(/<figure>.*?<\/figure>/gs)!) {
        const counts = [...figure.matchAll(/<title>[^<]*: (\d+)<\/title>/g)].map(([, n]) =>
          Number(n),
        );
        assert.equal(
          counts.reduce((sum, n) => sum + n, 0),
          16,
        );
      }
    });

    it('has the lattices of the five worst, with their ids as links', () => {
      const drawn = [...page.matchAll(/<div id="(lattice-\d+)">/g)].map(([, id]) => id);
      assert.deepEqual(
        drawn,
        [6, 9, 15, 0, 7].map((n) => `lattice-${n}`),
      );
      for (const id of drawn) assert.ok(page.includes(`<a href="#${id}">`));
      assert.equal(page.match(/class="ctc-lattice"/g)!.length, 5);
      assert.match(page, /loss 24\.6348</);
    });

    it('has all utterances of few, the worst first', () => {
      assert.equal(rowsOf(page).length, 16);
      assert.deepEqual(idsOf(page).slice(0, 3), ['sp-0006', 'sp-0009', 'sp-0015']);
      assert.match(page, /All 16 of them\./);
      assert.ok(!page.includes('>why<'));
    });

    it('marks the errors of greedy texts', () => {
      const row = page
        .split('\n')
        .find((line) => line.includes('>sp-0006<') && line.startsWith('<tr'));
      assert.match(row!, /<span>worriers coyotes<\/span><ins>(.*)<\/ins>/);
      const greedy = /<ins>(.*)<\/ins>/.exec(row!)![1]!;
      assert.equal(greedy, 'wo<mark></mark>ri<mark>&#39;</mark>s c<mark>i</mark>otes');
      assert.match(page, /<span>our friend left the wheel<\/span> <i>✓<\/i>/);
    });

    it('loads nothing, and lets no script but its own run', () => {
      assert.ok(!/<(img|link|iframe|object|embed|form)\b/i.test(page));
      const addresses = page.match(/https?:\/\/[^"' <)]*/g) ?? [];
      assert.ok(addresses.every((address) => address === 'http://www.w3.org/2000/svg'));
      assert.ok(!/url\(|@import|\son\w+=/.test(page));
      assert.equal(page.match(/<script/g)!.length, 1);
      assert.match(
        page,
        /default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[\w+/]{43}='/,
      );
      assert.equal(new Set(page.match(/ id="[^"]*"/g)).size, page.match(/ id="[^"]*"/g)!.length);
    });

    it('is the same in every run, for any threads and batches', async () => {
      const again = await pageOf([...bundledArgs('speech'), '--threads', '1', '--batch-mb', '0.1']);
      assert.equal(again, page);
    });

    it('draws no more of the worst than --worst lists', async () => {
      const two = await pageOf([...bundledArgs('speech'), '--worst', '2']);
      assert.equal(two.match(/class="ctc-lattice"/g)!.length, 2);
      assert.ok(two.includes('id="worst"') && two.includes('href="#worst"'));
    });
  });

  describe('of hostile data', () => {
    let page: string;
    const attacks = [
      '<script>alert(1)</script>',
      '"><img src=x onerror=alert(1)>',
      "&'\u202e\u0000",
    ];
    const tokens = ['<blank>', ' ', 'a', '</script><script>alert(2)</script>', '<b>', 'é'];
    before(async () => {
      const given = makeCase(scratch, { utterances: 6 }, (n, fields) => ({
        ...fields,
        id: attacks[n] ?? `${'x'.repeat(400)}${n}`,
        text: n < 3 ? `a ${tokens[3]}` : '<b>é'.repeat(n),
      }));
      writeFileSync(given.tokens, `${tokens.join('\n')}\n`);
      page = await pageOf(given.args);
    });

    it('has their texts as texts', () => {
      assert.equal(page.match(/<script/g)!.length, 1);
      assert.ok(!/<img|<b>é/.test(page));
      assert.ok(page.includes('&lt;script&gt;alert(1)&lt;/script&gt;'));
      assert.ok(page.includes('&amp;&#39;\\u202e\\u0000'));
    });

    it('cuts what is long', () => {
      assert.ok(!page.includes('x'.repeat(121)));
      assert.ok(page.includes(`…${'x'.repeat(119)}5`));
    });
  });

  describe('of a run that has', () => {
    it('nothing', async () => {
      const page = await pageOf(['eval', '-', '--tokens', bundledFiles('speech').tokens]);
      assert.match(page, /<h1>Evaluation of 0 utterances<\/h1>/);
      assert.match(page, /There is nothing to show/);
      assert.ok(!page.includes('id="utterances"'));
    });

    it('one utterance, whose text is empty', async () => {
      const one = makeCase(scratch, { utterances: 1 }, (_, fields) => ({ ...fields, text: '' }));
      const page = await pageOf(one.args);
      assert.match(page, /CTC lattice of the empty target/);
      assert.match(page, /<h1>Evaluation of 1 utterance<\/h1>/);
      assert.equal(page.match(/class="ctc-lattice"/g)!.length, 1);
    });

    it('only texts that are empty', async () => {
      const given = makeCase(scratch, { utterances: 3 }, (_, fields) => ({ ...fields, text: '' }));
      const page = await pageOf([...given.args, '--worst', '0']);
      assert.ok(!page.includes('<dt>CER</dt>'));
      assert.ok(!headingsOf(page).includes('Character error rate'));
      assert.ok(!page.includes('id="worst"') && !page.includes('href="#worst"'));
    });

    it('only faulty utterances', async () => {
      const given = makeCase(scratch, { utterances: 4 }, (n, fields) => ({
        ...fields,
        text: n < 2 ? 'a'.repeat(30) : 'xyz',
      }));
      const bytes = readFileSync(given.data);
      bytes.fill(0xff, bytes.length - 4 * 24 * 6 * 4);
      writeFileSync(given.data, bytes);
      const page = await pageOf(given.args);
      assert.match(page, /<dt>Evaluated<\/dt><dd>0<small>0\.00% of all/);
      assert.ok(!page.includes('ctc-lattice'));
      assert.match(page, /There is nothing to show/);
      assert.equal(page.match(/data-status="unknown-symbol"/g)!.length, 2);
      assert.ok(!/NaN%|undefined|>null/.test(page));
    });

    it('a lattice that is too large', async () => {
      const frames = 4000;
      const text = 'ab'.repeat(300);
      const given = makeCase(scratch, { utterances: 1, frames }, (_, row) => ({ ...row, text }));
      const page = await pageOf(given.args);
      assert.match(page, /4000 frames x 1201 states are too many to draw here\./);
      assert.ok(page.length < 60_000);
    });

    it('numbers of any type', async () => {
      const given = makeCase(scratch, { utterances: 3 });
      const singles = await pageOf(given.args);
      const bytes = readFileSync(given.data);
      const data = new Float32Array(Uint8Array.from(bytes).buffer.slice(-3 * 24 * 6 * 4));
      const shape = [3, 24, 6];
      const doubles = npyBytes({ descr: '<f8', shape, data: Float64Array.from(data) });
      writeFileSync(given.data, doubles);
      const svgs = (page: string) => page.match(/<svg xmlns.*?<\/svg>/gs);
      assert.deepEqual(svgs(await pageOf(given.args)), svgs(singles));
    });
  });

  describe('of many utterances', () => {
    it('keeps the worst, the faulty and a sample, in any order', () => {
      const random = seeded(7);
      const records = Array.from({ length: 20_000 }, (_, n): EvalRecord => {
        const record = emptyRecord(n, `utt-${n}`, 'text');
        if (n % 100 === 7)
          return { ...record, status: n % 200 === 7 ? 'infeasible' : 'unreadable' };
        const lossPerLabel = Math.round(1000 * random()) / 100;
        return { ...record, lossPerLabel, cer: Math.round(50 * random()) / 50 };
      });
      const selection = new Selection();
      records.forEach((record) => void selection.add(record));
      const rows = selection.rows();
      const backwards = new Selection();
      records.toReversed().forEach((record) => void backwards.add(record));
      assert.deepEqual(backwards.rows(), rows);

      const having = (reason: string) =>
        rows.filter(({ reasons }) => reasons.includes(reason as never));
      const indices = (some: readonly { index: number }[]) =>
        some.map(({ index }) => index).sort((a, b) => a - b);
      const worst = records
        .filter(({ lossPerLabel }) => lossPerLabel !== null)
        .sort((a, b) => b.lossPerLabel! - a.lossPerLabel! || a.index - b.index);
      assert.deepEqual(
        indices(having('loss').map(({ record }) => record)),
        indices(worst.slice(0, kept.loss)),
      );
      const errors = records
        .filter(({ cer }) => (cer ?? 0) > 0)
        .sort((a, b) => b.cer! - a.cer! || a.index - b.index);
      assert.deepEqual(
        indices(having('errors').map(({ record }) => record)),
        indices(errors.slice(0, kept.errors)),
      );
      assert.equal(having('faulty').length, 2 * kept.faulty);
      const sample = having('sample').map(({ record }) => record.index);
      assert.equal(sample.length, kept.sample);
      // Evenly over the manifest: the mean of 200 of uniform ones is within 5 deviations of the middle.
      const mean = sample.reduce((sum, n) => sum + n, 0) / sample.length;
      assert.ok(Math.abs(mean - 10_000) < (5 * 20_000) / Math.sqrt(12 * 200), String(mean));
    });

    it('has all up to a limit', () => {
      const selection = new Selection();
      for (let n = 0; n < mostWhole; n++) selection.add(emptyRecord(n, 'x', ''));
      assert.equal(selection.rows().length, mostWhole);
      assert.ok(selection.rows().every(({ reasons }) => reasons.length === 0));
      selection.add(emptyRecord(mostWhole, 'x', ''));
      assert.equal(selection.rows().length, kept.sample);
    });

    it('stays small, and says what it has', async () => {
      const given = makeCase(scratch, { utterances: 3000, frames: 12 });
      const page = await pageOf(given.args);
      const rows = rowsOf(page).length;
      assert.ok(rows <= 700 && rows >= 500, String(rows));
      assert.match(page, /Of 3,000 utterances these \d+: the 300 with the highest loss per label/);
      assert.match(page, />why</);
      assert.ok(page.length < 1_000_000, String(page.length));
      const counts = [...page.matchAll(/<title>[^<]*: (\d+)<\/title>/g)].map(([, n]) => Number(n));
      assert.equal(Math.max(...counts) > 100, true);
    });
  });

  describe('is the same', () => {
    const given = makeCase(scratch, { utterances: 120 });
    let whole: string;
    before(async () => {
      whole = await pageOf([...given.args, '--batch-mb', '0.01']);
    });

    it('where the records become something else than JSON Lines', async () => {
      const out = newPath('');
      assert.equal(await pageOf([...given.args, '--out', out, '--format', 'csv']), whole);
      const args = [...given.args, '--out', out, '--format', 'csv', '--resume'];
      const { code, err } = await run([...args, '--html', newPath('.html')]);
      assert.equal(code, 2);
      assert.match(err, /results\.csv is complete, but a page is made from records in JSON Lines/);
    });

    it('where a run goes on after it was interrupted', async () => {
      const out = newPath('');
      const { signal } = new AbortController();
      const options = { tokens: given.tokens, layout: 'NTC', input: 'logits', worst: 10 } as const;
      const inputs = await openInputs([given.data], given.manifest, options, () => {}, signal);
      let batches = 0;
      const onRecords = () => {
        batches += 1;
        if (batches === 4) throw new Error('power failure');
      };
      const first = { ...inputs, out, batchBytes: 10_000, warn: assert.fail, onRecords };
      await assert.rejects(evaluateShard(first), /power failure/);
      await inputs.source.close();
      assert.ok(readdirSync(out).includes('results.journal'));
      const page = await pageOf([...given.args, '--batch-mb', '0.01', '--out', out, '--resume']);
      assert.equal(page, whole);
    });

    it('where it is killed as it writes, again and again', async () => {
      const out = newPath('');
      const path = join(out, 'report.html');
      const args = [...given.args, '--out', out, '--html', path];
      for (const delay of [0, 60, 240]) {
        const child = start([...args, '--resume']);
        child.stdout!.resume();
        child.stderr!.resume();
        const closed = new Promise((resolve) => child.once('close', resolve));
        // The page is written once the results are in their place.
        let over = false;
        void closed.then(() => {
          over = true;
        });
        while (!over && !existsSync(join(out, 'results.jsonl'))) await sleep(1);
        await Promise.race([sleep(delay), closed]);
        child.kill('SIGKILL');
        await closed;
      }
      // What a kill in the very moment leaves.
      writeFileSync(join(out, '.report.html.0123456789ab.tmp'), '<html>');
      const { code, err } = await run([...args, '--resume']);
      assert.equal(code, 0, err);
      assert.equal(readFileSync(path, 'utf8'), whole);
      const files = ['report.html', 'results.jsonl', 'summary.json', 'timings.json'];
      assert.deepEqual(readdirSync(out).sort(), files);
    });

    it('where everything was done already', async () => {
      const out = newPath('');
      assert.equal((await run([...given.args, '--out', out])).code, 0);
      assert.equal(await pageOf([...given.args, '--out', out, '--resume']), whole);
    });

    it('where shards are merged', async () => {
      const out = newPath('');
      for (let i = 0; i < 3; i++) {
        const { code } = await run([...given.args, '--out', out, '--shard', `${i}/3`]);
        assert.equal(code, 0);
      }
      assert.equal(readdirSync(out).filter((name) => name.endsWith('.lattices.jsonl')).length, 3);
      assert.equal(await pageOf(['merge', out]), whole);
      // What was kept of the lattices may be missing, but not be something else.
      const shards = readdirSync(out).filter((name) => name.endsWith('.lattices.jsonl'));
      const contents = shards.map((name) => readFileSync(join(out, name), 'utf8'));
      for (const name of shards) rmSync(join(out, name));
      const without = await pageOf(['merge', out, '--overwrite']);
      assert.ok(!without.includes('ctc-lattice'));
      assert.match(without, /The lattices of shard-0000\d-of-00003 are not there/);
      for (const [i, name] of shards.entries())
        writeFileSync(join(out, name), contents[i]!.slice(0, -20));
      const broken = await run(['merge', out, '--overwrite', '--html', newPath('.html')]);
      assert.equal(broken.code, 3);
      assert.match(broken.err, /lattices\.jsonl: is not the lattices of a shard\. Evaluate/);
    });

    it('but for the settings where the outputs come through a pipe', async () => {
      const bytes = Uint8Array.from(readFileSync(given.data));
      const data = new Float32Array(bytes.buffer.slice(-120 * 24 * 6 * 4));
      const lines = readLines<object>(given.manifest).map((row, n) => {
        const one = data.slice(n * 24 * 6, (n + 1) * 24 * 6);
        const logits = Buffer.from(one.buffer).toString('base64');
        return JSON.stringify({ ...row, shape: [24, 6], logits });
      });
      const args = ['eval', '-', '--tokens', given.tokens, '--batch-mb', '0.01'];
      const page = await pageOf(args, `${lines.join('\n')}\n`);
      const upTo = (text: string) => text.slice(0, text.indexOf('<section id="settings">'));
      assert.equal(upTo(page), upTo(whole));
      assert.match(page, /a stream has none/);
    });
  });

  describe('is refused', () => {
    const given = makeCase(scratch, { utterances: 2 });
    const refusals: [name: string, args: () => string[], code: number, message: RegExp][] = [
      [
        'for a shard',
        () => [...given.args, '--out', newPath(''), '--shard', '0/2', '--html', newPath('.html')],
        2,
        /a page is about all shards: leave out --html here and give it to merge/,
      ],
      [
        'in a folder that is not there, before anything is evaluated',
        () => [...given.args, '--html', join(scratch.folder, 'absent', 'x.html')],
        3,
        /x\.html: cannot be written: there is no such folder\. Make the folder first/,
      ],
      [
        'in place of a folder',
        () => [...given.args, '--html', scratch.folder],
        3,
        /cannot be written: it is a folder or a device\. Name a file/,
      ],
    ];
    for (const [name, args, code, message] of refusals) {
      it(name, async () => {
        const result = await run(args());
        assert.deepEqual([result.code, result.out], [code, '']);
        assert.match(result.err, message);
      });
    }

    it('without its packages, which the error names', async () => {
      const load = () => import('node-ctc-absent' as string);
      await assert.rejects(loadPackage('a.html', ['plot', 'dom'], 'The page', load), {
        code: 'ERR_CTC_FILE',
        message:
          'a.html: The page needs the packages plot and dom, which are not installed. Install: npm install plot dom',
      });
    });
  });

  describe('in Chromium', () => {
    before(function () {
      needChromium(this);
    });

    it('runs its script under its policy', async () => {
      const dom = await dumpDom(scratch.write(speech, `${files++}.html`));
      assert.match(dom, /<div id="filter">/);
      assert.match(dom, /<output id="shown">16 of 16 rows<\/output>/);
      assert.equal(dom.match(/<button type="button">/g)!.length, 13);
    });

    it('sorts and filters as it is told, and fits a phone', async () => {
      const given = makeCase(scratch, { utterances: 12 }, (n, fields) =>
        n % 4 === 3 ? { ...fields, text: 'xyz' } : fields,
      );
      const page = await pageOf(given.args);
      // The policy would forbid the test's own script.
      const policy = /<meta http-equiv="Content-Security-Policy"[^>]*>/;
      assert.match(page, policy);
      const changed = page
        .replace(policy, '')
        .replace('</body>', () => `<script>${userScript}</script></body>`);
      const dom = await dumpDom(scratch.write(changed, `${files++}.html`));
      const log = /<pre id="log">(.*?)<\/pre>/s.exec(dom);
      assert.ok(log, 'the script came to its end');
      const seen = JSON.parse(log[1]!.replaceAll('&lt;', '<').replaceAll('&amp;', '&'));

      const losses = (seen.first as string[]).filter((text) => text !== '');
      assert.equal(losses.length, 9);
      const up = losses.toSorted((a, b) => Number(a) - Number(b));
      const nothing = ['', '', ''];
      // It is sorted by the loss per label already, descending.
      assert.deepEqual(seen.first, [...up.toReversed(), ...nothing]);
      assert.deepEqual(seen.once, [...up, ...nothing]);
      assert.deepEqual(seen.twice, seen.first);
      assert.deepEqual(seen.marked, [
        'loss / label descending',
        'loss / label ascending',
        '# descending',
      ]);
      assert.deepEqual(
        seen.byIndex,
        Array.from({ length: 12 }, (_, i) => String(11 - i)),
      );
      // In numbers' order: utt-2 before utt-10.
      assert.deepEqual(
        seen.byId,
        Array.from({ length: 12 }, (_, i) => `utt-${i}`),
      );

      assert.deepEqual(seen.found, [['utt-1', 'utt-10', 'utt-11'], '3 of 12 rows']);
      assert.deepEqual(seen.both, [['utt-11'], '1 of 12 rows']);
      assert.deepEqual(seen.unfolded, [1, 2, 5]);
      assert.equal(seen.phone, 360);
    });

    // What a reader does, and what is there to see then.
    const userScript = `
      const all = (selector) => [...document.querySelectorAll(selector)];
      const click = (name) => all('#utterances button').find((b) => b.textContent === name).click();
      const column = (n) => all('#utterances tbody tr').map((row) => row.cells[n].textContent);
      const marked = () => all('[aria-sort]').map((h) => h.textContent + ' ' + h.getAttribute('aria-sort')).join();
      const seen = { first: column(3), marked: [marked()] };
      click('loss / label');
      seen.once = column(3);
      seen.marked.push(marked());
      click('loss / label');
      seen.twice = column(3);
      click('#');
      seen.marked.push(marked());
      seen.byIndex = column(0);
      click('id');
      seen.byId = column(1);
      const visible = () => [
        all('#utterances tbody tr').filter((row) => row.offsetHeight > 0).map((row) => row.cells[1].textContent),
        document.getElementById('shown').textContent,
      ];
      const search = document.getElementById('search');
      search.value = 'UTT-1';
      search.dispatchEvent(new Event('input'));
      seen.found = visible();
      const status = document.getElementById('status');
      status.value = 'unknown-symbol';
      status.dispatchEvent(new Event('change'));
      seen.both = visible();
      const open = () => all('details').filter((folded) => folded.open).length;
      seen.unfolded = [open()];
      location.hash = all('details > div')[2].id;
      dispatchEvent(new Event('hashchange'));
      seen.unfolded.push(open());
      dispatchEvent(new Event('beforeprint'));
      seen.unfolded.push(open());
      const frame = document.createElement('iframe');
      frame.style = 'width: 360px; height: 800px; border: 0';
      frame.srcdoc = document.documentElement.outerHTML.replaceAll('<' + 'script', '<template');
      frame.onload = () => {
        seen.phone = frame.contentDocument.documentElement.scrollWidth;
        const log = document.createElement('pre');
        log.id = 'log';
        log.textContent = JSON.stringify(seen);
        document.body.append(log);
      };
      document.body.append(frame);
    `;

    const themes = {
      light: { surface: '#ffffff', accent: '#2f6feb', other: '#0d1117' },
      dark: { surface: '#0d1117', accent: '#4493f8', other: '#ffffff' },
    };
    for (const theme of ['light', 'dark'] as const) {
      it(`has ${theme} colours`, async () => {
        const { surface, accent, other } = themes[theme];
        const file = scratch.write(speech, `${files++}.html`);
        const picture = await screenshot(file, newPath('.png'), theme, [1280, 1600]);
        const share = (colour: string) => (picture.colours.get(colour) ?? 0) / (1280 * 1600);
        assert.ok(share(surface) > 0.4, `background ${share(surface)}`);
        assert.ok(share(other) < 0.01, `the other theme's ${share(other)}`);
        assert.ok(share(accent) > 0.005, `bars ${share(accent)}`);
      });
    }
  });
});

describe('bars of a histogram', () => {
  const histogram = (scale: typeof unitScale, values: readonly number[]) => {
    const made = new Histogram(scale);
    for (const value of values) made.add(value);
    return made.bins();
  };

  it('hold every value, however wide the bins are', () => {
    const random = seeded(3);
    for (const spread of [1e-9, 1e-3, 0.1, 1, 40, 1e6]) {
      const values = Array.from({ length: 500 }, () => spread * random() ** 3);
      const { bars, limit, beyond } = relativeBars(histogram(relativeScale, values));
      assert.ok(bars.length >= 16 && bars.length <= 33, String(bars.length));
      for (const { from, to, count } of bars) {
        assert.equal(count, values.filter((value) => value >= from && value < to).length);
      }
      assert.equal(beyond, values.filter((value) => value >= limit).length);
      assert.ok(beyond <= 5);
    }
  });

  it('of counts are never narrower than one', () => {
    const { bars, limit } = relativeBars(histogram(relativeScale, [0, 1, 1, 3]), 1);
    assert.equal(limit, 16);
    assert.deepEqual(
      bars.slice(0, 4).map(({ count }) => count),
      [1, 2, 0, 1],
    );
  });

  it('of zeros only, and of nothing', () => {
    const zeros = relativeBars(histogram(relativeScale, [0, 0]));
    assert.equal(zeros.bars[0]!.count, 2);
    assert.ok(zeros.bars.length === 16 && zeros.limit > 0);
    assert.equal(relativeBars([]).bars.length, 16);
  });

  it('of shares have 1 in the last one', () => {
    const { bars, beyond } = shareBars(histogram(unitScale, [0, 0.5, 0.999, 1, 1]));
    assert.equal(bars.length, 50);
    assert.deepEqual([bars[0]!.count, bars[25]!.count, bars[49]!.count, beyond], [1, 1, 3, 0]);
  });

  it('are drawn in one scale, with what is beyond it apart', async () => {
    const charts = await loadCharts('x.html');
    const values = Array.from({ length: 300 }, (_, n) => (n < 2 ? 1e6 : n % 30));
    const bars = relativeBars(histogram(relativeScale, values), 1);
    const parts = { bars, title: 'Things', label: 'n', description: 'words', percent: false };
    const svg = charts.histogram(parts);
    assert.match(svg, /<title>30 or more: 2<\/title>/);
    assert.match(svg, />≥ 30<\/text>/);
    assert.equal(svg.match(/<title>/g)!.length, 31);
    assert.equal(charts.histogram(parts), svg);
  });
});

describe('a ranking', () => {
  it('has the first of all, in order', () => {
    const random = seeded(5);
    for (const keep of [0, 1, 3, 10, 200]) {
      const ranking = new Ranking<number>(keep, (a, b) => a < b);
      const values = Array.from({ length: 100 }, () => random());
      for (const value of values) {
        const admitted = ranking.admits(value);
        ranking.add(value);
        assert.equal(ranking.items.includes(value), admitted);
      }
      assert.deepEqual(ranking.items, values.toSorted((a, b) => a - b).slice(0, keep));
    }
  });
});
