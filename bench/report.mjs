// Tables of measures, on the terminal and in files.
import { readFileSync, writeFileSync } from 'node:fs';

/** @typedef {import('./sample.mjs').Measure} Measure */

/** Every measure of a run under one key, as in its JSON file. */
export class Report {
  /** @type {Record<string, Measure>} */
  measures = {};

  add(key, /** @type {Measure} */ measure) {
    this.measures[key] = measure;
    return measure;
  }

  write(path, about) {
    writeFileSync(path, `${JSON.stringify({ about, measures: this.measures }, undefined, 2)}\n`);
  }

  /** Prints how each measure differs from that of an earlier file. */
  compare(path) {
    const before = JSON.parse(readFileSync(path, 'utf8'));
    const rows = [];
    for (const [key, now] of Object.entries(this.measures)) {
      const then = before.measures[key];
      if (then === undefined) continue;
      const apart = now.low > then.high || now.high < then.low;
      rows.push([
        key,
        `${digits(then.median)} ${then.unit}`,
        `${digits(now.median)} ${now.unit}`,
        digits(now.median / then.median),
        apart ? '' : 'within the spread',
      ]);
    }
    table(`Against ${path} (${before.about.date})`, ['', 'then', 'now', 'now/then', ''], rows);
  }
}

/** Three significant digits without an exponent. */
export function digits(value) {
  if (!Number.isFinite(value)) return String(value);
  if (value >= 1000) return value.toFixed(0);
  return value.toPrecision(3);
}

/** "12.3 (11.9-13.1)": median and quartiles. */
export function spread(/** @type {Measure} */ { median, low, high }) {
  return `${digits(median)} (${digits(low)}-${digits(high)})`;
}

/** The first column is left-aligned, the others right-aligned. */
export function table(title, head, rows) {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => String(row[i] ?? '').length)));
  console.log(`\n${title}\n`);
  for (const row of all) {
    const cells = widths.map((width, i) => {
      const cell = String(row[i] ?? '');
      return i === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    console.log(cells.join('  ').trimEnd());
  }
}
