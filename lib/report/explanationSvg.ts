// An explanation as a drawing. Small lattices cell by cell (trellis.ts), larger ones as a map
// (latticeMap.ts); here is what both have in common.

import { clip } from '../cli/terminal.js';
import { rangeError, show, typeError } from '../errors.js';
import type { Explanation } from '../explain.js';
import { checkOptions, choice } from '../options.js';
import { checkExplanation } from './checkExplanation.js';
import { escapeMarkup, showCount, showProbability, spell } from './escape.js';
import { drawMap, MAP_VALUES, type MapValues } from './latticeMap.js';
import { drawTrellis, fitsTrellis } from './trellis.js';

/** Options of {@link explanationSvg}. */
export interface SvgOptions {
  /**
   * What shades the cells of a map, each frame's largest fully: the posterior (default), alpha, beta or the
   * emission. Small lattices are drawn with all four as numbers and shaded by the posterior.
   */
  readonly values?: MapValues;
  /** Beginning of the ids in the drawing, for several of them in one page. Default: `'ctc'`. */
  readonly idPrefix?: string;
}

/** What is inside a drawing, and its size. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly body: string;
  /** In words, for those who do not see it. */
  readonly description: string;
}

const KEYS: ReadonlySet<string> = new Set<keyof SvgOptions>(['values', 'idPrefix']);

/**
 * Draws an explanation's lattice as SVG: states from top to bottom, frames from left to right, the
 * posterior as shade, the best path as a line. Up to 12 frames and 17 states every cell has its emission,
 * alpha, beta and posterior written in it, and every transition is as thick as it is probable; larger
 * lattices become a map. Where there are more than 1040 frames or 680 states, one cell of the map stands for
 * several and shows the largest of them; the drawing says so.
 *
 * Colours follow the reader's light or dark theme. Nothing is loaded from elsewhere, and no script is in it.
 *
 * @throws TypeError `ERR_CTC_UNKNOWN_OPTION`, `ERR_CTC_INVALID_ARG_TYPE`; RangeError `ERR_CTC_INVALID_ARG_VALUE`.
 */
export function explanationSvg(explanation: Explanation, options?: SvgOptions): string {
  checkExplanation(explanation);
  const given = checkOptions(options, KEYS);
  const values = choice(given.values, 'values', MAP_VALUES, 'posteriors');
  const prefix = given.idPrefix ?? 'ctc';
  if (typeof prefix !== 'string') {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', `idPrefix must be a string, not ${show(prefix)}`);
  }
  if (!/^[A-Za-z][\w-]*$/.test(prefix)) {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      `idPrefix is ${show(prefix)}; it must be a letter with letters, digits, - and _ after it`,
    );
  }
  const drawing =
    explanation.status !== 'ok' || explanation.frames === 0
      ? drawNothing(explanation)
      : fitsTrellis(explanation)
        ? drawTrellis(explanation)
        : drawMap(explanation, values);
  const { width, height, body, description } = drawing;
  return `<svg xmlns="http://www.w3.org/2000/svg" class="ctc-lattice" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="${prefix}-title ${prefix}-description">
<title id="${prefix}-title">${escapeMarkup(titleOf(explanation))}</title>
<desc id="${prefix}-description">${escapeMarkup(description)}</desc>
<style>${style}</style>
<rect class="surface" width="${width}" height="${height}"/>
${body}
</svg>
`;
}

export function titleOf({ target, symbols }: Explanation): string {
  return target.length === 0
    ? 'CTC lattice of the empty target'
    : `CTC lattice of \u201c${clip(spell(target, symbols), 60)}\u201d`;
}

/** The loss and what it comes from, in a line. */
export function subtitleOf(e: Explanation): string {
  const total =
    e.probability > 0 ? showProbability(e.probability) : `exp(\u2212${e.loss.toFixed(1)})`;
  return `${e.frames} frames \u00b7 ${e.states.length} states \u00b7 ${showCount(e.pathCount)} paths \u00b7 total probability ${total} \u00b7 loss ${e.loss.toFixed(4)}`;
}

/** Title and subtitle, at the top left of every drawing. */
export function heading(e: Explanation): string {
  return `<text class="title" x="24" y="36">${escapeMarkup(titleOf(e))}</text>
<text class="muted" x="24" y="58">${escapeMarkup(subtitleOf(e))}</text>`;
}

/** A coordinate without noise in its digits. */
export function at(x: number): string {
  return String(Math.round(x * 100) / 100);
}

function drawNothing(e: Explanation): Drawing {
  const why =
    e.status === 'nonfinite'
      ? 'Nonfinite: NaN, +Infinity, or a frame of nothing but -Infinity.'
      : e.status === 'ok'
        ? 'No frames and no labels: the loss is 0.'
        : e.pathCount === 0n
          ? `Infeasible: ${e.frames} frames are too few for ${e.target.length} labels.`
          : 'Infeasible: all paths have probability 0.';
  return {
    width: 640,
    height: 110,
    description: why,
    body: `<text class="title" x="24" y="44">${escapeMarkup(clip(titleOf(e), 44))}</text>
<text class="muted" x="24" y="74">${escapeMarkup(why)}</text>`,
  };
}

const light = {
  surface: '#ffffff',
  ink: '#1b1f24',
  muted: '#59636e',
  grid: '#d8dee4',
  shade: '#2f6feb',
  best: '#c2570c',
};
const dark = {
  surface: '#0d1117',
  ink: '#e6edf3',
  muted: '#9198a1',
  grid: '#30363d',
  shade: '#4493f8',
  best: '#f0a13a',
};

function colours(of: typeof light): string {
  return `.ctc-lattice .surface{fill:${of.surface}}
.ctc-lattice text{fill:${of.ink}}
.ctc-lattice .muted{fill:${of.muted}}
.ctc-lattice .cell,.ctc-lattice .frame{stroke:${of.grid}}
.ctc-lattice .cell-back{fill:${of.surface}}
.ctc-lattice .shade{fill:${of.shade}}
.ctc-lattice .edge{stroke:${of.shade}}
.ctc-lattice .best{stroke:${of.best}}
.ctc-lattice .dot{fill:${of.grid}}`;
}

// No custom properties: not everything that draws SVG knows them.
const style = `
.ctc-lattice{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.ctc-lattice .title{font-size:19px;font-weight:600}
.ctc-lattice .symbol{font-size:18px;font-weight:600}
.ctc-lattice .large{font-size:16px;font-weight:600}
.ctc-lattice .small{font-size:11px}
.ctc-lattice .cell,.ctc-lattice .frame{fill:none;stroke-width:1}
.ctc-lattice .edge,.ctc-lattice .best{fill:none;stroke-linecap:round;stroke-linejoin:round}
.ctc-lattice .end{text-anchor:end}
.ctc-lattice .middle{text-anchor:middle}
${colours(light)}
@media (prefers-color-scheme:dark){
${colours(dark)}
}
`;
