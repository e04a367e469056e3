// An evaluation as one page that needs nothing else: numbers, distributions, the lattices of the worst
// utterances, and a table. The same evaluation gives the same bytes.

import type { MaybeLattice } from '../eval/lattice.js';
import type { SummaryFile } from '../eval/report.js';
import { cut, cutStart, type SelectedRow } from '../eval/selection.js';
import type { CorpusErrors, Ranked } from '../eval/statistics.js';
import { explain } from '../explain.js';
import type { Charts } from './charts.js';
import { escapeMarkup } from './escape.js';
import { distributions, distributionsStyle } from './evaluationCharts.js';
import { evaluationScript } from './evaluationScript.js';
import {
  markErrors,
  showInteger,
  showPercent,
  showText,
  tableStyle,
  utteranceTable,
} from './evaluationTable.js';
import { explanationSvg } from './explanationSvg.js';
import { bar, type Card, cards, page, scroll } from './page.js';

export interface Evaluation {
  summary: SummaryFile;
  /** Those that the table has. */
  rows: readonly SelectedRow[];
  /** Of the worst utterances. */
  lattices: readonly MaybeLattice[];
  signal?: AbortSignal;
}

/** A whole document. Throws the signal's reason. */
export async function evaluationHtml(evaluation: Evaluation, charts: Charts): Promise<string> {
  const { summary, rows, lattices, signal } = evaluation;
  const total = summary.utterances;
  const drawings: string[] = [];
  for (const [place, lattice] of lattices.entries()) {
    const ranked = summary.worst.find(({ index }) => index === lattice.index)!;
    drawings.push(await drawLattice(ranked, lattice, place === 0, signal));
  }
  const drawn = new Set(lattices.map(({ index }) => index));
  const sections = [
    navigation(drawings.length > 0, total > 0),
    ...summary.warnings.map((warning) => `<p class="warning">${escapeMarkup(warning)}</p>`),
    numbers(summary),
    statuses(summary),
    distributions(summary, charts),
  ];
  if (drawings.length > 0) sections.push(worst(summary, drawings));
  if (total > 0) sections.push(utteranceTable({ total, rows, drawn }));
  sections.push(settings(summary));
  const title = `Evaluation of ${showInteger(total)} utterance${total === 1 ? '' : 's'}`;
  const style = `${ownStyle}${distributionsStyle}${tableStyle}`;
  return page({ title, body: sections.join('\n'), style, script: evaluationScript });
}

function navigation(hasWorst: boolean, hasTable: boolean): string {
  const links = [['distributions', 'Distributions']];
  if (hasWorst) links.push(['worst', 'Worst']);
  if (hasTable) links.push(['table', 'Utterances']);
  links.push(['settings', 'Settings']);
  const items = links.map(([id, name]) => `<a href="#${id}">${name}</a>`);
  return `<nav aria-label="Sections">${items.join('')}</nav>`;
}

function numbers(summary: SummaryFile): string {
  const { loss, cer, wer, utterances, statuses, outliers, quartiles } = summary;
  const ok = statuses.ok ?? 0;
  const share = utterances === 0 ? '' : `${showPercent(ok / utterances)} of all`;
  const cells: Card[] = [['Evaluated', showInteger(ok), share]];
  if (ok > 0) {
    cells.push(
      ['Loss, mean', showDigits(loss.mean), 'each / its labels, then the mean'],
      ['Loss per label', showDigits(loss.perLabel), `${showInteger(summary.labels)} labels`],
      ['Loss per frame', showDigits(loss.perFrame), `${showInteger(summary.frames)} frames`],
    );
  }
  cells.push(...errorsOf('CER', cer, 'characters'), ...errorsOf('WER', wer, 'words'));
  if (summary.confidence !== null) {
    cells.push(['Confidence', showPercent(summary.confidence), 'mean of the greedy labels']);
  }
  if (summary.blankRatio !== null) {
    cells.push(['Blank ratio', showPercent(summary.blankRatio), 'frames that are mostly blank']);
  }
  if (outliers && quartiles) {
    const above = `loss per label from ${showDigits(outliers.above)}`;
    cells.push(['Outliers', showInteger(outliers.count), above]);
  }
  if (summary.unusedOutputs > 0) {
    const unused = showInteger(summary.unusedOutputs);
    cells.push(['Unused outputs', unused, 'in the data, and in no row']);
  }
  return cards(cells);
}

function errorsOf(name: string, errors: CorpusErrors, unit: string): Card[] {
  if (errors.rate === null) return [];
  const { substitutions, deletions, insertions, reference } = errors;
  const parts = [`${showInteger(substitutions)} substituted`, `${showInteger(deletions)} missing`];
  parts.push(`${showInteger(insertions)} inserted`);
  const note = `${parts.join(', ')} / ${showInteger(reference)} ${unit}`;
  return [[name, showPercent(errors.rate), note]];
}

const statusTexts: Record<string, string> = {
  ok: 'evaluated',
  infeasible: 'no path reads as the text',
  nonfinite: 'NaN, +Infinity, or a frame of nothing but -Infinity',
  'unknown-symbol': 'a character of the text begins no token',
  'frames-out-of-range': 'more frames than the data have',
  'no-output': 'the data have no utterance of this id',
  unreadable: 'its part of the data cannot be read',
  'duplicate-id': 'the id of an earlier row',
  'bad-row': 'the row of the manifest is broken',
};

function statuses({ statuses, utterances }: SummaryFile): string {
  const rows = Object.entries(statuses).map(([status, count]) => {
    const share = utterances === 0 ? 0 : count / utterances;
    const shown = bar(
      share,
      `${showInteger(count)} <span class="muted">${showPercent(share)}</span>`,
    );
    return `<tr><th scope="row">${status}</th><td>${shown}</td><td>${statusTexts[status] ?? ''}</td></tr>`;
  });
  const head =
    '<tr><th scope="col">status</th><th scope="col">utterances</th><th scope="col"></th></tr>';
  const table = `<table id="statuses"><thead>${head}</thead><tbody>${rows.join('\n')}</tbody></table>`;
  return `<section><h2>Statuses</h2>${scroll(table, 'Statuses')}</section>`;
}

/** One of the worst utterances, folded but for the first. */
async function drawLattice(
  { index, id, text, greedyText, lossPerLabel, cer }: Ranked,
  lattice: MaybeLattice,
  open: boolean,
  signal: AbortSignal | undefined,
): Promise<string> {
  const rate = cer === null ? '' : `, CER ${showPercent(cer)}`;
  const heading = `<b>${showText(cutStart(id))}</b> <span class="muted">loss per label ${showDigits(lossPerLabel)}${rate}</span>`;
  const texts = `<dl class="read"><dt>text</dt><dd>${showText(cut(text))}</dd><dt>greedy</dt><dd>${markErrors(cut(text), cut(greedyText ?? ''))}</dd></dl>`;
  const drawing = await draw(lattice, `lattice-${index}`, signal);
  return `<details${open ? ' open' : ''}><summary>${heading}</summary><div id="lattice-${index}">${texts}${drawing}</div></details>`;
}

async function draw(
  lattice: MaybeLattice,
  idPrefix: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  if ('missing' in lattice) return `<p class="muted">${escapeMarkup(lattice.missing)}</p>`;
  const { frames, labels, symbols, logProbs } = lattice;
  const explanation = await explain({ data: logProbs, shape: [frames, symbols.length] }, labels, {
    input: 'logProbs',
    symbols,
    maxPaths: 0,
    signal,
  });
  return scroll(explanationSvg(explanation, { idPrefix }), 'Lattice');
}

function worst({ worst: all, statuses }: SummaryFile, drawings: readonly string[]): string {
  const which = drawings.length === 1 ? 'The utterance' : `The ${drawings.length} utterances`;
  const others = all.length > drawings.length ? ' The table has the next ones.' : '';
  const scope =
    (statuses.ok ?? 0) > drawings.length
      ? ` with the highest loss per label.`
      : ' that could be evaluated.';
  return `<section id="worst"><h2>Worst utterances</h2>
<p>${which}${scope}${others} In a lattice a path goes from left to right, a frame at a time, and down through the labels of the text; shade is the probability of being there, given the text. Where the model saw something else, the shade is spread or squeezed.</p>
${drawings.join('\n')}</section>`;
}

function settings({ settings: given }: SummaryFile): string {
  const { data, manifest } = given;
  const rows: [name: string, value: string][] = [
    ['data', `${data.format}, ${data.type}, ${data.classes} classes`],
    ['input', given.input],
    ['layout', given.layout],
    ['array', given.array ?? 'the only one'],
    ['blank', String(given.blank)],
    ['word delimiter', given.wordDelimiter === null ? 'none' : JSON.stringify(given.wordDelimiter)],
    ['manifest (SHA-256)', manifest.sha256 ?? 'a stream has none'],
    ['tokens (SHA-256)', given.tokens],
    ['node-ctc', given.version],
  ];
  const cells = rows.map(
    ([name, value]) => `<tr><th scope="row">${name}</th><td>${showText(value)}</td></tr>`,
  );
  return `<section id="settings"><h2>Settings</h2>${scroll(`<table><tbody>${cells.join('')}</tbody></table>`, 'Settings')}</section>`;
}

/** Four significant digits. */
function showDigits(value: number | null): string {
  return value === null ? '' : value.toPrecision(4);
}

const ownStyle = `
nav{display:flex;flex-wrap:wrap;gap:4px 20px;margin:-8px 0 20px}
.muted{color:var(--muted);font-weight:400}
.warning{border-left:4px solid #c2570c;background:var(--raised);padding:10px 14px;max-width:none}
#statuses th,#settings th{width:1%}
#settings td{white-space:normal;overflow-wrap:anywhere}
details{margin:10px 0}
summary{cursor:pointer;padding:6px 0;overflow-wrap:anywhere}
summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.read{display:grid;grid-template-columns:auto 1fr;gap:0 14px;margin:4px 0 10px}
.read dd{font-size:15px;font-weight:400;white-space:pre-wrap;overflow-wrap:anywhere}
`;
