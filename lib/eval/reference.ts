// Texts of the manifest as labels, and labels as text, by the symbols of the model.

import { resolveSpelling, type Spelling, textOf } from '../decodeText.js';
import { makeTokenizer, type Tokenized } from '../io/tokens.js';

/** What the classes of a model spell, in both directions. */
export class Writing {
  readonly symbols: readonly string[];
  readonly delimiter: string | undefined;
  readonly #spelling: Spelling;
  readonly #tokenize: (text: string) => Tokenized;
  /** The delimiter is a token between words; otherwise words begin with it. */
  readonly #between: boolean;

  /**
   * @param wordDelimiter - null: there are no words; undefined: found among the symbols.
   * @throws RangeError `ERR_CTC_INVALID_ARG_VALUE` where no symbol has the delimiter.
   */
  constructor(symbols: string[], blank: number, wordDelimiter: string | null | undefined) {
    this.symbols = symbols;
    const chosen = wordDelimiter === undefined ? findDelimiter(symbols, blank) : wordDelimiter;
    this.#spelling = resolveSpelling(symbols, chosen ?? null, symbols.length, blank)!;
    this.delimiter = this.#spelling.delimiter;
    this.#tokenize = makeTokenizer(symbols, blank);
    const { delimiter } = this;
    this.#between =
      delimiter !== undefined &&
      !symbols.some((symbol) => symbol !== delimiter && symbol.startsWith(delimiter));
  }

  /** Where the delimiter is no space, the text's words are joined by it, or begin with it. */
  labelsOf(text: string): Tokenized {
    const { delimiter } = this;
    if (delimiter === undefined || delimiter === ' ') return this.#tokenize(text);
    const words = text.split(/\s+/u).filter((word) => word !== '');
    const joined = words.join(delimiter);
    return this.#tokenize(this.#between || words.length === 0 ? joined : delimiter + joined);
  }

  textOf(labels: Int32Array): string {
    return textOf(labels, this.#spelling);
  }
}

/** A space; else the bar of wav2vec 2.0; else the mark of SentencePiece. */
function findDelimiter(symbols: string[], blank: number): string | undefined {
  const others = symbols.filter((_, c) => c !== blank);
  if (others.includes(' ')) return ' ';
  if (others.includes('|')) return '|';
  return others.some((symbol) => symbol.startsWith('▁')) ? '▁' : undefined;
}
