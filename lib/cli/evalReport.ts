// What `node-ctc eval` and `node-ctc merge` print. docs/eval.md has the schema of the JSON.

import type { EvalRecord } from '../eval/record.js';
import type { SummaryFile } from '../eval/report.js';
import type { RunResult } from '../eval/run.js';
import { type Shard, wholeRun } from '../eval/shard.js';
import type { CorpusErrors, Ranked } from '../eval/statistics.js';
import {
  clip,
  clipStart,
  columnsOf,
  count,
  padEnd,
  paletteFor,
  showWarning,
  widthOf,
} from './terminal.js';

export { showWarning };

/** Writes records as JSON Lines; resolves when the reader of the output has kept up. */
export async function writeRecords(records: EvalRecord[]): Promise<void> {
  const lines = records.map((record) => `${JSON.stringify({ type: 'utterance', ...record })}\n`);
  if (process.stdout.write(lines.join(''))) return;
  await new Promise((resolve) => process.stdout.once('drain', resolve));
}

interface Shown {
  json?: boolean;
  shard?: Shard;
  /** The page that was written. */
  html?: string;
}

export function showResult({ summary, results, already }: RunResult, shown: Shown): void {
  if (already) process.stderr.write('complete already: nothing was left to do\n');
  for (const warning of already ? summary.warnings : []) {
    process.stderr.write(`${paletteFor(process.stderr).yellow('warning:')} ${clip(warning)}\n`);
  }
  if (summary.settings.manifest.utterances === 0) showWarning('no utterances were read');
  const { unreadable = 0 } = summary.statuses;
  if (unreadable > 0) {
    const { red } = paletteFor(process.stderr);
    const where = results === undefined ? '--json gives' : `${clip(results)} has`;
    process.stderr.write(
      `${red('error:')} ${count(unreadable, 'utterance')} could not be read; ${where} the reason of each\n`,
    );
  }
  if (shown.json) process.stdout.write(`${JSON.stringify({ type: 'summary', ...summary })}\n`);
  else printSummary(summary, [results, shown.html], shown.shard ?? wholeRun);
}

/** After a failure: how the work that is done is used. */
export function showHowToResume(done: number): void {
  const command = ['node-ctc', ...process.argv.slice(2)].map(quoteForShell);
  if (!command.includes('--resume')) command.push('--resume');
  const kept = command.filter((word) => word !== '--overwrite');
  process.stderr.write(
    `${count(done, 'utterance')} done and kept. To go on:\n  ${kept.join(' ')}\n`,
  );
}

function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${clip(word).replaceAll("'", `'\\''`)}'`;
}

function printSummary(
  summary: SummaryFile,
  written: readonly (string | undefined)[],
  shard: Shard,
): void {
  const { bold, dim, red } = paletteFor(process.stdout);
  const line = (text = '') => process.stdout.write(`${text.trimEnd()}\n`);
  if (summary.worst.length > 0) {
    line(bold('Worst by loss per label'));
    printWorst(summary.worst, line);
    line();
  }
  const part = shard.count > 1 ? ` of shard ${shard.index} of ${shard.count}` : '';
  line(bold(`Summary${part}`));
  const { loss, cer, wer, statuses, outliers, quartiles } = summary;
  const row = (name: string, value: string, note = '') =>
    line(`${padEnd(name, 12)}${padEnd(value, 12)}${note === '' ? '' : `  ${dim(note)}`}`);
  row('utterances', String(summary.utterances));
  row('ok', String(statuses.ok ?? 0));
  for (const [status, n] of Object.entries(statuses)) {
    if (status !== 'ok') line(`${padEnd('', 12)}${n} ${red(status)}`);
  }
  if (summary.unusedOutputs > 0 && shard.count === 1) {
    row('unused', String(summary.unusedOutputs), 'utterances in the data that no row names');
  }
  if (statuses.ok) {
    row('loss sum', loss.sum.toFixed(6));
    row('loss mean', show(loss.mean, 8), "each loss / its labels, then the mean: PyTorch's");
    row('per label', show(loss.perLabel, 8), `sum of losses / ${count(summary.labels, 'label')}`);
    row('per frame', show(loss.perFrame, 8), `sum of losses / ${count(summary.frames, 'frame')}`);
  }
  printErrors('CER', cer, 'character', row);
  printErrors('WER', wer, 'word', row);
  row('blank ratio', show(summary.blankRatio, 4));
  row('confidence', show(summary.confidence, 4), 'mean probability of the greedy labels');
  if (quartiles && outliers) {
    const { lower, median, upper } = quartiles;
    const spread = `quartiles of loss/label ${lower.toFixed(3)}, ${median.toFixed(3)}, ${upper.toFixed(3)}`;
    row(
      'outliers',
      String(outliers.count),
      `loss/label from ${outliers.above.toFixed(3)}; ${spread}`,
    );
  }
  const files = written.filter((path) => path !== undefined).map((path) => clip(path));
  if (files.length > 0) line(`\nWritten: ${files.join(', ')}`);
}

function printErrors(
  name: string,
  { rate, errors, substitutions, deletions, insertions, reference }: CorpusErrors,
  unit: string,
  row: (name: string, value: string, note: string) => void,
): void {
  if (rate === null) return;
  const parts = `${substitutions} substituted, ${deletions} missing, ${insertions} inserted`;
  const note = `${errors} / ${count(reference, unit)}: ${parts}`;
  row(name, `${(100 * rate).toFixed(2)}%`, note);
}

function printWorst(worst: readonly Ranked[], line: (text: string) => void): void {
  const { dim } = paletteFor(process.stdout);
  const columns = columnsOf(process.stdout);
  const limit = columns === undefined ? Number.POSITIVE_INFINITY : Math.max(columns - 60, 12);
  const width = worst.reduce(
    (most, { id }) => Math.min(Math.max(most, widthOf(clip(id))), limit),
    2,
  );
  const cells = (id: string, loss: string, ratio: string, cer: string) =>
    `${padEnd(clipStart(id, limit), width)}  ${loss.padStart(10)}  ${ratio.padStart(10)}  ${cer.padStart(7)}`;
  line(`${cells('id', 'loss', 'loss/label', 'CER')}  text / greedy text`);
  for (const { id, loss, lossPerLabel, cer, text, greedyText } of worst) {
    const rate = cer === null ? '-' : `${(100 * cer).toFixed(1)}%`;
    const start = cells(id, loss!.toFixed(4), lossPerLabel!.toFixed(4), rate);
    const room = columns === undefined ? undefined : Math.max(columns - widthOf(start) - 3, 12);
    line(`${start}  ${clip(text, room)}`);
    line(`${' '.repeat(widthOf(start))}  ${dim(clip(greedyText ?? '-', room))}`);
  }
}

function show(value: number | null, digits: number): string {
  return value === null ? '-' : value.toFixed(digits);
}
