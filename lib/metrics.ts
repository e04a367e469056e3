import { countByBits, fitsBits } from './editBits.js';
import { ctcError, rangeError, show, typeError } from './errors.js';
import { native } from './native.js';
import { checkOptions, choice, flag, type IntegerArray } from './options.js';
import { typedArrayName } from './tensor.js';
import { copyNumbers } from './validate.js';

/** What is counted: user-perceived characters (graphemes), or words between white space. */
export type ErrorUnit = 'character' | 'word';

/** A text, or the labels of one utterance (then each label is a unit). */
export type Transcript = string | IntegerArray;

/** Options of {@link errorRate}. */
export interface ErrorRateOptions<A extends boolean = boolean> {
  /** For texts. Default `'character'`, which gives the CER; `'word'` gives the WER. */
  unit?: ErrorUnit;
  /**
   * Unicode normalization of texts before they are split, so that a precomposed and a combined "é" are the
   * same. Default `'NFC'`; `'none'` compares as it is.
   */
  normalize?: 'NFC' | 'NFD' | 'NFKC' | 'NFKD' | 'none';
  /** Also return the alignment of each utterance. Default false. */
  alignment?: A;
}

/** Counts of one utterance or of a corpus. `errors` = substitutions + deletions + insertions. */
export interface ErrorCounts {
  /** `errors / referenceLength`; for an empty reference 0 without errors, else Infinity. */
  readonly rate: number;
  /** substitutions + deletions + insertions. */
  readonly errors: number;
  /** Units that are another one. */
  readonly substitutions: number;
  /** Units of the reference that the hypothesis lacks. */
  readonly deletions: number;
  /** Units of the hypothesis that the reference lacks. */
  readonly insertions: number;
  /** Units that are the same. */
  readonly hits: number;
  /** Units of the reference. */
  readonly referenceLength: number;
  /** Units of the hypothesis. */
  readonly hypothesisLength: number;
}

/** One step of an alignment. The side that has nothing is undefined. */
export interface AlignedUnit<U extends string | number = string | number> {
  /** What the step does. */
  readonly type: 'hit' | 'substitution' | 'deletion' | 'insertion';
  /** The reference's unit; undefined for an insertion. */
  readonly reference: U | undefined;
  /** The hypothesis's unit; undefined for a deletion. */
  readonly hypothesis: U | undefined;
}

/** One utterance's counts, and its alignment when that was asked for, as `A` says. */
export interface UtteranceErrors<A extends boolean = boolean> extends ErrorCounts {
  /** With `alignment: true`: the steps, first to last. */
  readonly alignment: A extends true ? readonly AlignedUnit[] : undefined;
}

/** Corpus totals: every count is the sum over the utterances, and the rate is formed from the sums. */
export interface ErrorRate<A extends boolean = boolean> extends ErrorCounts {
  /** The counts of each utterance, in order. */
  readonly utterances: readonly UtteranceErrors<A>[];
}

const OPTIONS: ReadonlySet<string> = new Set(['unit', 'normalize', 'alignment']);
const UNITS: readonly ErrorUnit[] = ['character', 'word'];
const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD', 'none'] as const;

/**
 * Character or word error rate of one utterance, or of a corpus.
 *
 * Each hypothesis is aligned to its reference by the fewest substitutions, deletions and insertions
 * (Levenshtein distance). Where several alignments have the fewest, the one is counted that, going
 * backwards from the ends, pairs units first, deletes next and inserts last.
 *
 * Time: O(length * errors) for each utterance. Memory: O(errors), and O(length * errors) bytes where the alignment is
 * asked for.
 *
 * @param reference - What is true: a text or an array of labels; for a corpus, an array of those.
 * @param hypothesis - What was recognised, of the same form.
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`, `ERR_CTC_UNKNOWN_OPTION`; RangeError `ERR_CTC_INVALID_ARG_VALUE`,
 * `ERR_CTC_INVALID_LENGTH` when a corpus has unequal numbers of references and hypotheses.
 *
 * @example
 * ```ts
 * errorRate('kitten', 'sitting').rate; // 3 / 6
 * errorRate(['the cat', 'sat'], ['a cat', 'sat'], { unit: 'word' }).rate; // 1 / 3
 * ```
 */
export function errorRate<A extends boolean = false>(
  reference: Transcript | readonly Transcript[],
  hypothesis: Transcript | readonly Transcript[],
  options?: ErrorRateOptions<A>,
): ErrorRate<A> {
  const given = checkOptions(options, OPTIONS);
  const unit = choice(given.unit, 'unit', UNITS, 'character');
  const form = choice(given.normalize, 'normalize', FORMS, 'NFC');
  const withAlignment = flag(given.alignment, 'alignment', false);

  // An empty array is an utterance without labels where the other side is one utterance.
  const single = isUtterance(reference) || isUtterance(hypothesis);
  const references = corpusOf(reference, 'reference', single);
  const hypotheses = corpusOf(hypothesis, 'hypothesis', single);
  if (references.length !== hypotheses.length) {
    throw rangeError(
      'ERR_CTC_INVALID_LENGTH',
      `there are ${references.length} references and ${hypotheses.length} hypotheses`,
    );
  }
  const utterances: UtteranceErrors[] = [];
  const total = { errors: 0, substitutions: 0, referenceLength: 0, hypothesisLength: 0 };
  for (let n = 0; n < references.length; n++) {
    const expected = unitsOf(references[n], `reference[${n}]`, unit, form);
    const actual = unitsOf(hypotheses[n], `hypothesis[${n}]`, unit, form);
    const found = compare(expected, actual, withAlignment);
    utterances.push(found);
    total.errors += found.errors;
    total.substitutions += found.substitutions;
    total.referenceLength += found.referenceLength;
    total.hypothesisLength += found.hypothesisLength;
  }
  const counts = countsOf(
    total.errors,
    total.substitutions,
    total.referenceLength,
    total.hypothesisLength,
  );
  return { ...counts, utterances: utterances as UtteranceErrors<A>[] };
}

/** What {@link countErrors} finds: the CER's counts and the WER's. */
export interface TextErrors {
  readonly characters: ErrorCounts;
  readonly words: ErrorCounts;
}

/** What the addon counts: of characters, then of words, those of the reference, of the hypothesis, errors, substitutions. */
const textEdits = new Int32Array(8);

/** `errorRate` of two texts with its defaults, in both units, for callers inside the package that have many. */
export function countErrors(reference: string, hypothesis: string): TextErrors {
  if (isPlain(reference) && isPlain(hypothesis)) {
    if (native().countTextEdits(reference, hypothesis, textEdits)) {
      return {
        characters: countsOf(textEdits[2]!, textEdits[3]!, textEdits[0]!, textEdits[1]!),
        words: countsOf(textEdits[6]!, textEdits[7]!, textEdits[4]!, textEdits[5]!),
      };
    }
    return {
      characters: count(reference, hypothesis),
      words: count(plainWords(reference), plainWords(hypothesis)),
    };
  }
  const expected = reference.normalize();
  const actual = hypothesis.normalize();
  return {
    characters: count(splitGraphemes(expected), splitGraphemes(actual)),
    words: count(splitWords(expected), splitWords(actual)),
  };
}

type Unit = string | number;

/** Whether that is surely one transcript, and no corpus. */
function isUtterance(value: unknown): boolean {
  return (
    typeof value === 'string' ||
    typedArrayName(value) !== undefined ||
    (Array.isArray(value) && typeof value[0] === 'number')
  );
}

/** One transcript, or an array of them, as an array of them. */
function corpusOf(value: unknown, name: string, single: boolean): ArrayLike<unknown> {
  if (isUtterance(value)) return [value];
  if (!Array.isArray(value)) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} must be a string, an array of labels, or an array of those, not ${show(value)}`,
    );
  }
  return single && value.length === 0 ? [value] : value;
}

function unitsOf(
  value: unknown,
  name: string,
  unit: ErrorUnit,
  form: (typeof FORMS)[number],
): readonly Unit[] {
  if (typeof value === 'string') {
    const text = form === 'none' ? value : value.normalize(form);
    return unit === 'word' ? splitWords(text) : splitGraphemes(text);
  }
  if (typedArrayName(value) === undefined && !Array.isArray(value)) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `${name} must be a string or an array of labels, not ${show(value)}`,
    );
  }
  return copyNumbers(value as ArrayLike<unknown>, name);
}

function splitWords(text: string): string[] {
  const trimmed = text.trim();
  return trimmed === '' ? [] : trimmed.split(/\s+/u);
}

/**
 * Whether each code unit is a grapheme, and the text its own NFC: letters, syllables, ideographs and punctuation of
 * Latin, Greek, Cyrillic, Armenian, Japanese, Chinese and Korean, none of which joins a neighbour of these. The
 * segmenter takes some hundred times as long.
 */
function isPlain(text: string): boolean {
  return /^[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0373\u0375-\u037d\u037f-\u0386\u0388-\u0482\u048a-\u0556\u3000-\u3029\u3041-\u3096\u309b-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60]*$/.test(
    text,
  );
}

/** As `splitWords`, quickly where there is nothing to split. */
function plainWords(text: string): string[] {
  if (text.includes(' ') || text.includes('\u3000')) return splitWords(text);
  return text === '' ? [] : [text];
}

let segmenter: Intl.Segmenter | undefined;

/** User-perceived characters: a letter with its accents, a flag, a family emoji are one each. */
export function splitGraphemes(text: string): string[] {
  if (isPlain(text)) return text.split('');
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return Array.from(segmenter.segment(text), (part) => part.segment);
}

/** A minimal alignment has S + D + I errors and D - I = n - m, so D and I follow from the rest. */
function countsOf(errors: number, substitutions: number, n: number, m: number): ErrorCounts {
  const deletions = (errors - substitutions + n - m) / 2;
  const insertions = errors - substitutions - deletions;
  return {
    rate: n > 0 ? errors / n : errors > 0 ? Number.POSITIVE_INFINITY : 0,
    errors,
    substitutions,
    deletions,
    insertions,
    hits: n - substitutions - deletions,
    referenceLength: n,
    hypothesisLength: m,
  };
}

function compare(
  reference: ArrayLike<Unit>,
  hypothesis: ArrayLike<Unit>,
  withAlignment: boolean,
): UtteranceErrors {
  if (!withAlignment) return { ...count(reference, hypothesis), alignment: undefined };
  const [n, m] = [reference.length, hypothesis.length];
  const { a, b } = numberUnits(reference, n, hypothesis, m);
  const band = runBands(a, n, b, m, true);
  const alignment = trace(band.steps!, band, reference, hypothesis);
  return { ...countsOf(band.errors, band.substitutions, n, m), alignment };
}

function count(reference: ArrayLike<Unit>, hypothesis: ArrayLike<Unit>): ErrorCounts {
  let n = reference.length;
  let m = hypothesis.length;
  // Equal ends are paired, whatever comes before them.
  while (n > 0 && m > 0 && reference[n - 1] === hypothesis[m - 1]) {
    n -= 1;
    m -= 1;
  }
  // So are equal beginnings: distances behind them are those without them, and where the way back
  // reaches one, nothing but deletions or insertions is left to be done.
  let start = 0;
  while (start < n && start < m && reference[start] === hypothesis[start]) start += 1;
  n -= start;
  m -= start;
  let errors = n + m;
  let substitutions = 0;
  if (n === 1 && m === 1) {
    errors = 1;
    substitutions = 1;
  } else if (n > 0 && m > 0) {
    const { a, b, units } = numberUnits(reference, n, hypothesis, m, start);
    const found = fitsBits(n, m, units)
      ? countByBits(a, n, b, m, units)
      : runBands(a, n, b, m, false);
    errors = found.errors;
    substitutions = found.substitutions;
  }
  return countsOf(errors, substitutions, reference.length, hypothesis.length);
}

/** An alignment with few errors stays near the diagonal: bands are widened until one holds what it finds. */
function runBands(a: Int32Array, n: number, b: Int32Array, m: number, keepSteps: boolean): Band {
  const most = Math.max(n, m);
  let bound = Math.min(most, Math.max(8, Math.abs(n - m)));
  let band = runBand(a, n, b, m, bound, keepSteps);
  while (band.errors > bound) {
    bound = Math.min(most, 2 * bound);
    band = runBand(a, n, b, m, bound, keepSteps);
  }
  return band;
}

/** Memory that grows and is used again: small typed arrays are costly to allocate and to collect. */
class Scratch {
  #memory = new Int32Array(256);

  /** At least `length` places of unspecified content. */
  take(length: number): Int32Array {
    if (this.#memory.length < length) this.#memory = new Int32Array(2 * length);
    return this.#memory;
  }
}

const scratch = {
  reference: new Scratch(),
  hypothesis: new Scratch(),
  errors: new Scratch(),
  substitutions: new Scratch(),
};

/** The number of each code unit of a reference, 0 for others; all 0 between calls. */
let unitNumbers: Uint16Array | undefined;

/**
 * Numbers from 1 to `units` for `n` units of a reference, equal ones for equal units; and the same numbers for
 * `m` units of a hypothesis, 0 where the reference has no such unit. From place `start` of both.
 */
function numberUnits(
  reference: ArrayLike<Unit>,
  n: number,
  hypothesis: ArrayLike<Unit>,
  m: number,
  start = 0,
): { a: Int32Array; b: Int32Array; units: number } {
  const a = scratch.reference.take(n);
  const b = scratch.hypothesis.take(m);
  let units = 0;
  if (typeof reference === 'string' && typeof hypothesis === 'string') {
    unitNumbers ??= new Uint16Array(2 ** 16);
    const numbers = unitNumbers;
    for (let i = 0; i < n; i++) {
      const unit = reference.charCodeAt(start + i);
      if (numbers[unit] === 0) numbers[unit] = ++units;
      a[i] = numbers[unit]!;
    }
    for (let j = 0; j < m; j++) b[j] = numbers[hypothesis.charCodeAt(start + j)]!;
    for (let i = 0; i < n; i++) numbers[reference.charCodeAt(start + i)] = 0;
    return { a, b, units };
  }
  const numbers = new Map<Unit, number>();
  for (let i = 0; i < n; i++) {
    const unit = reference[start + i]!;
    let number = numbers.get(unit);
    if (number === undefined) {
      number = ++units;
      numbers.set(unit, number);
    }
    a[i] = number;
  }
  for (let j = 0; j < m; j++) b[j] = numbers.get(hypothesis[start + j]!) ?? 0;
  return { a, b, units };
}

const PAIR = 0;
const DELETE = 1;
const INSERT = 2;

interface Band {
  /** Exact when it does not exceed the bound. */
  readonly errors: number;
  readonly substitutions: number;
  /** Cell (i, j) is at place j - i + low of row i. */
  readonly low: number;
  readonly width: number;
  /** (n + 1) * width of PAIR, DELETE and INSERT. */
  readonly steps: Uint8Array | undefined;
}

/**
 * Edit distance over the cells that an alignment with at most `bound` errors can touch
 * (Ukkonen 1985). All predecessors that such an alignment could tie with lie inside as well, so
 * the choice among ties does not depend on the bound.
 */
function runBand(
  a: Int32Array,
  n: number,
  b: Int32Array,
  m: number,
  bound: number,
  keepSteps: boolean,
): Band {
  const low = Math.floor((bound + n - m) / 2);
  const high = Math.floor((bound - n + m) / 2);
  const width = low + high + 1;
  const steps = keepSteps ? stepTable((n + 1) * width) : undefined;
  const never = n + m + 1;
  // One more place at each side, never reached, spares the loop its border cases.
  const errors = scratch.errors.take(width + 2).fill(never, 0, width + 2);
  const substitutions = scratch.substitutions.take(width + 2).fill(0, 0, width + 2);
  for (let i = 0; i <= n; i++) {
    const begin = Math.max(0, low - i);
    const end = Math.min(width, m - i + low + 1);
    if (begin > 0) errors[begin] = never;
    for (let w = begin; w < end; w++) {
      const j = i + w - low;
      let best = never;
      let replaced = 0;
      let step = PAIR;
      if (i > 0 && j > 0) {
        const differs = a[i - 1] === b[j - 1] ? 0 : 1;
        best = (errors[w + 1] as number) + differs;
        replaced = (substitutions[w + 1] as number) + differs;
      } else if (i === 0 && j === 0) {
        best = 0;
      }
      if (i > 0 && (errors[w + 2] as number) + 1 < best) {
        best = (errors[w + 2] as number) + 1;
        replaced = substitutions[w + 2] as number;
        step = DELETE;
      }
      if (j > 0 && (errors[w] as number) + 1 < best) {
        best = (errors[w] as number) + 1;
        replaced = substitutions[w] as number;
        step = INSERT;
      }
      errors[w + 1] = best;
      substitutions[w + 1] = replaced;
      if (steps !== undefined) steps[i * width + w] = step;
    }
    if (end >= 0 && end < width) errors[end + 1] = never;
  }
  const last = m - n + low + 1;
  return {
    errors: errors[last] as number,
    substitutions: substitutions[last] as number,
    low,
    width,
    steps,
  };
}

function stepTable(size: number): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    throw ctcError('ERR_CTC_OUT_OF_MEMORY', 'not enough memory for the alignment', { cause });
  }
}

function trace(
  steps: Uint8Array,
  band: Band,
  reference: ArrayLike<Unit>,
  hypothesis: ArrayLike<Unit>,
): AlignedUnit[] {
  const aligned: AlignedUnit[] = [];
  let i = reference.length;
  let j = hypothesis.length;
  while (i > 0 || j > 0) {
    const step = steps[i * band.width + j - i + band.low];
    const expected = step === INSERT ? undefined : reference[--i];
    const actual = step === DELETE ? undefined : hypothesis[--j];
    const type =
      step === INSERT
        ? 'insertion'
        : step === DELETE
          ? 'deletion'
          : expected === actual
            ? 'hit'
            : 'substitution';
    aligned.push({ type, reference: expected, hypothesis: actual });
  }
  return aligned.reverse();
}
