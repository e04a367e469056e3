// Texts as they are shown in tables, drawings and pages: nothing in them may act as markup, move a
// cursor or be invisible.

import { escapeControls } from '../io/file.js';

/** A symbol so that it can be seen: spaces become `␣`, control characters escapes. */
export function visible(symbol: string): string {
  if (symbol === '') return '∅';
  return escapeControls(symbol).replace(/[\p{Zs}]/gu, '␣');
}

/** Labels in symbols, spaces kept. */
export function spell(labels: readonly number[], symbols: readonly string[]): string {
  return escapeControls(labels.map((label) => symbols[label]).join(''));
}

/** The tokens, with a short sign for the blank that no other token has. */
export function withBlankSign(tokens: readonly string[], blank: number): string[] {
  const sign = ['-', 'ε', '<blank>'].find((name) => !tokens.includes(name)) ?? tokens[blank]!;
  return tokens.map((token, c) => (c === blank ? sign : token));
}

/** Text for XML and HTML, between tags or in quotes. What XML cannot hold becomes U+FFFD. */
export function escapeMarkup(text: string): string {
  return text.replace(
    /[&<>"']|[\p{Cs}\ufffe\uffff]|[^\P{Cc}\t\n\r]/gu,
    (character) => entities[character] ?? '\ufffd',
  );
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** 4 significant digits, as `0.0320`, `1.366e-6`, `0`. */
export function showProbability(p: number): string {
  if (p === 0 || p === 1) return String(p);
  return p >= 0.001 ? p.toPrecision(4) : p.toExponential(3);
}

/** Large counts by their size: 28, 1,287, 6.25e+95. */
export function showCount(count: bigint): string {
  if (count < 1_000_000_000_000n) return count.toLocaleString('en');
  const digits = count.toString();
  return `${digits[0]}.${digits.slice(1, 3)}e+${digits.length - 1}`;
}
