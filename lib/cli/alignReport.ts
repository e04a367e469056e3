// What `node-ctc align` prints: a row for each word for people, JSON Lines, CTM, or TextGrid files.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../io/atomicFile.js';
import { ctmLine, ctmName } from '../io/ctm.js';
import { fileError } from '../io/file.js';
import { textGrid } from '../io/textGrid.js';
import { visible } from '../report/escape.js';
import type { AlignmentPlan, AlignmentRecord, TimedPiece } from './alignment.js';
import { describeArray } from './lossReport.js';
import { clip, clipStart, columnsOf, count, padEnd, paletteFor, widthOf } from './terminal.js';

export type Tier = 'words' | 'characters';

export interface ReportOptions {
  tier: Tier;
  /** undefined: times are frames. */
  frameSeconds: number | undefined;
}

export interface AlignReporter {
  record(record: AlignmentRecord): void | Promise<void>;
  finish(): void;
}

/** Beyond these, faults are only counted; --json gives every one. */
const listedFaults = 20;

/** Words or characters of the utterances that are `ok`, and how many there were. */
class Tally {
  utterances = 0;
  readonly statuses = new Map<string, number>([['ok', 0]]);
  readonly faults: AlignmentRecord[] = [];

  add(record: AlignmentRecord): void {
    this.utterances += 1;
    this.statuses.set(record.status, (this.statuses.get(record.status) ?? 0) + 1);
    if (record.status !== 'ok') this.faults.push(record);
  }

  /** Why some were not aligned. */
  faultLines(stream: NodeJS.WriteStream): string[] {
    const { bold, dim, red } = paletteFor(stream);
    if (this.faults.length === 0) return [];
    const lines = [bold(`Not aligned: ${count(this.faults.length, 'utterance')}`)];
    for (const { id, line, status, reason } of this.faults.slice(0, listedFaults)) {
      lines.push(`${clip(id)} ${dim(`(line ${line})`)} ${red(status)}: ${clip(reason ?? '')}`);
    }
    const more = this.faults.length - listedFaults;
    if (more > 0) lines.push(dim(`and ${more} more; --json gives every reason`));
    return lines;
  }
}

export function textReporter(plan: AlignmentPlan, options: ReportOptions): AlignReporter {
  const { bold } = paletteFor(process.stdout);
  const columns = columnsOf(process.stdout);
  const idLimit = columns === undefined ? Number.POSITIVE_INFINITY : Math.max(columns - 50, 12);
  const { rows } = plan.evaluation.manifest;
  const idWidth = rows.reduce(
    (most, { id }) => Math.min(Math.max(most, widthOf(clip(id))), idLimit),
    'id'.length,
  );
  const tally = new Tally();
  const line = (text: string) => process.stdout.write(`${text.trimEnd()}\n`);
  const { tier, frameSeconds } = options;
  const digits = (frames: number) =>
    frameSeconds === undefined ? String(frames) : (frames * frameSeconds).toFixed(3);
  const cells = (id: string, start: string, end: string, score: string, text: string) =>
    `${padEnd(clipStart(id, idLimit), idWidth)}  ${start.padStart(9)}  ${end.padStart(9)}  ${score.padStart(6)}  ${text}`;
  const unit = frameSeconds === undefined ? 'frame' : 's';
  line(bold(cells('id', `from ${unit}`, `to ${unit}`, 'mean p', tier.slice(0, -1))));
  return {
    record(record) {
      tally.add(record);
      for (const { start, end, score, text } of record[tier] ?? []) {
        const shown = tier === 'words' ? clip(text) : visible(text);
        line(cells(record.id, digits(start), digits(end), score.toFixed(4), shown));
      }
    },
    finish() {
      const faults = tally.faultLines(process.stdout);
      if (faults.length > 0) line(`\n${faults.join('\n')}`);
    },
  };
}

export function jsonReporter(
  { evaluation, star }: AlignmentPlan,
  { frameSeconds }: ReportOptions,
  warnings: readonly string[],
): AlignReporter {
  const write = (object: unknown) => process.stdout.write(`${JSON.stringify(object)}\n`);
  const tally = new Tally();
  const seconds = (frames: number) =>
    frameSeconds === undefined ? null : Math.round(frames * frameSeconds * 1e6) / 1e6;
  const piece = ({ text, start, end, score }: TimedPiece) => ({
    text,
    startFrame: start,
    endFrame: end,
    start: seconds(start),
    end: seconds(end),
    score,
  });
  return {
    record(record) {
      tally.add(record);
      write({
        type: 'utterance',
        index: record.index,
        id: record.id,
        line: record.line,
        status: record.status,
        reason: record.reason ?? null,
        text: record.text,
        frames: record.frames ?? null,
        labels: record.labels ?? null,
        framesNeeded: record.framesNeeded ?? null,
        logProbability: record.score ?? null,
        words: record.words?.map(piece) ?? null,
        characters: record.characters?.map(piece) ?? null,
      });
    },
    finish() {
      write({
        type: 'summary',
        utterances: tally.utterances,
        statuses: Object.fromEntries(tally.statuses),
        frameSeconds: frameSeconds ?? null,
        star: star ?? null,
        array: describeArray(evaluation),
        warnings,
      });
    },
  };
}

/** Seconds are known here. Utterances that were not aligned become comments. */
export function ctmReporter(
  { tier, frameSeconds = 1 }: ReportOptions,
  warn: (message: string) => void,
): AlignReporter {
  let renamed = false;
  return {
    record(record) {
      const { id, status, reason } = record;
      if (ctmName(id) !== id && !renamed) {
        renamed = true;
        warn(`CTM has no room for white space in ids: "${id}" is written as ${ctmName(id)}`);
      }
      if (status !== 'ok') {
        process.stdout.write(`;; ${ctmName(id)} ${status}: ${clip(reason ?? '')}\n`);
        return;
      }
      for (const { start, end, score, text } of record[tier]!) {
        const shown = text === ' ' ? '<space>' : text;
        process.stdout.write(
          ctmLine(id, { start: start * frameSeconds, end: end * frameSeconds, text: shown, score }),
        );
      }
    },
    finish() {},
  };
}

/** One file for each utterance in `folder`, or the only one on standard output. */
export function textGridReporter(
  { frameSeconds = 1 }: ReportOptions,
  folder: string | undefined,
): AlignReporter {
  const tally = new Tally();
  const taken = new Set<string>();
  let written = 0;
  return {
    async record(record) {
      tally.add(record);
      if (record.status !== 'ok') return;
      const intervals = (pieces: TimedPiece[]) =>
        pieces.map(({ start, end, text }) => ({
          start: start * frameSeconds,
          end: end * frameSeconds,
          text,
        }));
      const grid = textGrid(
        [
          { name: 'words', intervals: intervals(record.words!) },
          { name: 'characters', intervals: intervals(record.characters!) },
        ],
        record.frames! * frameSeconds,
      );
      if (folder === undefined) {
        process.stdout.write(grid);
        return;
      }
      const path = join(folder, `${fileNameOf(record, taken)}.TextGrid`);
      makeFolder(folder);
      try {
        await writeFile(path, grid);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        throw fileError(path, `cannot be written (${code})`, 'Check the folder', error);
      }
      written += 1;
    },
    finish() {
      for (const line of tally.faultLines(process.stderr)) process.stderr.write(`${line}\n`);
      if (folder !== undefined)
        process.stdout.write(`${count(written, 'file')} in ${clip(folder)}\n`);
    },
  };
}

/** An id as a file's name: no folders, nothing hidden, and no other utterance's. */
function fileNameOf({ id, index }: AlignmentRecord, taken: Set<string>): string {
  let name = id
    .replace(/[^\p{L}\p{N}\p{M}._-]/gu, '_')
    .replace(/^\./, '_')
    .slice(0, 150);
  // Some file systems do not tell upper and lower case apart.
  if (taken.has(name.toLowerCase())) name = `${name}-${index}`;
  taken.add(name.toLowerCase());
  return name;
}
