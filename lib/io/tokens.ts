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
  | { labels?: undefined; unknown: Unknown };

/** A character that begins no token; `position` counts characters from 1. */
export interface Unknown {
  symbol: string;
  position: number;
}

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

/** Labels of many texts one after another, in memory that grows and is used again. */
export class LabelList {
  #labels = new Int32Array(1024);
  length = 0;

  push(label: number): void {
    if (this.length === this.#labels.length) {
      const labels = new Int32Array(2 * this.length);
      labels.set(this.#labels);
      this.#labels = labels;
    }
    this.#labels[this.length++] = label;
  }

  /** How many of the labels from `start` on equal the one before them, from there on. */
  repeatsFrom(start: number): number {
    const labels = this.#labels;
    let repeats = 0;
    for (let i = start + 1; i < this.length; i++) if (labels[i] === labels[i - 1]) repeats += 1;
    return repeats;
  }

  /** A view of the labels from `start` to `end` (exclusive), until the list changes. */
  view(start: number, end = this.length): Int32Array {
    return this.#labels.subarray(start, end);
  }
}

/**
 * Text to labels by taking, from left to right, the longest token that fits. The blank's symbol is never taken.
 */
export class Tokenizer {
  readonly #classOf = new Map<string, number>();
  /** By a token's first code unit: the length of the longest one, and the class of that unit alone, or -1. */
  readonly #longest: Int32Array;
  readonly #alone: Int32Array;

  constructor(symbols: readonly string[], blank: number) {
    const first = symbols.reduce((most, symbol) => Math.max(most, symbol.charCodeAt(0)), 0);
    this.#longest = new Int32Array(first + 1);
    this.#alone = new Int32Array(first + 1).fill(-1);
    symbols.forEach((symbol, c) => {
      if (c === blank) return;
      const unit = symbol.charCodeAt(0);
      this.#classOf.set(symbol, c);
      this.#longest[unit] = Math.max(this.#longest[unit]!, symbol.length);
      if (symbol.length === 1) this.#alone[unit] = c;
    });
  }

  /**
   * Appends the labels of a text; returns the first character that begins no token, if there is one. O(text length
   * times the longest token).
   */
  append(text: string, to: LabelList): Unknown | undefined {
    let at = 0;
    while (at < text.length) {
      const unit = text.charCodeAt(at);
      let length = Math.min(this.#longest[unit] ?? 0, text.length - at);
      let label: number | undefined;
      while (length > 1) {
        label = this.#classOf.get(text.slice(at, at + length));
        if (label !== undefined) break;
        length -= 1;
      }
      label ??= length === 1 ? this.#alone[unit]! : -1;
      if (label < 0) {
        const symbol = String.fromCodePoint(text.codePointAt(at)!);
        return { symbol, position: [...text.slice(0, at)].length + 1 };
      }
      to.push(label);
      at += length;
    }
    return undefined;
  }
}

/** A `Tokenizer` as a function, for texts one by one. */
export function makeTokenizer(
  symbols: readonly string[],
  blank: number,
): (text: string) => Tokenized {
  const tokenizer = new Tokenizer(symbols, blank);
  return (text) => {
    const labels = new LabelList();
    const unknown = tokenizer.append(text, labels);
    return unknown === undefined ? { labels: [...labels.view(0)] } : { unknown };
  };
}
