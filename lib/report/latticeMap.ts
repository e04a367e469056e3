// A large lattice as a map: a cell for each state and frame, or for several of them where they would
// be smaller than a pixel.

import type { Explanation } from '../explain.js';
import { escapeMarkup, visible } from './escape.js';
import { at, clip, type Drawing, heading } from './explanationSvg.js';

/** What can shade the cells of a map. */
export type MapValues = 'posteriors' | 'alpha' | 'beta' | 'emissions';
export const MAP_VALUES: readonly MapValues[] = ['posteriors', 'alpha', 'beta', 'emissions'];

const mostWide = 1040;
const mostHigh = 680;
const left = 96;
const top = 92;
/** Shades that are told apart; each is one path, which keeps the file small. */
const shades = 24;

export const valueNames: Record<MapValues, string> = {
  posteriors: 'posterior: the probability of a state at a frame, given the target',
  alpha: '\u03b1: all ways to be in a state, relative to the largest of its frame',
  beta: '\u03b2: all ways to finish from a state, relative to the largest of its frame',
  emissions: 'y: the probability of the state\u2019s class',
};

export function drawMap(e: Explanation, values: MapValues): Drawing {
  const { frames, states, bestPath } = e;
  const [perColumn, perRow] = [Math.ceil(frames / mostWide), Math.ceil(states.length / mostHigh)];
  const columns = Math.ceil(frames / perColumn);
  const rows = Math.ceil(states.length / perRow);
  const cellWidth = Math.max(1, Math.min(24, mostWide / columns));
  const cellHeight = Math.max(1, Math.min(22, mostHigh / rows));
  const [width, height] = [columns * cellWidth, rows * cellHeight];

  const x = (t: number) => left + (t / perColumn) * cellWidth;
  const y = (s: number) => top + (s / perRow) * cellHeight;
  const cells = shadesOf(e, values, { columns, rows, perColumn, perRow });
  const line = bestPath.states.map((s, t) => `${at(x(t + 0.5))} ${at(y(s + 0.5))}`);
  const note =
    perColumn > 1 || perRow > 1
      ? ` Each cell stands for ${perColumn} frames x ${perRow} states and shows the largest of them.`
      : '';
  const bottom = top + height;
  const body = `${heading(e)}
<rect class="frame" x="${left - 0.5}" y="${top - 0.5}" width="${at(width + 1)}" height="${at(height + 1)}"/>
${drawShades(cells, columns, cellWidth, cellHeight)}
<path class="best" stroke-width="1.75" d="M${line.join('L')}"/>
${rowLabels(e, y, cellHeight / perRow)}
${ticks(frames, x, bottom)}
<text class="muted small" x="${left}" y="${at(bottom + 52)}">${escapeMarkup(`Shade: ${valueNames[values]}.${note}`)}</text>
<path class="best" stroke-width="2" d="M${left} ${at(bottom + 70)}h28"/><text class="muted small" x="${left + 38}" y="${at(bottom + 74)}">most probable path</text>`;
  return {
    width: Math.ceil(Math.max(left + width + 40, 720)),
    height: Math.ceil(bottom + 96),
    body,
    description: `Map of ${states.length} states by ${frames} frames. ${valueNames[values]}. A line shows the most probable path.${note}`,
  };
}

interface Grid {
  columns: number;
  rows: number;
  perColumn: number;
  perRow: number;
}

/** A shade from 0 to `shades` for each cell, row by row. */
function shadesOf(e: Explanation, values: MapValues, grid: Grid): Uint8Array {
  const S = e.states.length;
  const cells = new Uint8Array(grid.columns * grid.rows);
  for (let t = 0; t < e.frames; t++) {
    const row = e[values].subarray(t * S, (t + 1) * S);
    const isLog = values === 'alpha' || values === 'beta';
    const largest = isLog ? row.reduce((most, x) => Math.max(most, x), -Infinity) : 0;
    for (let s = 0; s < S; s++) {
      const value = isLog ? Math.exp(row[s]! - largest) : row[s]!;
      const cell = Math.floor(s / grid.perRow) * grid.columns + Math.floor(t / grid.perColumn);
      // The root makes small probabilities visible beside large ones.
      const shade = Math.round(shades * Math.sqrt(Math.min(1, value)));
      if (shade > cells[cell]!) cells[cell] = shade;
    }
  }
  return cells;
}

/** One path for each shade, made of horizontal runs. */
function drawShades(
  cells: Uint8Array,
  columns: number,
  cellWidth: number,
  cellHeight: number,
): string {
  const runs: string[][] = Array.from({ length: shades + 1 }, () => []);
  for (let start = 0; start < cells.length; ) {
    const shade = cells[start]!;
    const endOfRow = (Math.floor(start / columns) + 1) * columns;
    let end = start + 1;
    while (end < endOfRow && cells[end] === shade) end++;
    if (shade > 0) {
      const x = left + (start % columns) * cellWidth;
      const y = top + Math.floor(start / columns) * cellHeight;
      const run = (end - start) * cellWidth;
      runs[shade]!.push(`M${at(x)} ${at(y)}h${at(run)}v${at(cellHeight)}h${at(-run)}z`);
    }
    start = end;
  }
  return runs
    .map((paths, shade) =>
      paths.length === 0
        ? ''
        : `<path class="shade" shape-rendering="crispEdges" fill-opacity="${at(shade / shades)}" d="${paths.join('')}"/>`,
    )
    .filter((path) => path !== '')
    .join('\n');
}

/** The labels' symbols at their rows, as many as there is room for. */
function rowLabels(e: Explanation, y: (s: number) => number, each: number): string {
  const step = Math.max(1, Math.ceil(12 / (2 * each)));
  const labels: string[] = [];
  e.target.forEach((label, i) => {
    if (i % step > 0) return;
    const symbol = escapeMarkup(clip(visible(e.symbols[label]!), 8));
    const number = step > 1 ? ` #${i}` : '';
    labels.push(
      `<text class="small end" x="${left - 10}" y="${at(y(2 * i + 1.5) + 4)}">${symbol}<tspan class="muted">${number}</tspan></text>`,
    );
  });
  return labels.join('\n');
}

/** Frame numbers below the map, at round steps. */
function ticks(frames: number, x: (t: number) => number, bottom: number): string {
  const rough = frames / Math.max(1, (x(frames) - left) / 80);
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough)!);
  const marks: string[] = [];
  for (let t = 0; t < frames; t += step) {
    const place = x(t + 0.5);
    marks.push(
      `<path class="frame" d="M${at(place)} ${at(bottom)}v6"/><text class="muted small middle" x="${at(place)}" y="${at(bottom + 20)}">${t}</text>`,
    );
  }
  marks.push(`<text class="muted small" x="${left}" y="${at(bottom + 36)}">frame</text>`);
  return marks.join('\n');
}
