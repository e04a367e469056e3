// An explanation as text tables.

import { padEnd, widthOf } from '../cli/terminal.js';
import type { Explanation } from '../explain.js';
import { collapse } from '../paths.js';
import { checkExplanation } from './checkExplanation.js';
import { showCount, showProbability, spell, visible } from './escape.js';

/** Lattices with more than this are not written out cell by cell. */
const mostFrames = 16;
const mostStates = 33;

/**
 * Text tables of an explanation: the loss and what it is made of; emissions, alpha, beta and posteriors;
 * the best path and each label's frames; all paths that read as the target; and all readings. Of a lattice
 * of more than 16 frames or 33 states the tables are left out, which the text says.
 *
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE` for what is no explanation.
 */
export function explanationText(explanation: Explanation): string {
  checkExplanation(explanation);
  const parts = [summary(explanation)];
  if (explanation.status === 'ok') {
    parts.push(...matrices(explanation), labels(explanation), paths(explanation));
    if (explanation.readings !== undefined) parts.push(readings(explanation));
  }
  return `${parts.join('\n\n')}\n`;
}

function summary(e: Explanation): string {
  const { frames, states, target, symbols, status } = e;
  const rows = [
    ['target', target.length === 0 ? '(empty)' : spell(target, symbols)],
    ['labels', target.map((label) => visible(symbols[label]!)).join(' ') || '(none)'],
    ['lattice', `${frames} frames x ${states.length} states, ${e.classes} classes`],
    ['paths', `${showCount(e.pathCount)} read as the target`],
  ];
  if (status === 'infeasible') {
    const why = e.pathCount === 0n ? 'there are too few frames' : 'all paths have probability 0';
    rows.push(['status', `infeasible: ${why}`]);
  } else if (status === 'nonfinite') {
    rows.push(['status', 'nonfinite: NaN, +Infinity, or a frame of nothing but -Infinity']);
  } else {
    const sum =
      e.probability > 0 ? e.probability.toExponential(3) : `exp(${(-e.loss).toPrecision(7)})`;
    rows.push(['total', `${sum}, the sum of their probabilities`]);
    rows.push(['loss', `${e.loss.toFixed(4)}, its natural logarithm with the sign turned`]);
  }
  return rows.map(([name, text]) => `${padEnd(name!, 8)} ${text}`).join('\n');
}

function matrices(e: Explanation): string[] {
  if (e.frames === 0) return [];
  if (e.frames > mostFrames || e.states.length > mostStates) {
    return [
      `The lattice of ${e.frames} x ${e.states.length} is not written out (that is done up to ${mostFrames} frames x ${mostStates} states).`,
    ];
  }
  const linear = e.probability > 0 ? '' : 'ln ';
  const log = (x: number) =>
    linear === '' ? showProbability(Math.exp(x)) : Number.isFinite(x) ? x.toFixed(3) : '-inf';
  return [
    matrix(e, 'y: probability of the class of each state', e.emissions, showProbability),
    matrix(e, `${linear}alpha: all ways to be in a state, this frame included`, e.alpha, log),
    matrix(e, `${linear}beta: all ways to finish from a state, this frame left out`, e.beta, log),
    matrix(e, 'posterior: alpha x beta / total; columns sum to 1', e.posteriors, (p) =>
      p === 0 ? '.' : p.toFixed(4),
    ),
  ];
}

function matrix(
  { frames, states }: Explanation,
  title: string,
  values: Float64Array,
  show: (value: number) => string,
): string {
  const header = ['state', '', ...Array.from({ length: frames }, (_, t) => `frame ${t}`)];
  const rows = states.map(({ symbol }, s) => [
    String(s),
    visible(symbol),
    ...Array.from({ length: frames }, (_, t) => show(values[t * states.length + s]!)),
  ]);
  return `${title}\n${table([header, ...rows], 2)}`;
}

function labels(e: Explanation): string {
  const { target, symbols, spans, starts, ends, bestPath } = e;
  const best = `best path${pathText(e, bestPath.labels)}  ${showPath(bestPath.probability, bestPath.logProbability)}`;
  if (target.length === 0) return best;
  const header = ['label', '', 'start', 'end', 'mean p', 'expected start', 'expected end'];
  const rows = spans.map(({ token, start, end, score }, i) => [
    String(i),
    visible(symbols[token]!),
    String(start),
    String(end),
    showProbability(score),
    starts[i]!.toFixed(2),
    ends[i]!.toFixed(2),
  ]);
  return `${best}\n${table([header, ...rows], 2)}`;
}

/** Short paths frame by frame, long ones not at all: their spans tell the same. */
function pathText({ symbols }: Explanation, path: readonly number[]): string {
  if (path.length === 0 || path.length > mostFrames) return '';
  return `  ${path.map((label) => visible(symbols[label]!)).join(' ')}`;
}

function showPath(probability: number, logProbability: number): string {
  return probability > 0
    ? `${probability.toExponential(4)}`
    : `exp(${logProbability.toPrecision(6)})`;
}

function paths(e: Explanation): string {
  if (e.paths === undefined) {
    return `The ${showCount(e.pathCount)} paths are not listed: there are too many.`;
  }
  const merged = (path: readonly number[]) => path.filter((label, t) => label !== path[t - 1]);
  const symbolsOf = (path: readonly number[]) =>
    path.map((label) => visible(e.symbols[label]!)).join(' ');
  const rows = e.paths.map(({ labels: path, probability, logProbability }, i) => [
    String(i + 1),
    symbolsOf(path),
    symbolsOf(merged(path)),
    spell(collapse(path, e.blank), e.symbols),
    showPath(probability, logProbability),
    `${(100 * Math.exp(logProbability + e.loss)).toFixed(2)}%`,
  ]);
  const header = ['', 'path', 'repeats merged', 'reads as', 'probability', 'share'];
  return `The collapse map B: repeats are merged, then blanks dropped\n${table([header, ...rows], 1, [1, 2, 3])}`;
}

function readings({ readings: all, symbols, frames, classes, target }: Explanation): string {
  const rows = all!.map(({ labels: read, paths: count, probability }) => [
    read.length === 0 ? '(nothing)' : spell(read, symbols),
    String(count),
    showProbability(probability),
    read.join() === target.join() ? 'the target' : '',
  ]);
  return `What all ${classes}^${frames} paths read as\n${table([['reads as', 'paths', 'probability', ''], ...rows], 1, [0, 3])}`;
}

/** Columns by their widest cell; the first `left` ones, and those named, start at the left. */
function table(rows: string[][], left: number, also: number[] = []): string {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => widthOf(row[c]!))));
  return rows
    .map((row) =>
      row
        .map((cell, c) => {
          const fill = ' '.repeat(widths[c]! - widthOf(cell));
          return c < left || also.includes(c) ? cell + fill : fill + cell;
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
