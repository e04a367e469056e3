import { rangeError, show, typeError } from './errors.js';
import { type IntegerArray, integer } from './options.js';
import { typedArrayName } from './tensor.js';
import { type IntegerSource, integerSource, notInteger, readInteger } from './validate.js';

/** Where a label lies. */
export interface TokenSpan {
  /** The label. */
  readonly token: number;
  /** First frame. */
  readonly start: number;
  /** The frame after the last. */
  readonly end: number;
  /** Mean over the frames of the span; for {@link forcedAlign} of the label's probability. */
  readonly score: number;
}

/**
 * Merges a frame-by-frame path into spans, as torchaudio's `merge_tokens` does: runs of the same
 * label become one span, blanks are dropped, and a span's score is the mean of its frames' scores.
 *
 * @param tokens - The label of each frame, for example {@link Alignment.labels}.
 * @param scores - A score for each frame: probabilities, or log-probabilities as in torchaudio.
 * @param blank - Default: 0.
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`; RangeError `ERR_CTC_INVALID_LABEL`, `ERR_CTC_INVALID_LENGTH`,
 * `ERR_CTC_OUT_OF_RANGE`.
 */
export function mergeTokens(
  tokens: IntegerArray,
  scores: readonly number[] | Float32Array | Float64Array,
  blank = 0,
): TokenSpan[] {
  const labels = integerSource(tokens, 'tokens');
  if (labels === undefined) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `tokens must be an array of labels, one for each frame, not ${show(tokens)}`,
    );
  }
  if (!Array.isArray(scores) && !/^Float(16|32|64)Array$/.test(typedArrayName(scores) ?? '')) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `scores must be an array of numbers, one for each frame, not ${show(scores)}`,
    );
  }
  const count = labels.length;
  if (scores.length !== count) {
    throw rangeError(
      'ERR_CTC_INVALID_LENGTH',
      `there are ${count} tokens and ${scores.length} scores; there must be one for each frame`,
    );
  }
  const skipped = integer(blank, 'blank', 0, 0x7fffffff, 0);
  const spans: TokenSpan[] = [];
  let start = 0;
  while (start < count) {
    const token = labelAt(labels, start);
    let sum = 0;
    let end = start;
    while (end < count && labelAt(labels, end) === token) sum += scoreAt(scores, end++);
    if (token !== skipped) spans.push({ token, start, end, score: sum / (end - start) });
    start = end;
  }
  return spans;
}

function labelAt(labels: IntegerSource, frame: number): number {
  const label = readInteger(labels, frame);
  if (label >= 0) return label;
  const place = `tokens[${frame}]`;
  throw (
    notInteger(labels, frame, place, 'ERR_CTC_INVALID_LABEL') ??
    rangeError(
      'ERR_CTC_INVALID_LABEL',
      `${place} is ${labels.numbers[frame]}; labels are integers from 0`,
    )
  );
}

function scoreAt(scores: ArrayLike<number>, frame: number): number {
  const score: unknown = scores[frame];
  if (typeof score === 'number') return score;
  throw typeError(
    'ERR_CTC_INVALID_ARG_TYPE',
    `scores[${frame}] must be a number, not ${show(score)}`,
  );
}

/** Consecutive spans between delimiters. */
export interface WordSpan {
  /** First frame of the first span. */
  readonly start: number;
  /** The frame after the last span's last. */
  readonly end: number;
  /** Mean of the spans' scores. */
  readonly score: number;
  /** The labels, in order. */
  readonly spans: readonly TokenSpan[];
}

/**
 * Groups spans into words at a delimiter label, which belongs to no word.
 *
 * @throws TypeError `ERR_CTC_INVALID_ARG_TYPE`; RangeError `ERR_CTC_OUT_OF_RANGE` for the delimiter.
 */
export function wordSpans(spans: readonly TokenSpan[], delimiter: number): WordSpan[] {
  const label = integer(delimiter, 'delimiter', 0, 0x7fffffff, -1);
  if (label < 0) {
    throw typeError('ERR_CTC_INVALID_ARG_TYPE', 'delimiter must be the label between words');
  }
  return groupWords(copySpans(spans), ({ token }) => (token === label ? 'between' : 'inside'));
}

function copySpans(spans: unknown): TokenSpan[] {
  if (!Array.isArray(spans)) {
    throw typeError(
      'ERR_CTC_INVALID_ARG_TYPE',
      `spans must be an array of spans, not ${show(spans)}`,
    );
  }
  const copy: TokenSpan[] = [];
  const count = spans.length;
  for (let i = 0; i < count; i++) {
    const span = spans[i] as Partial<TokenSpan> | null | undefined;
    const numbers = [span?.token, span?.start, span?.end, span?.score];
    if (!numbers.every((number) => typeof number === 'number')) {
      throw typeError(
        'ERR_CTC_INVALID_ARG_TYPE',
        `spans[${i}] must have numbers as token, start, end and score`,
      );
    }
    copy.push(span as TokenSpan);
  }
  return copy;
}

/** What a span is to words: part of one, the first part of one, or between two. */
export type WordRole = 'inside' | 'starts' | 'between';

/** Groups spans into words by what each of them is. */
export function groupWords(
  spans: readonly TokenSpan[],
  roleOf: (span: TokenSpan) => WordRole,
): WordSpan[] {
  const words: TokenSpan[][] = [];
  let open: TokenSpan[] | undefined;
  for (const span of spans) {
    const role = roleOf(span);
    if (role === 'between') {
      open = undefined;
    } else if (open === undefined || role === 'starts') {
      open = [span];
      words.push(open);
    } else {
      open.push(span);
    }
  }
  return words.map((word) => ({
    start: word[0]!.start,
    end: word.at(-1)!.end,
    score: word.reduce((sum, { score }) => sum + score, 0) / word.length,
    spans: word,
  }));
}
