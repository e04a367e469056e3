// An explanation as one page that needs nothing else: no script, no font, no picture from elsewhere.

import type { Explanation } from '../explain.js';
import { collapse } from '../paths.js';
import { checkExplanation } from './checkExplanation.js';
import { escapeMarkup, showCount, showProbability, spell, visible } from './escape.js';
import { explanationSvg, titleOf } from './explanationSvg.js';
import { MAP_VALUES, type MapValues, valueNames } from './latticeMap.js';
import { bar, type Card, cards, page, scroll } from './page.js';
import { fitsTrellis } from './trellis.js';

const tabNames: Record<MapValues, string> = {
  posteriors: 'Posterior',
  alpha: 'α forward',
  beta: 'β backward',
  emissions: 'y emission',
};

/** More paths than this are cut in a page, which says so. */
const mostRows = 1000;

/**
 * An HTML page about an explanation: the drawing of {@link explanationSvg}, for large lattices with alpha,
 * beta and emissions to switch to; each label's frames; the paths and readings that are listed. Follows the
 * reader's light or dark theme, works without scripts and without a network.
 *
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE` for what is no explanation.
 */
export function explanationHtml(explanation: Explanation): string {
  checkExplanation(explanation);
  const e = explanation;
  const sections = [numbers(e), drawings(e)];
  if (e.status === 'ok') {
    if (e.target.length > 0) sections.push(labels(e));
    sections.push(paths(e));
    if (e.readings !== undefined) sections.push(readings(e));
  }
  sections.push(guide);
  const title = escapeMarkup(titleOf(e));
  return page({ title, style, body: sections.join('\n') });
}

function numbers(e: Explanation): string {
  const cells: Card[] = [
    ['Loss', e.status === 'ok' ? e.loss.toFixed(4) : e.status, '−ln of the total probability'],
  ];
  if (e.status === 'ok') {
    const total = e.probability > 0 ? showProbability(e.probability) : `e^−${e.loss.toFixed(1)}`;
    const best = Math.exp(e.bestPath.logProbability + e.loss);
    cells.push(
      ['Total probability', total, 'sum over all paths'],
      ['Best path', `${(100 * best).toPrecision(3)}%`, 'of the total probability'],
    );
  }
  cells.push(
    ['Paths', showCount(e.pathCount), 'read as the target'],
    ['Lattice', `${e.states.length} × ${e.frames}`, 'states × frames'],
    ['Classes', String(e.classes), `blank is class ${e.blank}`],
  );
  return cards(cells.map(([name, ...texts]) => [name, ...texts.map(escapeMarkup)] as Card));
}

function drawings(e: Explanation): string {
  if (e.status !== 'ok' || e.frames === 0 || fitsTrellis(e)) {
    return `<section><h2>Trellis</h2>${scroll(explanationSvg(e), 'Trellis')}</section>`;
  }
  const tabs = MAP_VALUES.map(
    (values, i) =>
      `<input type="radio" name="values" id="tab-${values}"${i === 0 ? ' checked' : ''}><label for="tab-${values}">${tabNames[values]}</label>`,
  );
  const panels = MAP_VALUES.map(
    (values) =>
      `<div class="panel ${values}">${scroll(explanationSvg(e, { values, idPrefix: values }), tabNames[values])}</div>`,
  );
  return `<section class="tabs"><h2>Trellis</h2>${tabs.join('')}${panels.join('\n')}</section>`;
}

function labels(e: Explanation): string {
  const rows = e.spans.map(({ token, start, end, score }, i) => [
    String(i),
    symbolsOf(e, [token]),
    String(start),
    String(end),
    bar(score, showProbability(score)),
    e.starts[i]!.toFixed(2),
    e.ends[i]!.toFixed(2),
  ]);
  return `<section><h2>Labels in time</h2>
<p>Frames on the most probable path, with the mean probability of the label over them; and the first frame and the frame after the last as expected over all paths.</p>
${table(['', 'label', 'start', 'end', 'mean probability', 'expected start', 'expected end'], rows)}</section>`;
}

function paths(e: Explanation): string {
  if (e.paths === undefined) {
    return `<section><h2>Paths</h2><p>${escapeMarkup(showCount(e.pathCount))} paths read as the target: too many to list.</p></section>`;
  }
  const most = Math.exp(e.bestPath.logProbability + e.loss);
  const rows = e.paths
    .slice(0, mostRows)
    .map(({ labels: path, probability, logProbability }, i) => {
      const share = Math.exp(logProbability + e.loss);
      const shown =
        probability > 0 ? probability.toExponential(4) : `e^${logProbability.toFixed(2)}`;
      return [
        String(i + 1),
        symbolsOf(e, path),
        symbolsOf(
          e,
          path.filter((label, t) => label !== path[t - 1]),
        ),
        escapeMarkup(spell(collapse(path, e.blank), e.symbols)),
        shown,
        bar(share / most, `${(100 * share).toFixed(2)}%`),
      ];
    });
  const cut = e.paths.length > mostRows ? ` The first ${mostRows} are listed.` : '';
  return `<section><h2>Paths</h2>
<p>All ${escapeMarkup(showCount(e.pathCount))} paths that the map B collapses to the target: repeats are merged, then blanks dropped. Their probabilities add up to the total.${cut}</p>
${table(['', 'path', 'repeats merged', 'reads as', 'probability', 'share of the total'], rows)}</section>`;
}

function readings(e: Explanation): string {
  const all = e.readings!;
  const most = all[0]!.probability;
  const rows = all
    .slice(0, mostRows)
    .map(({ labels: read, paths: count, probability }) => [
      read.length === 0 ? '<em>nothing</em>' : escapeMarkup(spell(read, e.symbols)),
      String(count),
      bar(probability / most, showProbability(probability)),
      read.join() === e.target.join() ? 'the target' : '',
    ]);
  const cut = all.length > mostRows ? ` The ${mostRows} most probable are listed.` : '';
  return `<section><h2>The map B as a whole</h2>
<p>What all ${e.classes}<sup>${e.frames}</sup> paths read as. The probabilities add up to 1.${cut}</p>
${table(['reads as', 'paths', 'probability', ''], rows)}</section>`;
}

/** A path in symbols, blanks paler. */
function symbolsOf({ symbols, blank }: Explanation, path: readonly number[]): string {
  const cells = path.map((label) => {
    const symbol = escapeMarkup(visible(symbols[label]!));
    return label === blank ? `<i>${symbol}</i>` : `<b>${symbol}</b>`;
  });
  return `<span class="path">${cells.join(' ')}</span>`;
}

/** Cells are HTML. */
function table(header: string[], rows: string[][]): string {
  const cells = (row: string[], tag: string) =>
    `<tr>${row.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
  const body = rows.map((row) => cells(row, 'td')).join('\n');
  const head = cells(header, 'th');
  return scroll(`<table><thead>${head}</thead><tbody>${body}</tbody></table>`, 'Table');
}

const guide = `<section><h2>How to read it</h2>
<p>A CTC model gives at each frame a probability y to each class: the labels and a blank. A path takes one class a frame, and its probability is the product of theirs. The target’s probability is the sum over all paths that collapse to it, and the loss is its negative logarithm.</p>
<p>The lattice holds all these paths at once. Its states are the labels in order, with a blank before, between and after them; a path stays in its state or moves down by one, or by two where a blank between two different labels is left out. With these moves, two recursions sum over all paths in T × S steps:</p>
<ul>
<li><b>α</b>(t, s) = y(t, s) · (α(t−1, s) + α(t−1, s−1) + α(t−1, s−2)): all ways to be in state s at frame t.</li>
<li><b>β</b>(t, s) = the sum over the next states r of y(t+1, r) · β(t+1, r): all ways to finish from there.</li>
<li><b>posterior</b>(t, s) = α(t, s) · β(t, s) / total: how probable it is to be there, given the target. Each frame’s add up to 1.</li>
</ul>
<p>The gradient of the loss with respect to a logit is the class’s probability y minus its posterior. (${escapeMarkup(valueNames.posteriors)}.)</p>
</section>`;

const style = `.path{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.path i{font-style:normal;color:var(--muted)}
.tabs input{position:absolute;opacity:0}
.tabs label{display:inline-block;padding:5px 14px;margin:0 6px 10px 0;border:1px solid var(--line);border-radius:999px;cursor:pointer;font-size:14px}
.tabs input:checked+label{background:var(--accent);border-color:var(--accent);color:var(--surface)}
.tabs input:focus-visible+label{outline:2px solid var(--accent);outline-offset:2px}
.tabs .panel{display:none}
${MAP_VALUES.map((values) => `#tab-${values}:checked~.${values}`).join(',')}{display:block}
`;
