// Drawings of numbers as SVG by Observable Plot, on a document that lives in memory.

import { importPackage } from '../here.cjs';
import { loadPackage } from '../io/optional.js';
import type { Bars } from './bars.js';

export interface HistogramParts {
  title: string;
  bars: Bars;
  /** What is counted, under the axis. */
  label: string;
  /** In words, for those who do not see it. */
  description: string;
  percent: boolean;
}

/** Draws; made by `loadCharts`. */
export interface Charts {
  /** SVG, in the colours of the page around it. */
  histogram(parts: HistogramParts): string;
}

const [width, height] = [372, 210];

/** Throws `ERR_CTC_FILE`, about the file `path`, where the packages are not installed. */
export async function loadCharts(path: string): Promise<Charts> {
  const [Plot, { parseHTML }] = await loadPackage(
    path,
    ['@observablehq/plot', 'linkedom'],
    'The page',
    () =>
      Promise.all([
        importPackage<typeof import('@observablehq/plot')>('@observablehq/plot'),
        import('linkedom'),
      ]),
  );
  return {
    histogram({ title, bars: { bars, limit, beyond }, label, description, percent }) {
      // After a gap, the bar of all that is off the scale.
      const rest = { from: 1.05 * limit, to: 1.15 * limit, count: beyond };
      const shown = beyond > 0 ? [...bars, rest] : bars;
      const most = Math.max(1, ...shown.map(({ count }) => count));
      const name = (value: number) => (percent ? `${+(100 * value).toFixed(1)}%` : showTick(value));
      // The types of browsers are not among this project's.
      const { document } = parseHTML('<html></html>') as unknown as { document: object };
      const svg = Plot.plot({
        document,
        width,
        height,
        marginLeft: 48,
        marginBottom: 40,
        ariaLabel: title,
        ariaDescription: description,
        style: { fontSize: '12px' },
        x: { domain: [0, beyond > 0 ? rest.to : limit], label, labelAnchor: 'center' },
        y: { domain: [0, most], label: null },
        marks: [
          Plot.gridY({ ticks: Math.min(4, most) }),
          Plot.axisY({ ticks: Math.min(4, most), tickFormat: showTick, tickSize: 0 }),
          Plot.axisX(ticksTo(beyond > 0 ? 0.9 * limit : limit), { tickFormat: name, label }),
          Plot.rectY(shown, {
            x1: 'from',
            x2: 'to',
            y: 'count',
            fill: 'var(--accent)',
            filter: 'count',
            fillOpacity: (bar) => (bar === rest ? 0.55 : 1),
            title: (bar) =>
              bar === rest
                ? `${name(limit)} or more: ${bar.count}`
                : `${name(bar.from)} to ${name(bar.to)}: ${bar.count}`,
          }),
          Plot.ruleY([0]),
          ...(beyond > 0
            ? [Plot.text([`≥ ${name(limit)}`], { x: () => 1.1 * limit, y: 0, dy: 17 })]
            : []),
        ],
      });
      svg.setAttribute('role', 'img');
      return svg.outerHTML;
    },
  };
}

/** Round numbers from 0, about four steps up to `limit`. */
function ticksTo(limit: number): number[] {
  const rough = limit / 4.1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((n) => n * power >= rough)!;
  return Array.from({ length: Math.floor(limit / step) + 1 }, (_, i) => i * step);
}

function showTick(value: number): string {
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (value >= 1e3) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(3));
}
