// The distributions of an evaluation: its histograms, each with its quartiles in words.

import type { Bin } from '../eval/histogram.js';
import { quantileOf } from '../eval/histogram.js';
import type { SummaryFile } from '../eval/report.js';
import type { HistogramName } from '../eval/statistics.js';
import { type Bars, relativeBars, shareBars } from './bars.js';
import type { Charts } from './charts.js';
import { showInteger } from './evaluationTable.js';

interface Shown {
  title: string;
  /** Under the axis. */
  label: string;
  kind: 'number' | 'count' | 'rate' | 'share';
}

const barsOf: Record<Shown['kind'], (bins: readonly Bin[]) => Bars> = {
  number: (bins) => relativeBars(bins),
  rate: (bins) => relativeBars(bins),
  count: (bins) => relativeBars(bins, 1),
  share: shareBars,
};

const charts: Record<HistogramName, Shown> = {
  lossPerLabel: { title: 'Loss per label', label: 'nats', kind: 'number' },
  lossPerFrame: { title: 'Loss per frame', label: 'nats', kind: 'number' },
  cer: { title: 'Character error rate', label: 'CER', kind: 'rate' },
  wer: { title: 'Word error rate', label: 'WER', kind: 'rate' },
  confidence: { title: 'Confidence', label: 'mean probability', kind: 'share' },
  blankRatio: { title: 'Blank ratio', label: 'share of frames', kind: 'share' },
  frames: { title: 'Frames', label: 'frames', kind: 'count' },
  labels: { title: 'Labels', label: 'labels', kind: 'count' },
};

/** The section, HTML. */
export function distributions({ histograms }: SummaryFile, drawing: Charts): string {
  const figures = (Object.keys(charts) as HistogramName[]).flatMap((name) => {
    const { title, label, kind } = charts[name];
    const bins = histograms[name];
    if (bins.length === 0) return [];
    const words = describe(bins, kind);
    const svg = drawing.histogram({
      title,
      bars: barsOf[kind](bins),
      label,
      description: `Histogram. ${words}`,
      percent: kind === 'rate' || kind === 'share',
    });
    return [
      `<figure><figcaption><b>${title}</b><small>${words}</small></figcaption>${svg}</figure>`,
    ];
  });
  const content =
    figures.length === 0
      ? '<p class="muted">There is nothing to show: no utterance could be evaluated.</p>'
      : `<div class="charts">${figures.join('\n')}</div>`;
  return `<section id="distributions"><h2>Distributions</h2>${content}</section>`;
}

/** Median and quartiles, as exactly as their bins tell. */
function describe(bins: readonly Bin[], kind: Shown['kind']): string {
  const total = bins.reduce((sum, { count }) => sum + count, 0);
  const show = (q: number) => {
    const { from, to } = quantileOf(bins, q)!;
    // Counts and rates are often at the lower edge: small counts have bins of their own, rates are whole.
    const value = kind === 'count' || kind === 'rate' || from === 0 ? from : (from + to) / 2;
    const isShare = kind === 'rate' || kind === 'share';
    return isShare ? `${+(100 * value).toPrecision(2)}%` : String(+value.toPrecision(3));
  };
  const utterances = `${showInteger(total)} utterance${total === 1 ? '' : 's'}`;
  return `${utterances}; median about ${show(0.5)}, half of them from ${show(0.25)} to ${show(0.75)}`;
}

export const distributionsStyle = `
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:12px}
figure{margin:0;background:var(--raised);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
figure svg{display:block;width:100%;height:auto;margin-top:6px;color:var(--muted)}
figure b{font-weight:600}
`;
