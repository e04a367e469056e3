// Texts of the manifest as labels, and labels as text, by the symbols of the model.

import { resolveSpelling, TextBuilder } from '../decodeText.js';
import { LabelList, Tokenizer, type Unknown } from '../io/tokens.js';

/** What the classes of a model spell, in both directions. */
export class Writing {
  readonly symbols: readonly string[];
  readonly delimiter: string | undefined;
  readonly #texts: TextBuilder;
  readonly #tokenizer: Tokenizer;
  /** The delimiter is a token between words; otherwise words begin with it. */
  readonly #between: boolean;

  /**
   * @param wordDelimiter - null: there are no words; undefined: found among the symbols.
   * @throws RangeError `ERR_CTC_INVALID_ARG_VALUE` where no symbol has the delimiter.
   */
  constructor(symbols: string[], blank: number, wordDelimiter: string | null | undefined) {
    this.symbols = symbols;
    const chosen = wordDelimiter === undefined ? findDelimiter(symbols, blank) : wordDelimiter;
    const spelling = resolveSpelling(symbols, chosen ?? null, symbols.length, blank)!;
    this.delimiter = spelling.delimiter;
    this.#texts = new TextBuilder(spelling, blank);
    this.#tokenizer = new Tokenizer(symbols, blank);
    const { delimiter } = this;
    this.#between =
      delimiter !== undefined &&
      !symbols.some((symbol) => symbol !== delimiter && symbol.startsWith(delimiter));
  }

  /** The labels of a text that has been evaluated, so that all of its characters are known. */
  labelsOf(text: string): number[] {
    const labels = new LabelList();
    this.appendLabels(text, labels);
    return [...labels.view(0)];
  }

  /**
   * Appends the labels of a text; returns the first character that begins no token, if there is one. Where the
   * delimiter is no space, the text's words are joined by it, or begin with it.
   */
  appendLabels(text: string, to: LabelList): Unknown | undefined {
    const { delimiter } = this;
    if (delimiter === undefined || delimiter === ' ') return this.#tokenizer.append(text, to);
    const words = text.split(/\s+/u).filter((word) => word !== '');
    const joined = words.join(delimiter);
    const marked = this.#between || words.length === 0 ? joined : delimiter + joined;
    return this.#tokenizer.append(marked, to);
  }

  textOf(labels: Int32Array): string {
    return this.#texts.of(labels);
  }
}

/** A space; else the bar of wav2vec 2.0; else the mark of SentencePiece. */
function findDelimiter(symbols: string[], blank: number): string | undefined {
  const others = symbols.filter((_, c) => c !== blank);
  if (others.includes(' ')) return ' ';
  if (others.includes('|')) return '|';
  return others.some((symbol) => symbol.startsWith('▁')) ? '▁' : undefined;
}
