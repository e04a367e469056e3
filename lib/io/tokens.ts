// The symbols of a model: tokens.txt, and text to labels by the longest matching token.

import { fileError, quote, readText, splitLines } from './file.js';

/** Names of the blank in tokens files; k2 and icefall write the second. */
const blankNames = ['<blank>', '<blk>'];

export interface Tokens {
  path: string;
  /** `symbols[c]` is the symbol of class c. */
  symbols: string[];
  /** The class of the `<blank>` line, or undefined. */
  blank: number | undefined;
}

/** What text came to: labels, or the first character that begins no token. */
export type Tokenized =
  | { labels: number[]; unknown?: undefined }
  | {
      labels?: undefined;
      /** `position` counts characters from 1. */
      unknown: { symbol: string; position: number };
    };

/** Reads a tokens file; see `parseTokens`. Throws `ERR_CTC_FILE`. */
export async function readTokens(path: string): Promise<Tokens> {
  return parseTokens(path, await readText(path));
}

/**
 * One symbol a line, line number (from 0) = class. Nothing is trimmed: the line of a space token is
 * one literal space. Where every line is `symbol id` and the ids are 0 to count - 1, each once, the
 * id is the class (Kaldi, k2). `path` names the file in errors.
 */
export function parseTokens(path: string, text: string): Tokens {
  const lines = splitLines(text);
  if (lines.length === 0) throw fileError(path, 'has no tokens', 'Write one symbol a line');
  const columns = readColumns(path, lines);
  const symbols = columns?.symbols ?? lines;
  const lineOf = (c: number) => (columns?.lines[c] ?? c) + 1;

  const classOf = new Map<string, number>();
  symbols.forEach((symbol, c) => {
    if (symbol === '') {
      throw fileError(
        path,
        `line ${lineOf(c)} is empty`,
        "A space token's line is one literal space, which some editors remove; delete the line if it is not a token",
      );
    }
    const first = classOf.get(symbol);
    if (first !== undefined) {
      throw fileError(
        path,
        `${quote(symbol)} is on line ${lineOf(first)} and on line ${lineOf(c)}`,
        'Every class needs its own symbol',
      );
    }
    classOf.set(symbol, c);
  });

  const blanks = blankNames.flatMap((name) => classOf.get(name) ?? []);
  if (blanks.length > 1) {
    throw fileError(path, `names two blanks, ${blankNames.join(' and ')}`, 'Rename one of them');
  }
  return { path, symbols, blank: blanks[0] };
}

function readColumns(
  path: string,
  lines: string[],
): { symbols: string[]; lines: number[] } | undefined {
  // The symbol may itself be a space.
  const rows = lines.map((line) => /^(.+)[ \t](\d{1,9})$/u.exec(line));
  if (!rows.every((row) => row !== null)) return undefined;
  const symbols: string[] = [];
  const lineOf: number[] = [];
  rows.forEach(([, symbol, digits], line) => {
    const id = Number(digits);
    if (id >= rows.length) {
      throw fileError(
        path,
        `line ${line + 1} has the id ${id}, in a file of ${rows.length} "symbol id" lines`,
        `The ids must be 0 to ${rows.length - 1}, each once`,
      );
    }
    const first = lineOf[id];
    if (first !== undefined) {
      throw fileError(
        path,
        `the id ${id} is on line ${first + 1} and on line ${line + 1}`,
        `The ids must be 0 to ${rows.length - 1}, each once`,
      );
    }
    symbols[id] = symbol!.replace(/[ \t]+$/, '') || ' ';
    lineOf[id] = line;
  });
  return { symbols, lines: lineOf };
}

/**
 * A function from text to labels that takes, from left to right, the longest token that fits. The
 * blank's symbol is never taken. O(text length times the longest token).
 */
export function makeTokenizer(symbols: string[], blank: number): (text: string) => Tokenized {
  const classOf = new Map<string, number>();
  let longest = 0;
  symbols.forEach((symbol, c) => {
    if (c === blank) return;
    classOf.set(symbol, c);
    longest = Math.max(longest, symbol.length);
  });

  return (text) => {
    const labels: number[] = [];
    let at = 0;
    while (at < text.length) {
      let length = Math.min(longest, text.length - at);
      let label: number | undefined;
      while (length > 0) {
        label = classOf.get(text.slice(at, at + length));
        if (label !== undefined) break;
        length -= 1;
      }
      if (label === undefined) {
        const symbol = String.fromCodePoint(text.codePointAt(at)!);
        return { unknown: { symbol, position: [...text.slice(0, at)].length + 1 } };
      }
      labels.push(label);
      at += length;
    }
    return { labels };
  };
}
