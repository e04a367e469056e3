import { rangeError, show, typeError } from './errors.js';
import { copyStrings } from './validate.js';

/** How a class stands to words; the numbers of native/core/beam_guide.h. */
export const Role = { inside: 0, delimiter: 1, starts: 2 } as const;

/** What the classes spell. */
export interface Spelling {
  /** C strings, without the delimiter that marks a word's first piece. */
  readonly pieces: readonly string[];
  readonly roles: Uint8Array;
  /** Undefined: there are no words. In a text a space stands for it. */
  readonly delimiter: string | undefined;
}

/** Checks `tokens` and `wordDelimiter`; undefined when there are no tokens. */
export function resolveSpelling(
  tokens: unknown,
  wordDelimiter: unknown,
  classes: number,
  blank: number,
): Spelling | undefined {
  if (wordDelimiter !== undefined && wordDelimiter !== null && typeof wordDelimiter !== 'string') {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `wordDelimiter must be a token or null, not ${show(wordDelimiter)}`,
    );
  }
  if (tokens === undefined) {
    if (typeof wordDelimiter !== 'string') return undefined;
    throw rangeError('ERR_CTC_INVALID_ARG_VALUE', 'wordDelimiter needs tokens to be found in');
  }
  if (!Array.isArray(tokens)) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `tokens must be an array of strings, one for each class, not ${show(tokens)}`,
    );
  }
  if (tokens.length !== classes) {
    throw rangeError(
      'ERR_CTC_INVALID_LENGTH',
      `tokens has ${tokens.length} entries; the input has ${classes} classes, the blank included`,
    );
  }
  const given = copyStrings(tokens, (c, token) =>
    typeError('ERR_CTC_INVALID_ARG_TYPE', `tokens[${c}] must be a string, not ${show(token)}`),
  );
  given[blank] = '';
  const fallback = given.includes(' ') ? ' ' : undefined;
  const delimiter = wordDelimiter === undefined ? fallback : (wordDelimiter ?? undefined);
  const roles = new Uint8Array(classes);
  if (delimiter === undefined) return { pieces: given, roles, delimiter };
  if (delimiter === '') {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      'wordDelimiter is empty; null says that there are no words',
    );
  }
  const pieces = given.map((token, c) => {
    if (!token.startsWith(delimiter)) return token;
    roles[c] = token === delimiter ? Role.delimiter : Role.starts;
    return token.slice(delimiter.length);
  });
  if (!roles.some((role) => role !== Role.inside)) {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      `wordDelimiter is ${show(delimiter)}, and no token is that or begins with it`,
    );
  }
  return { pieces, roles, delimiter };
}

/** A label and the frames it was emitted on. */
export interface DecodedToken {
  /** Its class. */
  readonly label: number;
  /** Its symbol; undefined without `tokens`. */
  readonly text: string | undefined;
  /** Mean probability of the class over the token's frames, 0 to 1. */
  readonly score: number;
  /** First frame. */
  readonly start: number;
  /** The frame after the last one. */
  readonly end: number;
}

/** A word and the frames of its tokens. */
export interface DecodedWord {
  /** Without the delimiter. */
  readonly text: string;
  /** Mean of its tokens' scores. */
  readonly score: number;
  /** First frame of its first token. */
  readonly start: number;
  /** The frame after the last of its last token. */
  readonly end: number;
}

/** The text of labels. Delimiters that are no spaces become some, and none is left at the ends. */
export function textOf(labels: Int32Array, spelling: Spelling): string {
  let text = '';
  for (const label of labels) text += spelled(spelling, label);
  return trimmed(text, spelling);
}

function spelled({ roles, pieces }: Spelling, label: number): string {
  return roles[label] === Role.inside ? pieces[label]! : ` ${pieces[label]}`;
}

function trimmed(text: string, { delimiter }: Spelling): string {
  return delimiter === undefined || delimiter === ' ' ? text : text.trim();
}

/** `textOf` for many paths of one model: a text becomes one string at once, not one for each label. */
export class TextBuilder {
  readonly #spelling: Spelling;
  /** What class c spells: the code units from `#ends[c]` to `#ends[c + 1]`. */
  readonly #units: Uint16Array;
  readonly #ends: Uint32Array;
  /** Whether a code unit fits into a byte. */
  readonly #narrow: boolean;
  /** The code unit of each class, where no class but the blank spells none or several. */
  readonly #single: Uint16Array | undefined;
  #memory = Buffer.alloc(1024);

  constructor(spelling: Spelling, blank: number) {
    this.#spelling = spelling;
    const texts = spelling.pieces.map((_, label) => spelled(spelling, label));
    const all = texts.join('');
    this.#units = Uint16Array.from({ length: all.length }, (_, i) => all.charCodeAt(i));
    this.#ends = new Uint32Array(texts.length + 1);
    texts.forEach((text, c) => {
      this.#ends[c + 1] = this.#ends[c]! + text.length;
    });
    this.#narrow = this.#units.every((unit) => unit < 256);
    if (texts.every((text, c) => c === blank || text.length === 1)) {
      this.#single = Uint16Array.from(texts, (text) => text.charCodeAt(0));
    }
  }

  /** The text of labels, none of which is the blank. */
  of(labels: Int32Array): string {
    const single = this.#single;
    if (single === undefined) return this.#compose(labels);
    const count = labels.length;
    const memory = this.#reserve(2 * count);
    if (this.#narrow) {
      for (let i = 0; i < count; i++) memory[i] = single[labels[i]!]!;
      return trimmed(memory.toString('latin1', 0, count), this.#spelling);
    }
    for (let i = 0; i < count; i++) {
      const unit = single[labels[i]!]!;
      memory[2 * i] = unit;
      memory[2 * i + 1] = unit >>> 8;
    }
    return trimmed(memory.toString('utf16le', 0, 2 * count), this.#spelling);
  }

  #reserve(bytes: number): Buffer {
    if (bytes > this.#memory.length) this.#memory = Buffer.alloc(2 * bytes);
    return this.#memory;
  }

  #compose(labels: Int32Array): string {
    let length = 0;
    for (const label of labels) length += this.#ends[label + 1]! - this.#ends[label]!;
    const bytes = this.#narrow ? length : 2 * length;
    const memory = this.#reserve(bytes);
    let at = 0;
    for (const label of labels) {
      for (let i = this.#ends[label]!; i < this.#ends[label + 1]!; i++) {
        const unit = this.#units[i]!;
        memory[at++] = unit;
        if (!this.#narrow) memory[at++] = unit >>> 8;
      }
    }
    return trimmed(memory.toString(this.#narrow ? 'latin1' : 'utf16le', 0, bytes), this.#spelling);
  }
}

/** The words between delimiters; `names` are what they are called, where that is not what they spell. */
export function wordsOf(
  tokens: readonly DecodedToken[],
  spelling: Spelling,
  names: readonly string[] | undefined,
): DecodedWord[] {
  const words: DecodedWord[] = [];
  let parts: DecodedToken[] = [];
  const close = () => {
    const first = parts[0];
    const last = parts.at(-1);
    if (first === undefined || last === undefined) return;
    const spelled = parts.map((part) => spelling.pieces[part.label]).join('');
    words.push({
      text: names?.[words.length] ?? spelled,
      score: parts.reduce((sum, part) => sum + part.score, 0) / parts.length,
      start: first.start,
      end: last.end,
    });
    parts = [];
  };
  for (const token of tokens) {
    const role = spelling.roles[token.label];
    if (role !== Role.inside) close();
    if (role !== Role.delimiter) parts.push(token);
  }
  close();
  return words;
}
