import { answerOr, decodeNative, type Handle, packStrings } from './decodeNative.js';
import { rangeError, show, typeError } from './errors.js';
import { checkOptions } from './options.js';

/** A word, or a word with one spelling of it in tokens (or in class numbers). */
export type LexiconEntry = string | readonly [word: string, spelling: readonly (string | number)[]];

/** What {@link Lexicon} needs besides the entries, where they have spellings. */
export interface LexiconOptions {
  /** The symbols of the classes, to read spellings that are given in tokens. */
  readonly tokens?: readonly string[];
}

interface Inner {
  readonly handle: Handle<'lexicon'>;
  /** Distinct words in the order of the native side. */
  readonly words: readonly string[];
  readonly spelled: boolean;
  /** The classes that spellings have. */
  readonly labels: ReadonlySet<number>;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof LexiconOptions>(['tokens']);

const inners = new WeakMap<Lexicon, Inner>();

/**
 * The words that a {@link beamDecode} may write, made ready once for many calls.
 *
 * Either every entry is a word, which any split into tokens may spell, or every entry is a word with a
 * spelling, for models whose tokens are not the word's letters (phonemes). A word may have several spellings,
 * each in an entry of its own, and several words may share one: the language model then chooses.
 *
 * @example
 * ```ts
 * new Lexicon(['hello', 'world']);
 * new Lexicon([['read', ['R', 'IY', 'D']], ['read', ['R', 'EH', 'D']], ['red', ['R', 'EH', 'D']]], { tokens });
 * ```
 */
export class Lexicon {
  /** Number of distinct words. */
  readonly size: number;

  /**
   * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`; RangeError `ERR_CTC_INVALID_ARG_VALUE` for no entries, an
   * empty word, or a mixture of both kinds; RangeError `ERR_CTC_INVALID_LABEL` for a spelling that no tokens make.
   */
  constructor(entries: Iterable<LexiconEntry>, options?: LexiconOptions) {
    const { tokens } = checkOptions(options, OPTIONS);
    if (tokens !== undefined && !Array.isArray(tokens)) {
      throw typeError(
        'ERR_CTC_INVALID_ARG_TYPE',
        `tokens must be an array of strings, one for each class, not ${show(tokens)}`,
      );
    }
    const inner = makeLexicon(entries, tokens, 'entries');
    inners.set(this, inner);
    this.size = inner.words.length;
  }
}

/** The native side of a lexicon, made now unless it is a {@link Lexicon} already. */
export function resolveLexicon(value: unknown, tokens: readonly string[] | undefined): Inner {
  if (value instanceof Lexicon) {
    const inner = inners.get(value);
    if (inner !== undefined) return inner;
  }
  return makeLexicon(value, tokens, 'lexicon');
}

function makeLexicon(entries: unknown, tokens: readonly string[] | undefined, name: string): Inner {
  if (
    typeof entries === 'string' ||
    typeof (entries as Iterable<unknown> | null)?.[Symbol.iterator] !== 'function'
  ) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} must be an array of words or a Lexicon, not ${show(entries)}`,
    );
  }
  const classOf = new Map(tokens?.map((token, label) => [token, label]));
  const words: string[] = [];
  const labels: number[] = [];
  const ends: number[] = [];
  for (const entry of entries as Iterable<unknown>) {
    const i = words.length;
    const [word, spelling] = Array.isArray(entry) ? entry : [entry, undefined];
    if (typeof word !== 'string') {
      throw typeError(
        'ERR_CTC_INVALID_ARG_TYPE',
        `${name}[${i}] must be a word, or [word, spelling], not ${show(entry)}`,
      );
    }
    if (word === '') {
      throw rangeError('ERR_CTC_INVALID_ARG_VALUE', `${name}[${i}] is an empty word: leave it out`);
    }
    if ((spelling !== undefined) !== ends.length > 0 && i > 0) {
      throw rangeError(
        'ERR_CTC_INVALID_ARG_VALUE',
        `${name}[${i}] ${spelling === undefined ? 'lacks' : 'has'} a spelling, unlike those before ` +
          'it: spell every word, or none',
      );
    }
    // As the native side reads it: lone surrogates become U+FFFD, and words alike by that are one.
    words.push(Buffer.from(word).toString());
    if (spelling === undefined) continue;
    readSpelling(labels, spelling, `${name}[${i}]`, word, classOf);
    ends.push(labels.length);
  }
  if (words.length === 0) {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      `${name} has no words, so nothing could be decoded: give words, or leave it out`,
    );
  }
  const packed = packStrings(words);
  const spelled = ends.length > 0;
  const handle = answerOr(
    decodeNative().makeLexicon(
      packed.bytes,
      packed.ends,
      spelled ? Int32Array.from(labels) : undefined,
      spelled ? Float64Array.from(ends) : undefined,
    ),
  );
  return { handle, words: [...new Set(words)], spelled, labels: new Set(labels) };
}

/** Adds the labels that spell `word` to `labels`. */
function readSpelling(
  labels: number[],
  spelling: unknown,
  place: string,
  word: string,
  classOf: ReadonlyMap<string, number>,
): void {
  if (!Array.isArray(spelling) || spelling.length === 0) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${place}[1], the spelling of ${show(word)}, must be an array of tokens, not ${show(spelling)}`,
    );
  }
  const count = spelling.length;
  for (let j = 0; j < count; j++) {
    const unit: unknown = spelling[j];
    const label = typeof unit === 'string' ? classOf.get(unit) : unit;
    if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < 2 ** 31) {
      labels.push(label);
      continue;
    }
    const remedy =
      typeof unit === 'string' && classOf.size === 0 ? 'give tokens as well' : 'correct it';
    throw rangeError(
      'ERR_CTC_INVALID_LABEL',
      `${place}[1][${j}], in the spelling of ${show(word)}, is ${show(unit)}, which is no token: ${remedy}`,
    );
  }
}
