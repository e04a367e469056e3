// What is known about the place where text goes: colours, columns, and how wide text is there.

import { escapeControls } from '../io/file.js';

export interface Palette {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
}

interface Stream {
  isTTY?: boolean;
  columns?: number;
}

/** Colours only on a terminal, and not where NO_COLOR is set (https://no-color.org) or TERM=dumb. */
export function paletteFor(stream: Stream, env: NodeJS.ProcessEnv = process.env): Palette {
  const coloured = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  const style = (open: number, close: number) => (text: string) =>
    coloured ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return { bold: style(1, 22), dim: style(2, 22), red: style(31, 39), yellow: style(33, 39) };
}

/** The terminal's width, or undefined where lines may be of any length. */
export function columnsOf(stream: Stream): number | undefined {
  return stream.isTTY ? (stream.columns ?? 80) : undefined;
}

/** Terminal columns of a text without control characters: East Asian wide characters take two. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

function characterWidth(character: string): number {
  if (character < '\u0300') return 1;
  if (zeroWidth.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

/** Text made safe to show; what goes beyond `columns` is replaced by an ellipsis. */
export function clip(text: string, columns = Number.POSITIVE_INFINITY): string {
  const safe = escapeControls(text);
  return widthOf(safe) <= columns ? safe : `${take([...safe], columns - 1).join('')}…`;
}

/** As `clip`, but keeps the end, which is what differs between paths. */
export function clipStart(text: string, columns: number): string {
  const safe = escapeControls(text);
  if (widthOf(safe) <= columns) return safe;
  return `…${take([...safe].reverse(), columns - 1)
    .reverse()
    .join('')}`;
}

function take(characters: string[], columns: number): string[] {
  let width = 0;
  const end = characters.findIndex((character) => {
    width += characterWidth(character);
    return width > columns;
  });
  return end < 0 ? characters : characters.slice(0, end);
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

/** 1 row, 2 rows. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

export function showWarning(message: string): void {
  const { yellow } = paletteFor(process.stderr);
  process.stderr.write(`${yellow('warning:')} ${clip(message)}\n`);
}
