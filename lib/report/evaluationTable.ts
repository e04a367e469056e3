// The utterances of an evaluation, one by one, as the table of its page.

import { kept, type Reason, type SelectedRow } from '../eval/selection.js';
import { escapeControls } from '../io/file.js';
import { errorRate } from '../metrics.js';
import { escapeMarkup } from './escape.js';
import { scroll } from './page.js';

export interface TableParts {
  /** How many utterances there are. */
  total: number;
  rows: readonly SelectedRow[];
  /** Places in the manifest of those whose lattice is in the page. */
  drawn: ReadonlySet<number>;
}

interface Column {
  name: string;
  kind: 'number' | 'text';
  /** HTML. */
  cell: (row: SelectedRow) => string;
}

/** The section with the table, HTML. */
export function utteranceTable({ total, rows, drawn }: TableParts): string {
  const whole = rows.length === total;
  const columns = columnsOf(drawn).filter(({ name }) => !whole || name !== 'why');
  const sorted = ' aria-sort="descending"';
  const head = columns.map(
    ({ name, kind }) =>
      `<th scope="col" data-kind="${kind}"${name === 'loss / label' ? sorted : ''}>${name}</th>`,
  );
  const body = rows.map((row) => {
    const cells = columns.map(({ kind, cell }) =>
      kind === 'number' ? `<td class="number">${cell(row)}</td>` : `<td>${cell(row)}</td>`,
    );
    return `<tr data-status="${escapeMarkup(row.record.status)}">${cells.join('')}</tr>`;
  });
  const table = `<table id="utterances"><thead><tr>${head.join('')}</tr></thead><tbody>
${body.join('\n')}
</tbody></table>`;
  return `<section id="table"><h2>Utterances</h2>
<p>${whole ? `All ${showInteger(total)} of them.` : selectionOf(total, rows)} A click on a heading sorts; in greedy texts errors are marked.</p>
${filterOf(rows)}
${scroll(table, 'Utterances')}</section>`;
}

function selectionOf(total: number, rows: readonly SelectedRow[]): string {
  const size = (reason: Reason) => rows.filter(({ reasons }) => reasons.includes(reason)).length;
  const parts = [
    `the ${size('loss')} with the highest loss per label (<i>loss</i>)`,
    `the ${size('errors')} with the highest character error rate (<i>errors</i>)`,
    `of those that could not be evaluated up to ${kept.faulty} of each status (<i>faulty</i>)`,
    `and ${size('sample')} drawn by lot (<i>sample</i>)`,
  ];
  return `Of ${showInteger(total)} utterances these ${showInteger(rows.length)}: ${parts.join(', ')}. The records that <code>--out</code> writes have all.`;
}

/** Hidden until the script that it needs runs. */
function filterOf(rows: readonly SelectedRow[]): string {
  const statuses = [...new Set(rows.map(({ record }) => record.status))].sort();
  const options = statuses.map((status) => `<option>${escapeMarkup(status)}</option>`);
  return `<div id="filter" hidden>
<label>Search <input id="search" type="search" autocomplete="off" spellcheck="false"></label>
<label>Status <select id="status"><option value="">any</option>${options.join('')}</select></label>
<output id="shown"></output>
</div>`;
}

function columnsOf(drawn: ReadonlySet<number>): Column[] {
  const number = (name: string, show: (row: SelectedRow['record']) => string): Column => ({
    name,
    kind: 'number',
    cell: ({ record }) => show(record),
  });
  return [
    number('#', ({ index }) => showNumber(index, 0)),
    {
      name: 'id',
      kind: 'text',
      cell: ({ record: { index, id } }) => {
        const shown = `<b>${showText(id)}</b>`;
        return drawn.has(index) ? `<a href="#lattice-${index}">${shown}</a>` : shown;
      },
    },
    {
      name: 'why',
      kind: 'text',
      cell: ({ reasons }) => reasons.join(', '),
    },
    {
      name: 'status',
      kind: 'text',
      cell: ({ record: { status, reason } }) =>
        reason === null
          ? escapeMarkup(status)
          : `${escapeMarkup(status)}<small>${showText(reason)}</small>`,
    },
    number('loss / label', ({ lossPerLabel }) => showNumber(lossPerLabel, 4)),
    number('CER', ({ cer }) => showPercent(cer)),
    number('WER', ({ wer }) => showPercent(wer)),
    {
      name: 'text, greedy text',
      kind: 'text',
      cell: ({ record: { text, greedyText } }) => {
        const greedy =
          greedyText === null
            ? ''
            : text === greedyText
              ? ' <i>✓</i>'
              : `<ins>${markErrors(text, greedyText)}</ins>`;
        return `<div class="texts"><span>${showText(text)}</span>${greedy}</div>`;
      },
    },
    number('loss', ({ loss }) => showNumber(loss, 3)),
    number('loss / frame', ({ lossPerFrame }) => showNumber(lossPerFrame, 4)),
    number('frames', ({ frames }) => showNumber(frames, 0)),
    number('labels', ({ labels }) => showNumber(labels, 0)),
    number('blank ratio', ({ blankRatio }) => showPercent(blankRatio)),
    number('confidence', ({ confidence }) => showPercent(confidence)),
  ];
}

/** The greedy text with what differs from the text marked, a gap where something is missing; HTML. */
export function markErrors(text: string, greedyText: string): string {
  // The ends of texts that were cut would not fit each other.
  if (text.endsWith('…') || greedyText.endsWith('…') || greedyText === '')
    return showText(greedyText);
  const { utterances } = errorRate(text, greedyText, { alignment: true });
  const parts: string[] = [];
  for (const { type, hypothesis = '' } of utterances[0]!.alignment) {
    const shown = escapeMarkup(escapeControls(String(hypothesis)));
    parts.push(type === 'hit' ? shown : `<mark>${shown}</mark>`);
  }
  return parts.join('').replaceAll('</mark><mark>', '');
}

/** A user's text, where it cannot act; HTML. */
export function showText(text: string): string {
  return text === '' ? '∅' : escapeMarkup(escapeControls(text));
}

/** Empty where there is none. */
function showNumber(value: number | null, digits: number): string {
  return value === null ? '' : value.toFixed(digits);
}

/** Empty where there is none. */
export function showPercent(value: number | null): string {
  return value === null ? '' : `${(100 * value).toFixed(2)}%`;
}

/** 1,234,567. */
export function showInteger(n: number): string {
  return n.toLocaleString('en');
}

export const tableStyle = `
:root{--wrong:#ffd8b5}
@media (prefers-color-scheme:dark){:root{--wrong:#7a4210}}
#filter{display:flex;flex-wrap:wrap;gap:8px 20px;align-items:center;margin:12px 0}
#filter[hidden]{display:none}
#filter input,#filter select{font:inherit;color:var(--ink);background:var(--surface);border:1px solid var(--line);border-radius:6px;padding:4px 8px}
#filter input{width:min(280px,60vw)}
#shown{color:var(--muted)}
#table .scroll{max-height:85vh;overflow:auto}
#utterances th{position:sticky;top:0;z-index:1}
#utterances{font-size:14px}
#utterances th,#utterances td{padding:4px 8px}
#utterances td{vertical-align:top}
#utterances td small{max-width:240px;white-space:normal;overflow-wrap:anywhere}
#utterances b{font-weight:600}
#utterances td:nth-child(2) b{display:inline-block;width:max-content;max-width:200px;white-space:normal;overflow-wrap:anywhere}
#utterances button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
#utterances button:focus-visible{outline:2px solid var(--accent);outline-offset:3px}
#utterances [aria-sort]{color:var(--ink)}
#utterances [aria-sort=descending]::after{content:" ▾"}
#utterances [aria-sort=ascending]::after{content:" ▴"}
#utterances .number,#utterances th[data-kind=number]{text-align:right}
.texts{min-width:220px;max-width:480px;white-space:pre-wrap;overflow-wrap:anywhere}
.texts ins{display:block;text-decoration:none;color:var(--muted)}
mark{color:var(--ink);background:var(--wrong);border-radius:2px;padding:1px 0}
mark:empty{padding:1px 2px;margin:0 1px}
.texts i{font-style:normal;color:var(--muted)}
a{color:var(--accent)}
@media print{#filter,nav{display:none}#table .scroll{max-height:none;overflow:visible;border:0}#utterances{font-size:8px}#utterances th,#utterances td{padding:2px 3px;white-space:normal}.texts{min-width:0;max-width:none}#utterances th{position:static}tr,figure,.cards div,details{break-inside:avoid}h2,summary{break-after:avoid}.scroll svg{max-width:100%;height:auto}}
`;
