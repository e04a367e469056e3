// A small lattice, cell by cell: in each its posterior, emission, alpha and beta; between them the
// transitions, as thick as they are probable; over them the best path.

import type { Explanation } from '../explain.js';
import { escapeMarkup, visible } from './escape.js';
import { at, clip, type Drawing, heading } from './explanationSvg.js';

const cell = { width: 158, height: 62, across: 216, down: 84 };
const left = 96;
const top = 112;

/** Whether the numbers of every cell can be read. */
export function fitsTrellis({ frames, states }: Explanation): boolean {
  return frames <= 12 && states.length <= 17;
}

export function drawTrellis(e: Explanation): Drawing {
  const { frames, states, bestPath } = e;
  const width = Math.max(left + (frames - 1) * cell.across + cell.width + 32, 720);
  const bottom = top + (states.length - 1) * cell.down + cell.height;
  const parts = [heading(e)];
  for (let t = 0; t < frames; t++) {
    const x = columnOf(t) + cell.width / 2;
    parts.push(`<text class="muted middle" x="${at(x)}" y="${top - 16}">frame ${t}</text>`);
  }
  states.forEach(({ symbol, position }, s) => {
    const y = rowOf(s) + cell.height / 2;
    const kind = position === undefined ? 'blank' : `label ${position}`;
    parts.push(
      `<text class="symbol end" x="${left - 24}" y="${at(y + 2)}">${escapeMarkup(clip(visible(symbol), 6))}</text>`,
      `<text class="muted small end" x="${left - 24}" y="${at(y + 18)}">${kind}</text>`,
    );
  });
  parts.push(...transitions(e), bestLine(e));
  for (let t = 0; t < frames; t++) {
    for (let s = 0; s < states.length; s++) parts.push(drawCell(e, t, s));
  }
  parts.push(legend(e, bottom + 44));
  const read = bestPath.labels.map((label) => visible(e.symbols[label]!)).join(' ');
  return {
    width,
    height: bottom + 96,
    body: parts.join('\n'),
    description: `Trellis of ${states.length} states by ${frames} frames with the probability of every state at every frame. The most probable path is ${read}.`,
  };
}

const columnOf = (t: number) => left + t * cell.across;
const rowOf = (s: number) => top + s * cell.down;

function isReached(e: Explanation, t: number, s: number): boolean {
  return e.posteriors[t * e.states.length + s]! > 0;
}

function drawCell(e: Explanation, t: number, s: number): string {
  const [x, y] = [columnOf(t), rowOf(s)];
  if (!isReached(e, t, s)) {
    return `<circle class="dot" cx="${at(x + cell.width / 2)}" cy="${at(y + cell.height / 2)}" r="3"/>`;
  }
  const i = t * e.states.length + s;
  const posterior = e.posteriors[i]!;
  const isBest = e.bestPath.states[t] === s;
  const box = `x="${at(x)}" y="${at(y)}" width="${cell.width}" height="${cell.height}" rx="10"`;
  // Never so dark that the numbers in it are hard to read.
  const shade = `<rect class="shade" fill-opacity="${at(0.04 + 0.46 * posterior)}" ${box}/>`;
  const outline = isBest
    ? `<rect class="cell best" style="stroke-width:2.5" ${box}/>`
    : `<rect class="cell" ${box}/>`;
  const linear = e.probability > 0;
  const show = (log: number) => (linear ? brief(Math.exp(log)) : log.toFixed(1));
  const sign = linear ? '' : 'ln ';
  return `<g><title>${escapeMarkup(
    `frame ${t}, state ${s} (${visible(e.states[s]!.symbol)}): posterior ${posterior}, y ${e.emissions[i]}, ln alpha ${e.alpha[i]}, ln beta ${e.beta[i]}`,
  )}</title><rect class="cell-back" ${box}/>${shade}${outline}
<text class="large" x="${at(x + 12)}" y="${at(y + 26)}">${posterior.toFixed(posterior < 0.00005 ? 7 : 4)}</text>
<text class="muted small end" x="${at(x + cell.width - 12)}" y="${at(y + 25)}">y ${brief(e.emissions[i]!)}</text>
<text class="muted small" x="${at(x + 12)}" y="${at(y + 48)}">${sign}\u03b1 ${show(e.alpha[i]!)}</text>
<text class="muted small end" x="${at(x + cell.width - 12)}" y="${at(y + 48)}">${sign}\u03b2 ${show(e.beta[i]!)}</text></g>`;
}

/** 3 significant digits. */
function brief(p: number): string {
  if (p === 0 || p === 1) return String(p);
  return p >= 0.001 ? p.toPrecision(3) : p.toExponential(2);
}

/** The transitions that a path can take, by the probability that it does. */
function transitions(e: Explanation): string[] {
  const { frames, states, target } = e;
  const S = states.length;
  const edges: string[] = [];
  for (let t = 0; t + 1 < frames; t++) {
    for (let s = 0; s < S; s++) {
      const next = [s, s + 1];
      if (s % 2 === 1 && target[(s - 1) / 2] !== target[(s + 1) / 2]) next.push(s + 2);
      for (const to of next) {
        if (to >= S || !isReached(e, t, s) || !isReached(e, t + 1, to)) continue;
        const [i, j] = [t * S + s, (t + 1) * S + to];
        const share = Math.exp(e.alpha[i]! + Math.log(e.emissions[j]!) + e.beta[j]! + e.loss);
        const [width, opacity] = [at(1 + 9 * share), at(0.3 + 0.6 * share)];
        edges.push(
          `<path class="edge" stroke-width="${width}" stroke-opacity="${opacity}" d="${curve(t, s, to)}"/>`,
        );
      }
    }
  }
  return edges;
}

function curve(t: number, from: number, to: number): string {
  const [x, y] = [columnOf(t) + cell.width, rowOf(from) + cell.height / 2];
  const [endX, endY] = [columnOf(t + 1), rowOf(to) + cell.height / 2];
  const bend = (endX - x) / 2;
  return `M${at(x)} ${at(y)}C${at(x + bend)} ${at(y)} ${at(endX - bend)} ${at(endY)} ${at(endX)} ${at(endY)}`;
}

function bestLine({ bestPath }: Explanation): string {
  const { states } = bestPath;
  const pieces = states.slice(1).map((s, t) => curve(t, states[t]!, s));
  return `<path class="best" stroke-width="3" d="${pieces.join('')}"/>`;
}

function legend(e: Explanation, y: number): string {
  const steps = [0, 0.25, 0.5, 0.75, 1];
  const scale = steps
    .map(
      (p, i) =>
        `<rect class="shade" fill-opacity="${at(0.04 + 0.46 * p)}" x="${24 + 26 * i}" y="${y - 12}" width="24" height="14" rx="3"/>`,
    )
    .join('');
  const best = e.bestPath.probability > 0 ? e.bestPath.probability.toExponential(4) : '';
  return `${scale}<text class="muted small" x="162" y="${y}">posterior, 0 to 1</text>
<path class="best" stroke-width="3" d="M280 ${y - 4}h32"/><text class="muted small" x="322" y="${y}">most probable path ${best}</text>
<text class="muted small" x="24" y="${y + 26}">y: probability of the state\u2019s class \u00b7 \u03b1: all ways in, this frame included \u00b7 \u03b2: all ways out \u00b7 posterior = \u03b1\u03b2 / total \u00b7 a line is as thick as its transition is probable</text>`;
}
