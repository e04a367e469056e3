// What `node-ctc loss` prints: a table and a summary for people, JSON Lines for machines.
// docs/cli.md has the schema of the JSON.

import type { Evaluation, UtteranceRecord } from './evaluate.js';
import { perLabel, type Summary } from './summary.js';
import { clip, clipStart, columnsOf, count, padEnd, paletteFor, widthOf } from './terminal.js';

export interface Reporter {
  record(record: UtteranceRecord): void;
  finish(summary: Summary): void;
}

/** Beyond these, faults are only counted: every one is in the table above, too. */
const listedFaults = 20;
/** On a terminal, columns of everything but the id: four numbers and a little text. */
const columnsBesideId = 55;

/** What went wrong with utterances, a line each; `line` prints one. */
export function listFaults(
  faults: readonly { id: string; line: number; status: string; reason?: string }[],
  line: (text: string) => void,
): void {
  const { dim, red } = paletteFor(process.stdout);
  for (const { id, line: number, status, reason } of faults.slice(0, listedFaults)) {
    line(`${clip(id)} ${dim(`(line ${number})`)} ${red(status)}: ${clip(reason ?? '')}`);
  }
  const more = faults.length - listedFaults;
  if (more > 0) line(dim(`and ${more} more; --json gives every reason`));
}

/** The model outputs as the summaries in JSON describe them. */
export function describeArray({ source, path, options, blank }: Evaluation): object {
  const { format, shape, type } = source;
  return {
    file: path,
    format,
    // Each utterance has its own, T x C, where they do not lie in one array.
    shape: shape ?? null,
    layout: shape?.length === 3 ? options.layout : 'TC',
    type,
    input: options.input,
    blank,
  };
}

export function textReporter(evaluation: Evaluation): Reporter {
  const { bold, dim, red } = paletteFor(process.stdout);
  const columns = columnsOf(process.stdout);
  // On a terminal a row is to stay one line; in a pipe everything is written out.
  const idLimit =
    columns === undefined ? Number.POSITIVE_INFINITY : Math.max(columns - columnsBesideId, 12);
  const idWidth = evaluation.manifest.rows.reduce(
    (most, { id }) => Math.min(Math.max(most, widthOf(clip(id))), idLimit),
    'id'.length,
  );
  const faults: UtteranceRecord[] = [];
  const line = (text: string) => process.stdout.write(`${text.trimEnd()}\n`);

  function cells(id: string, ...numbers: [string, string, string, string]): string {
    const [frames, labels, loss, ratio] = numbers;
    return `${padEnd(clipStart(id, idLimit), idWidth)}  ${frames.padStart(6)}  ${labels.padStart(6)}  ${loss.padStart(10)}  ${ratio.padStart(10)}`;
  }

  function row(record: UtteranceRecord): void {
    const { id, frames, labels, loss, status, text } = record;
    const start = cells(
      id,
      frames === undefined ? '-' : String(frames),
      labels === undefined ? '-' : String(labels),
      loss === undefined ? '-' : loss.toFixed(4),
      loss === undefined ? '-' : perLabel(record)!.toFixed(4),
    );
    const room = columns === undefined ? undefined : Math.max(columns - widthOf(start) - 3, 12);
    line(`${start}  ${status === 'ok' ? clip(text, room) : red(status)}`);
  }

  const header = cells('id', 'frames', 'labels', 'loss', 'loss/label');
  line(bold(`${header}  text`));

  return {
    record(record) {
      row(record);
      if (record.status !== 'ok') faults.push(record);
    },
    finish(summary) {
      if (faults.length > 0) {
        line(`\n${bold(`Not evaluated: ${count(faults.length, 'utterance')}`)}`);
        listFaults(faults, line);
      }
      if (summary.worst.length > 0) {
        line(`\n${bold('Worst by loss per label')}`);
        for (const { record } of summary.worst) row(record);
      }
      line(`\n${bold('Summary')}`);
      const others = [...summary.statuses].filter(([status]) => status !== 'ok');
      line(`utterances  ${summary.utterances}`);
      line(`ok          ${summary.ok}`);
      for (const [status, n] of others) line(`${padEnd('', 12)}${n} ${red(status)}`);
      if (summary.ok === 0) return;
      line(`loss sum    ${summary.sum.toFixed(6)}`);
      line(
        `loss mean   ${summary.mean.toFixed(8)}  ${dim("each loss / its labels, then the mean: PyTorch's")}`,
      );
      line(
        `per label   ${summary.perLabel.toFixed(8)}  ${dim(`sum of losses / ${count(summary.labels, 'label')}`)}`,
      );
    },
  };
}

export function jsonReporter(evaluation: Evaluation, warnings: readonly string[]): Reporter {
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
        text: record.text,
        frames: record.frames ?? null,
        labels: record.labels ?? null,
        framesNeeded: record.framesNeeded ?? null,
        loss: record.loss ?? null,
        lossPerLabel: perLabel(record) ?? null,
      });
    },
    finish(summary) {
      write({
        type: 'summary',
        utterances: summary.utterances,
        statuses: { ok: summary.ok, ...Object.fromEntries(summary.statuses) },
        labels: summary.labels,
        loss: {
          sum: summary.sum,
          // NaN where nothing could be evaluated; JSON writes null.
          mean: summary.mean,
          perLabel: summary.perLabel,
        },
        worst: summary.worst.map(({ record, lossPerLabel }) => ({
          index: record.index,
          id: record.id,
          loss: record.loss,
          lossPerLabel,
        })),
        array: describeArray(evaluation),
        warnings,
      });
    },
  };
}
