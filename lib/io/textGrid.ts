// Praat's TextGrid, in its long text format: interval tiers that cover the whole recording.

export interface Interval {
  start: number;
  end: number;
  text: string;
}

export interface Tier {
  name: string;
  /** In order and apart from one another, in seconds. */
  intervals: readonly Interval[];
}

/** The file of one utterance of `duration` seconds. What no interval covers becomes an empty one. */
export function textGrid(tiers: readonly Tier[], duration: number): string {
  const lines = [
    'File type = "ooTextFile"',
    'Object class = "TextGrid"',
    '',
    'xmin = 0',
    `xmax = ${time(duration)}`,
    'tiers? <exists>',
    `size = ${tiers.length}`,
    'item []:',
  ];
  tiers.forEach(({ name, intervals }, i) => {
    const whole = fill(intervals, duration);
    lines.push(
      `    item [${i + 1}]:`,
      '        class = "IntervalTier"',
      `        name = ${quoted(name)}`,
      '        xmin = 0',
      `        xmax = ${time(duration)}`,
      `        intervals: size = ${whole.length}`,
    );
    whole.forEach(({ start, end, text }, k) => {
      lines.push(
        `        intervals [${k + 1}]:`,
        `            xmin = ${time(start)}`,
        `            xmax = ${time(end)}`,
        `            text = ${quoted(text)}`,
      );
    });
  });
  return `${lines.join('\n')}\n`;
}

function fill(intervals: readonly Interval[], duration: number): Interval[] {
  const whole: Interval[] = [];
  let from = 0;
  for (const interval of intervals) {
    if (interval.start > from) whole.push({ start: from, end: interval.start, text: '' });
    whole.push(interval);
    from = interval.end;
  }
  if (from < duration || whole.length === 0) whole.push({ start: from, end: duration, text: '' });
  return whole;
}

/** Microseconds at most: neighbours that touch are written with the same digits. */
function time(seconds: number): string {
  return String(Math.round(seconds * 1e6) / 1e6);
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
