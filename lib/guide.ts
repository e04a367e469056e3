import { answerOr, decodeNative, type Handle, packStrings } from './decodeNative.js';
import { numberIn } from './decodeOptions.js';
import { Role, type Spelling } from './decodeText.js';
import { rangeError, show, typeError } from './errors.js';
import { resolveLexicon } from './lexicon.js';
import { LanguageModel, modelHandle } from './lm.js';
import { choice, flag, type RawOptions } from './options.js';
import { copyStrings } from './validate.js';

/** What guides a search, checked and made ready. */
export interface Guide {
  readonly handle: Handle<'guide'> | undefined;
  /** Words of a lexicon with spellings, by the numbers that the native side answers with. */
  readonly names: readonly string[] | undefined;
}

/** Of every weight: their sums over any text stay finite. */
const LARGEST = 1e6;

const UNITS: readonly ('word' | 'token')[] = ['word', 'token'];

/** Checks the options of a guided search against the tokens and builds the native guide. */
export function resolveGuide(
  raw: RawOptions,
  spelling: Spelling | undefined,
  blank: number,
  classes: number,
  tokens: readonly string[] | undefined,
): Guide {
  const lm = resolveModel(raw.lm);
  const lexicon = raw.lexicon === undefined ? undefined : resolveLexicon(raw.lexicon, tokens);
  const hotwords = resolveHotwords(raw.hotwords, raw.hotwordWeight, spelling);
  const needing = lm ? 'lm' : lexicon && !lexicon.spelled ? 'lexicon' : hotwords ? 'hotwords' : '';
  if (spelling === undefined && needing !== '') {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      `${needing} needs tokens: the symbol of every class, to spell words with`,
    );
  }
  const hasWords = spelling?.delimiter !== undefined || lexicon !== undefined;
  const unit = choice(raw.lmUnit, 'lmUnit', UNITS, 'word');
  if (unit === 'word' && lm && !hasWords) {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      "where do the words of lm end? Name the token between them with wordDelimiter ('|'), or say lmUnit: 'token'",
    );
  }
  if (unit === 'token' && !lm) {
    throw rangeError('ERR_CTC_INVALID_ARG_VALUE', "lmUnit: 'token' goes with lm");
  }
  const alpha = numberIn(raw.alpha, 'alpha', 0, LARGEST, 0.5);
  const beta = weight(raw.beta, 'beta', lm && unit === 'word' ? 1.5 : 0);
  const unkScore = numberIn(raw.unkScore, 'unkScore', -Infinity, LARGEST, -10);
  const boundary = flag(raw.sentenceBoundary, 'sentenceBoundary', true);
  if (lexicon !== undefined) checkLexicon(lexicon, spelling, blank, classes);
  if (!lm && !lexicon && !hotwords && beta === 0) return { handle: undefined, names: undefined };
  if (!hasWords && !lm && beta !== 0) {
    throw rangeError(
      'ERR_CTC_INVALID_ARG_VALUE',
      'beta is added for each word: name the token between words with wordDelimiter',
    );
  }

  const roles = spelling?.roles ?? new Uint8Array(classes);
  const pieces = packStrings(pieceTexts(spelling, classes, unit));
  const phrases = packStrings(hotwords?.phrases ?? []);
  const handle = answerOr(
    decodeNative().makeGuide(
      Float64Array.of(unit === 'word' ? 0 : 1, alpha, beta, unkScore, boundary ? 1 : 0),
      roles,
      pieces.bytes,
      pieces.ends,
      lm && modelHandle(lm),
      lexicon?.handle,
      phrases.bytes,
      phrases.ends,
      Float64Array.from(hotwords?.weights ?? []),
    ),
  );
  return { handle, names: lexicon?.spelled ? lexicon.words : undefined };
}

// A model of tokens knows the delimiter by a name: ARPA's columns cannot hold a space.
function pieceTexts(
  spelling: Spelling | undefined,
  classes: number,
  unit: 'word' | 'token',
): readonly string[] {
  if (spelling === undefined) return new Array<string>(classes).fill('');
  if (unit === 'word') return spelling.pieces;
  return spelling.pieces.map((piece, c) => {
    if (spelling.roles[c] === Role.inside) return piece === ' ' ? '<space>' : piece;
    const mark = spelling.delimiter === ' ' ? '<space>' : (spelling.delimiter as string);
    return spelling.roles[c] === Role.delimiter ? mark : mark + piece;
  });
}

function resolveModel(value: unknown): LanguageModel | undefined {
  if (value === undefined) return undefined;
  if (value instanceof LanguageModel) return value;
  const hint =
    typeof value === 'string' ? `: read the file with await loadLanguageModel(${show(value)})` : '';
  throw typeError(
    'ERR_CTC_INVALID_ARG_TYPE',
    `lm must be a LanguageModel, not ${show(value)}${hint}`,
  );
}

function checkLexicon(
  lexicon: ReturnType<typeof resolveLexicon>,
  spelling: Spelling | undefined,
  blank: number,
  classes: number,
): void {
  if (lexicon.spelled) {
    for (const label of lexicon.labels) checkSpelledLabel(label, spelling, blank, classes);
    return;
  }
  if (spelling === undefined) return;
  const letters = lettersOf(spelling);
  const spellable = (word: string) => [...word].every((letter) => letters.has(letter));
  if (lexicon.words.some(spellable)) return;
  const word = lexicon.words[0] as string;
  const missing = [...word].find((letter) => !letters.has(letter)) as string;
  throw rangeError(
    'ERR_CTC_INVALID_ARG_VALUE',
    `no word of the lexicon can be spelled with the tokens: ${show(word)} has ${show(missing)}, ` +
      'which is in none of them (upper and lower case differ)',
  );
}

// A word whose spelling has one of these could never be written.
function checkSpelledLabel(
  label: number,
  spelling: Spelling | undefined,
  blank: number,
  classes: number,
): void {
  const problem =
    label >= classes
      ? `${label}; classes are 0 to ${classes - 1}`
      : label === blank
        ? `${label}, the blank, which no text holds: leave it out`
        : spelling?.roles[label] === Role.delimiter
          ? `${label}, the wordDelimiter, which stands between words: leave it out`
          : undefined;
  if (problem === undefined) return;
  throw rangeError('ERR_CTC_INVALID_LABEL', `a spelling of the lexicon has the class ${problem}`);
}

function weight(value: unknown, name: string, fallback: number): number {
  return numberIn(value, name, -LARGEST, LARGEST, fallback);
}

/** What texts are made of, without the space that stands for a delimiter. */
function lettersOf({ pieces }: Spelling): Set<string> {
  return new Set(pieces.flatMap((piece) => [...piece]));
}

interface Hotwords {
  readonly phrases: string[];
  readonly weights: number[];
}

function resolveHotwords(
  value: unknown,
  weightOfAll: unknown,
  spelling: Spelling | undefined,
): Hotwords | undefined {
  const common = weight(weightOfAll, 'hotwordWeight', 10);
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `hotwords must be an array of words or an object from words to weights, not ${show(value)}`,
    );
  }
  const letters = spelling && lettersOf(spelling);
  const isBoundary = (letter: string) => letter === ' ' && spelling?.delimiter !== undefined;
  const listed = Array.isArray(value);
  const entries: [string, string, unknown][] = listed
    ? copyStrings(value, (i, phrase) =>
        typeError(
          'ERR_CTC_INVALID_ARG_TYPE',
          `hotwords[${i}] must be a string, not ${show(phrase)}`,
        ),
      ).map((phrase, i) => [`hotwords[${i}]`, phrase, common])
    : Object.entries(value).map(([phrase, own]) => [`hotwords[${show(phrase)}]`, phrase, own]);
  const phrases: string[] = [];
  const weights: number[] = [];
  for (const [place, phrase, own] of entries) {
    // Between words the search sees one space, however many the caller typed.
    const text =
      spelling?.delimiter === undefined ? phrase : phrase.trim().replaceAll(/\s+/gu, ' ');
    if (text === '') {
      throw rangeError('ERR_CTC_INVALID_ARG_VALUE', `${place} is empty: leave it out`);
    }
    const missing =
      letters && [...text].find((letter) => !letters.has(letter) && !isBoundary(letter));
    if (missing !== undefined) {
      throw rangeError(
        'ERR_CTC_INVALID_ARG_VALUE',
        `the hotword ${show(text)} cannot be spelled with the tokens: it has ${show(missing)}, ` +
          'which is in none of them (upper and lower case differ)',
      );
    }
    phrases.push(text);
    weights.push(weight(own, `${place}, a weight,`, common));
  }
  return phrases.length === 0 ? undefined : { phrases, weights };
}
