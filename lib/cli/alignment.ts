// Aligns a manifest's texts with model outputs, a bounded part of them at a time.
// Nothing is printed here: records come out in the order of the manifest.

import { forcedAlign, type Star } from '../align.js';
import { Role, resolveSpelling, type Spelling } from '../decodeText.js';
import { describeInfeasible, describeNonfinite } from '../eval/outputs.js';
import { type SourceBatch, tensorOf } from '../io/source.js';
import { makeTokenizer } from '../io/tokens.js';
import { groupWords, type TokenSpan } from '../spans.js';
import {
  type CheckedRow,
  checkRow,
  type Evaluation,
  readParts,
  recordOf,
  type UtteranceRecord,
} from './evaluate.js';
import { UsageError } from './exit.js';

/** A piece of an utterance, in frames; `end` is the one after its last. */
export interface TimedPiece {
  text: string;
  start: number;
  end: number;
  /** Mean probability over its frames, of a word over its characters. */
  score: number;
}

export interface AlignmentRecord extends UtteranceRecord {
  /** Natural log of the best path's probability; undefined unless `status` is 'ok', as are these. */
  score?: number;
  words?: TimedPiece[];
  characters?: TimedPiece[];
}

/** An evaluation with what alignment needs beside it. */
export interface AlignmentPlan {
  evaluation: Evaluation;
  spelling: Spelling;
  /** The symbol of stars in texts, and what they stand for. */
  star: { symbol: string; means: Star } | undefined;
}

/** Throws UsageError where the options do not fit the tokens. */
export function planAlignment(
  evaluation: Evaluation,
  options: { wordDelimiter?: string; star?: string; starMeans?: Star },
): AlignmentPlan {
  const { symbols, classes, blank } = evaluation;
  const { wordDelimiter, star: symbol, starMeans: means = 'anything' } = options;
  let spelling: Spelling;
  try {
    // There are symbols, so there is a spelling.
    spelling = resolveSpelling(symbols, wordDelimiter, classes, blank)!;
  } catch (error) {
    const reason = (error as Error).message.replace('wordDelimiter', '--word-delimiter');
    throw new UsageError(reason, { cause: error });
  }
  if (symbol === undefined) return { evaluation, spelling, star: undefined };
  if (symbol === '') throw new UsageError('--star is empty');
  if (symbols.includes(symbol)) {
    throw new UsageError(`--star is '${symbol}', which is a token: take a symbol that is none`);
  }
  const tokenize = makeTokenizer([...symbols, symbol], blank);
  return { evaluation: { ...evaluation, tokenize }, spelling, star: { symbol, means } };
}

/** The records of all rows, in order. */
export async function* alignAll(plan: AlignmentPlan): AsyncGenerator<AlignmentRecord> {
  const { evaluation } = plan;
  for await (const { rows, outputs } of readParts(evaluation)) {
    const checked = rows.map((row) => checkRow(evaluation, row, outputs));
    yield* await alignPart(plan, outputs, checked);
  }
}

async function alignPart(
  plan: AlignmentPlan,
  outputs: SourceBatch | undefined,
  rows: CheckedRow[],
): Promise<AlignmentRecord[]> {
  if (outputs === undefined) return rows.map(recordOf);
  const { blank, classes, options } = plan.evaluation;
  const read = rows.filter(({ slot }) => slot !== undefined);
  const result = await forcedAlign(
    tensorOf(outputs),
    read.map(({ targets }) => targets),
    {
      // An utterance that is not aligned takes part with no frames and no labels.
      inputLengths: read.map(({ length }) => length),
      blank,
      input: options.input,
      star: plan.star?.means,
      threads: options.threads,
      // The buffer is read anew only after the promise settles.
      buffers: 'borrow',
      signal: options.signal,
    },
  );
  return rows.map((checked) => {
    const record = recordOf(checked);
    if (record.status !== 'ok') return record;
    const { targets, length } = checked;
    const n = checked.slot!;
    const { status, score, spans } = result.utterances[n]!;
    if (status === 'infeasible') {
      return { ...record, status, reason: describeInfeasible(record) };
    }
    if (status === 'nonfinite') {
      const readsAll = options.input === 'logits' || targets.includes(classes);
      const used = readsAll ? undefined : [blank, ...targets];
      return { ...record, status, reason: describeNonfinite(outputs, n, length, used) };
    }
    return { ...record, score, ...piecesOf(plan, spans) };
  });
}

function piecesOf(
  { evaluation: { classes }, spelling, star }: AlignmentPlan,
  spans: readonly TokenSpan[],
): { words: TimedPiece[]; characters: TimedPiece[] } {
  const { pieces, roles, delimiter } = spelling;
  const textOf = ({ token }: TokenSpan) => (token === classes ? star!.symbol : pieces[token]!);
  const words = groupWords(spans, ({ token }) => {
    if (roles[token] === Role.delimiter) return 'between';
    return roles[token] === Role.starts ? 'starts' : 'inside';
  });
  const characters = spans.map((span) => {
    const { token, start, end, score } = span;
    const isDelimiter = roles[token] === Role.delimiter;
    return { text: isDelimiter ? delimiter! : textOf(span), start, end, score };
  });
  return {
    words: words.map(({ start, end, score, spans: parts }) => ({
      text: parts.map(textOf).join(''),
      start,
      end,
      score,
    })),
    characters,
  };
}
