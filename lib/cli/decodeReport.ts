// What `node-ctc decode` prints: a table and a summary for people, JSON Lines for machines.
// docs/decoding.md has the schema of the JSON.

import type { DecodedToken, DecodedWord } from '../decodeText.js';
import type { ErrorCounts } from '../metrics.js';
import type { DecodeRecord, Decoder, Hypothesis } from './decodeRun.js';
import type { DecodeSummary, ErrorSums } from './decodeSummary.js';
import type { Evaluation } from './evaluate.js';
import { describeArray, listFaults } from './lossReport.js';
import { clip, clipStart, columnsOf, count, padEnd, paletteFor, widthOf } from './terminal.js';

export interface Reporter {
  record(record: DecodeRecord): void;
  finish(summary: DecodeSummary): void;
}

export interface Context {
  evaluation: Evaluation;
  decoder: Decoder;
  warnings: readonly string[];
  /** Undefined: times are in frames alone. */
  frameSeconds: number | undefined;
}

/** On a terminal, columns of everything but the id: three numbers and a little text. */
const columnsBesideId = 50;

export function textReporter({ evaluation }: Context): Reporter {
  const { bold, dim, red } = paletteFor(process.stdout);
  const columns = columnsOf(process.stdout);
  // On a terminal a row is to stay one line; in a pipe everything is written out.
  const idLimit =
    columns === undefined ? Number.POSITIVE_INFINITY : Math.max(columns - columnsBesideId, 12);
  const { rows } = evaluation.manifest;
  const idWidth = rows.reduce(
    (most, { id }) => Math.min(Math.max(most, widthOf(clip(id))), idLimit),
    'id'.length,
  );
  const compared = rows.some(({ text }) => text !== undefined);
  const faults: DecodeRecord[] = [];
  const line = (text: string) => process.stdout.write(`${text.trimEnd()}\n`);

  function cells(id: string, frames: string, score: string, rate: string): string {
    const start = `${padEnd(clipStart(id, idLimit), idWidth)}  ${frames.padStart(6)}  ${score.padStart(10)}`;
    return compared ? `${start}  ${rate.padStart(6)}` : start;
  }
  function row(start: string, text: string): void {
    const room = columns === undefined ? undefined : Math.max(columns - widthOf(start) - 3, 12);
    line(`${start}  ${clip(text, room)}`);
  }

  // Not before something could be decoded: until then the options may turn out to be wrong.
  let headed = false;
  function head(): void {
    if (!headed) line(bold(`${cells('id', 'frames', 'score', 'CER')}  text`));
    headed = true;
  }

  return {
    record({ id, line: number, frames, status, reason, paths, characters }) {
      head();
      const [best, ...others] = paths;
      const length = frames === undefined ? '-' : String(frames);
      if (best === undefined) {
        line(`${cells(id, length, '-', '-')}  ${red(status)}`);
        faults.push({ id, line: number, status, reason } as DecodeRecord);
        return;
      }
      const rate = characters === undefined ? '-' : percent(characters.rate, 1);
      row(cells(id, length, scoreOf(best).toFixed(4), rate), best.text);
      for (const other of others) row(cells('', '', scoreOf(other).toFixed(4), ''), other.text);
    },
    finish(summary) {
      head();
      if (faults.length > 0) {
        line(`\n${bold(`Not decoded: ${count(faults.length, 'utterance')}`)}`);
        listFaults(faults, line);
      }
      line(`\n${bold('Summary')}`);
      line(`utterances  ${summary.utterances}`);
      line(`ok          ${summary.ok}`);
      for (const [status, n] of summary.statuses) {
        if (status !== 'ok') line(`${padEnd('', 12)}${n} ${red(status)}`);
      }
      showRate('CER', summary.characters, 'character');
      showRate('WER', summary.words, 'word');
    },
  };

  function showRate(name: string, sums: ErrorSums, unit: string): void {
    if (Number.isNaN(sums.rate)) return;
    const { errors, substitutions, deletions, insertions, referenceLength } = sums;
    const parts = `${substitutions} substituted, ${deletions} missing, ${insertions} inserted`;
    const note = `${errors} / ${count(referenceLength, unit)}: ${parts}`;
    line(`${padEnd(name, 12)}${padEnd(percent(sums.rate, 2), 10)}  ${dim(note)}`);
  }
}

/** There is none of an empty reference. */
const percent = (rate: number, digits: number) =>
  Number.isFinite(rate) ? `${(100 * rate).toFixed(digits)}%` : '-';

const scoreOf = ({ score, logProb }: Hypothesis) => score ?? logProb;

export function jsonReporter(context: Context): Reporter {
  const { evaluation, decoder, warnings, frameSeconds } = context;
  const write = (object: unknown) => process.stdout.write(`${JSON.stringify(object)}\n`);
  return {
    record(record) {
      write({
        type: 'utterance',
        index: record.index,
        id: record.id,
        line: record.line,
        status: record.status,
        reason: record.reason ?? null,
        frames: record.frames ?? null,
        reference: record.reference ?? null,
        cer: rateOf(record.characters),
        wer: rateOf(record.words),
        paths: record.paths.map((path) => ({
          text: path.text,
          score: scoreOf(path),
          logProb: path.logProb,
          tokens: path.tokens.map((token) => timed(token, frameSeconds)),
          words: path.words?.map((word) => timed(word, frameSeconds)) ?? null,
        })),
      });
    },
    finish(summary) {
      write({
        type: 'summary',
        utterances: summary.utterances,
        statuses: { ok: summary.ok, ...Object.fromEntries(summary.statuses) },
        cer: sumsOf(summary.characters),
        wer: sumsOf(summary.words),
        decoder: {
          beam: decoder.beam ?? null,
          wordDelimiter: decoder.wordDelimiter,
          frameSeconds: frameSeconds ?? null,
        },
        array: describeArray(evaluation),
        warnings,
      });
    },
  };
}

function timed<T extends DecodedToken | DecodedWord>(part: T, seconds: number | undefined): object {
  if (seconds === undefined) return part;
  // To the microsecond: 41 frames of 0.04 s are 1.64 s and not 1.6400000000000001.
  const time = (frame: number) => Math.round(frame * seconds * 1e6) / 1e6;
  return { ...part, startSeconds: time(part.start), endSeconds: time(part.end) };
}

function rateOf(counts: ErrorCounts | undefined): object | null {
  if (counts === undefined) return null;
  const { rate, errors, substitutions, deletions, insertions, referenceLength } = counts;
  return { rate, errors, substitutions, deletions, insertions, referenceLength };
}

function sumsOf(sums: ErrorSums): object | null {
  if (sums.utterances === 0) return null;
  const { rate, errors, substitutions, deletions, insertions, referenceLength, utterances } = sums;
  return { rate, errors, substitutions, deletions, insertions, referenceLength, utterances };
}
