// `node-ctc eval`: the options, and the run from files to summary.

import { setFlagsFromString } from 'node:v8';
import { type Command, Option } from 'commander';
import type { Format } from '../eval/formats.js';
import type { Page } from '../eval/page.js';
import type { SummaryFile } from '../eval/report.js';
import type { Shard } from '../eval/shard.js';
import { exitCodes, UsageError } from './exit.js';
import { addArrayOptions, addRunOptions, integerFrom, numberFrom } from './options.js';

interface EvalOptions {
  manifest?: string;
  tokens: string;
  out?: string;
  format?: Format;
  resume?: boolean;
  overwrite?: boolean;
  html?: string;
  shard?: string;
  shards?: number;
  blank?: number;
  layout: 'TNC' | 'NTC';
  input: 'logits' | 'logProbs';
  array?: string;
  idColumn?: string;
  bfloat16?: boolean;
  wordDelimiter?: string;
  worst: number;
  threads?: number;
  batchMb: number;
  strict?: boolean;
  json?: boolean;
  quiet?: boolean;
}

const examples = `
Examples:
  # A summary: loss, CER, WER, the worst utterances
  node-ctc eval logits.npy --manifest manifest.jsonl --tokens tokens.txt

  # A record for every utterance as well; goes on where it stopped if run again
  node-ctc eval logits.npy --manifest manifest.jsonl --tokens tokens.txt \\
    --out results --resume

  # A page to look at
  node-ctc eval logits.npy --manifest manifest.jsonl --tokens tokens.txt \\
    --html report.html

  # What another program writes, one utterance a line
  my-model | node-ctc eval - --tokens tokens.txt --json

  # One of ten parts; on Kubernetes, Slurm and AWS Batch --shards 10 is enough
  node-ctc eval logits.npy --manifest manifest.jsonl --tokens tokens.txt \\
    --out results --shard 3/10
  node-ctc merge results

  # The ids of utterances with a word error rate above a half, with jq
  node-ctc eval logits.npy --manifest manifest.jsonl --tokens tokens.txt \\
    --json | jq -r 'select(.type == "utterance" and .wer > 0.5).id'

Exit codes: 0 done, 1 some utterances could not be evaluated (--strict), 2 wrong
usage, 3 a file cannot be read or written, 4 the engine failed, 130 interrupted.
docs/eval.md tells the rest.
`;

export function register(program: Command): void {
  const command = program
    .command('eval')
    .description(
      'Evaluate model outputs against a manifest: losses, greedy texts, character and word error rates.',
    )
    .usage('<DATA...> --manifest <file> --tokens <file> [options]')
    .argument('<DATA...>', 'the model outputs; - for JSON Lines on standard input')
    .option('--manifest <file>', 'ids, texts and frames (required, but for JSON Lines)');
  addArrayOptions(command)
    .option(
      '--word-delimiter <token>',
      'between words, or at their beginning; "" for none (default: the space, | or ▁ among the tokens)',
    )
    .option('--out <folder>', 'write a record for every utterance, and the summary, here')
    .addOption(
      new Option('--format <format>', 'of the records (default: jsonl)').choices([
        'jsonl',
        'csv',
        'parquet',
      ]),
    )
    .option('--html <file>', 'write a page to look at: distributions, worst cases, a table')
    .option('--resume', 'go on with what an earlier run left in the folder')
    .option('--overwrite', 'replace what an earlier run left in the folder')
    .option('--shard <i/n>', 'evaluate part i of n, from 0')
    .option('--shards <n>', 'the same; the job scheduler tells i', integerFrom(1, 9999999))
    .option('--worst <k>', 'how many of the worst utterances to list', integerFrom(0, 100000), 10)
    .option('--batch-mb <n>', 'megabytes to read at a time', numberFrom(0.01, 2047), 16);
  addRunOptions(command, {
    json: 'write JSON Lines: without --out an object per utterance, then a summary',
    failed: 'an utterance could not be evaluated',
  })
    .option('--quiet', 'no progress bar')
    .addHelpText('after', examples)
    .action(run);
}

async function run(data: string[], options: EvalOptions): Promise<void> {
  // Most of what is allocated lives for one batch. V8 would let its heap grow by 50 MB before it collects that, for
  // no speed that can be measured.
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=50');
  const shard = await chooseShard(options);
  checkOptions(data, options, shard);
  const stop = stopOnSignals();
  try {
    const summary = isStream(data)
      ? await runStream(data[0]!, options, stop.signal)
      : await runFiles(data, options, shard, stop.signal);
    const { ok = 0, unreadable = 0 } = summary.statuses;
    // An empty shard has nothing to do; without any utterances at all something went wrong before.
    const bad = ok < summary.utterances || summary.settings.manifest.utterances === 0;
    if (unreadable > 0) process.exitCode = exitCodes.unreadableData;
    else if (options.strict && bad) process.exitCode = exitCodes.badUtterances;
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error;
  }
}

async function runFiles(
  data: string[],
  options: EvalOptions,
  shard: Shard | undefined,
  signal: AbortSignal,
): Promise<SummaryFile> {
  // The addon and the readers are loaded only now: `--help` must be quick and work without them.
  const page = await openPage(options);
  const [{ openInputs }, { evaluateShard }, { RunConflict }, report, { progressBar }] =
    await Promise.all([
      import('../eval/inputs.js'),
      import('../eval/run.js'),
      import('../eval/journal.js'),
      import('./evalReport.js'),
      import('./progress.js'),
    ]);
  const inputs = await openInputs(data, options.manifest!, options, report.showWarning, signal);
  const bar = await progressBar('utterances', options.quiet);
  try {
    const result = await evaluateShard({
      ...inputs,
      shard,
      out: options.out,
      format: options.format,
      resume: options.resume,
      overwrite: options.overwrite,
      page,
      batchBytes: options.batchMb * 1e6,
      warn: (message) => bar.aside(() => report.showWarning(message)),
      onProgress: bar.update,
      onRecords: options.json && options.out === undefined ? report.writeRecords : undefined,
    });
    bar.stop();
    report.showResult(result, { json: options.json, shard, html: options.html });
    return result.summary;
  } catch (error) {
    bar.stop();
    if (error instanceof RunConflict) throw new UsageError(error.message);
    if (options.out !== undefined && (bar.done > 0 || signal.aborted)) {
      // After the error, which is shown last of all.
      process.once('exit', () => report.showHowToResume(bar.done));
    }
    throw error;
  } finally {
    await inputs.source.close();
  }
}

async function runStream(
  path: string,
  options: EvalOptions,
  signal: AbortSignal,
): Promise<SummaryFile> {
  const page = await openPage(options);
  const [{ openStreamInputs }, { evaluateStream }, report] = await Promise.all([
    import('../eval/inputs.js'),
    import('../eval/stream.js'),
    import('./evalReport.js'),
  ]);
  const inputs = await openStreamInputs(path, options, signal);
  try {
    const summary = await evaluateStream({
      ...inputs,
      batchBytes: options.batchMb * 1e6,
      page,
      warn: report.showWarning,
      onRecords: options.json ? report.writeRecords : undefined,
    });
    const { json, html } = options;
    report.showResult({ summary, results: undefined, already: false }, { json, html });
    return summary;
  } finally {
    await inputs.stream.close();
  }
}

async function openPage({ html, out }: EvalOptions): Promise<Page | undefined> {
  if (html === undefined) return undefined;
  const { Page } = await import('../eval/page.js');
  return Page.open(html, out);
}

/** Whether the outputs come with their texts, one utterance a line. */
function isStream(data: readonly string[]): boolean {
  return data.length === 1 && /^-$|\.(jsonl|ndjson)$/i.test(data[0]!);
}

async function chooseShard({ shard, shards }: EvalOptions): Promise<Shard | undefined> {
  if (shard === undefined && shards === undefined) return undefined;
  const { parseShard, shardFromEnvironment } = await import('../eval/shard.js');
  if (shard === undefined) {
    const found = shardFromEnvironment(process.env, shards);
    if (found.shard === undefined) throw new UsageError(found.problem);
    return found.shard;
  }
  const parsed = parseShard(shard);
  if (parsed === undefined) {
    throw new UsageError(`--shard is "${shard}"; it must be i/n, with i from 0 to n - 1`);
  }
  if (shards !== undefined && shards !== parsed.count) {
    throw new UsageError(`--shard ${shard} and --shards ${shards} contradict each other`);
  }
  return parsed;
}

function checkOptions(
  data: readonly string[],
  options: EvalOptions,
  shard: Shard | undefined,
): void {
  const { out, format, resume, overwrite, manifest } = options;
  if (isStream(data)) {
    const { array, idColumn, bfloat16 } = options;
    const named = Object.entries({
      '--array': array,
      '--id-column': idColumn,
      '--bfloat16': bfloat16,
    });
    const useless = named.find(([, value]) => value !== undefined)?.[0];
    if (useless !== undefined) {
      throw new UsageError(
        `${useless} does not go with JSON Lines, whose fields have fixed names: leave it out`,
      );
    }
    const given = out !== undefined ? '--out' : manifest !== undefined ? '--manifest' : undefined;
    if (given !== undefined) {
      throw new UsageError(
        `${given} does not go with JSON Lines, which hold the texts and are read only once: leave it out, --json writes a record for each`,
      );
    }
  } else if (manifest === undefined) {
    throw new UsageError('the texts are missing: give --manifest');
  }
  if (out === undefined) {
    const needs = Object.entries({
      '--format': format,
      '--resume': resume,
      '--overwrite': overwrite,
    });
    const given = needs.find(([, value]) => value !== undefined)?.[0];
    if (given !== undefined) throw new UsageError(`${given} needs a folder: give --out`);
    if (shard !== undefined) throw new UsageError('a shard is written to a folder: give --out');
  }
  if (shard !== undefined && format !== undefined && format !== 'jsonl') {
    throw new UsageError(
      'shards are written as JSON Lines: leave out --format here and give it to merge',
    );
  }
  if (shard !== undefined && options.html !== undefined) {
    throw new UsageError('a page is about all shards: leave out --html here and give it to merge');
  }
  if (resume && overwrite) throw new UsageError('--resume and --overwrite contradict each other');
}

/** Aborts once on Ctrl-C or when the system asks to end; a second one ends the process at once. */
export function stopOnSignals(): AbortController {
  const controller = new AbortController();
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.once(name, () => {
      const reason = new DOMException(`stopped by ${name}`, 'AbortError');
      controller.abort(Object.assign(reason, { exitCode: 128 + number }));
    });
  }
  return controller;
}
