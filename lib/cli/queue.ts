// `node-ctc queue`: an evaluation as jobs on Redis, for workers on any number of machines.

import { type Command, Option } from 'commander';
import type { RunStatus } from '../queue/index.js';
import { defaultRedis } from '../queue/redis.js';
import { stopOnSignals } from './eval.js';
import { exitCodes, UsageError } from './exit.js';
import { addArrayOptions, integerFrom, numberFrom } from './options.js';

interface CommonOptions {
  redis?: string;
  queue: string;
  json?: boolean;
}

interface AddOptions extends CommonOptions {
  manifest: string;
  tokens: string;
  out: string;
  shards: number;
  format: 'jsonl' | 'csv' | 'parquet';
  blank?: number;
  layout: 'TNC' | 'NTC';
  input: 'logits' | 'logProbs';
  array?: string;
  idColumn?: string;
  bfloat16?: boolean;
  wordDelimiter?: string;
  worst: number;
  html?: string;
  root?: string;
  attempts: number;
  retrySeconds: number;
  retry?: boolean;
  overwrite?: boolean;
}

interface WorkerOptions extends CommonOptions {
  root?: string;
  drain?: boolean;
  threads?: number;
  batchMb: number;
  lockSeconds: number;
  checkSeconds?: number;
  takeovers: number;
  quiet?: boolean;
}

interface StatusOptions extends CommonOptions {
  wait?: boolean;
  strict?: boolean;
  quiet?: boolean;
}

const examples = `
Examples:
  # A run of 100 shards; its files are on storage that all workers see
  node-ctc queue add /data/logits --manifest /data/manifest.jsonl \\
    --tokens /data/tokens.txt --out /data/results --shards 100

  # On every machine, as often as there is room
  node-ctc queue work

  # How far it is; or wait for its end
  node-ctc queue status
  node-ctc queue status --wait
`;

const codes = `
Exit codes: 0 done, 2 wrong usage, 3 a file or Redis cannot be used, 4 the
engine failed, 130 interrupted. docs/scaling.md tells the rest.
`;

export function register(program: Command): void {
  const queue = program
    .command('queue')
    .description('Evaluate as jobs of a queue on Redis, with any number of workers.')
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', examples);
  registerAdd(queue);
  registerWork(queue);
  registerStatus(queue);
  registerRemove(queue);
}

function registerAdd(queue: Command): void {
  const command = queue
    .command('add')
    .summary('add a run: a job for each shard, and one that merges them')
    .description(
      'Add an evaluation to the queue: a job for each shard, and one that merges their results when all are there. Everything is checked first; added again, the same run is left as it is.',
    )
    .usage('<DATA...> --manifest <file> --tokens <file> [options]')
    .argument('<DATA...>', 'the model outputs')
    .requiredOption('--manifest <file>', 'ids, texts and frames (required)')
    .requiredOption('--out <folder>', 'the folder of the results (required)')
    .requiredOption('--shards <n>', 'how many jobs (required)', integerFrom(1, 100000));
  addArrayOptions(command)
    .option('--word-delimiter <token>', 'between words, or at their beginning; "" for none')
    .addOption(
      new Option('--format <format>', 'of the merged records')
        .choices(['jsonl', 'csv', 'parquet'])
        .default('jsonl'),
    )
    .option('--html <file>', 'write a page to look at, with the merged results')
    .option('--worst <k>', 'how many of the worst utterances to list', integerFrom(0, 100000), 10)
    .option('--root <folder>', 'keep paths relative to this folder, for workers with another one')
    .option('--attempts <n>', 'how often a shard is tried', integerFrom(1, 1000), 3)
    .option(
      '--retry-seconds <s>',
      'before the second try; doubled for each after it',
      numberFrom(0, 86400),
      10,
    )
    .option('--retry', 'if the run is there already: try its failed shards again')
    .option('--overwrite', 'begin anew, in the queue and in the folder');
  addQueueOptions(command, 'write an object that says what became of the run')
    .addHelpText('after', examples + codes)
    .action(runAdd);
}

function registerWork(queue: Command): void {
  const command = queue
    .command('work')
    .summary('be a worker')
    .description(
      'Take jobs from the queue, one at a time, until stopped. What is done of a shard is kept when a worker stops or dies, and another one goes on with it.',
    )
    .option('--drain', 'end when nothing is left to do')
    .option('--root <folder>', 'below which the files of the runs lie; nothing else is touched')
    .option(
      '--threads <n>',
      'threads to compute with (default: one per core)',
      integerFrom(1, 1024),
    )
    .option('--batch-mb <n>', 'megabytes to read at a time', numberFrom(0.01, 2047), 16)
    .option(
      '--lock-seconds <s>',
      'a worker not heard of for so long loses its job',
      numberFrom(0.1, 3600),
      30,
    )
    .option(
      '--check-seconds <s>',
      'between looks for such jobs (default: half of that)',
      numberFrom(0.1, 3600),
    )
    .option(
      '--takeovers <n>',
      'how often a job may be taken over before it counts as failed',
      integerFrom(0, 1000),
      5,
    )
    .option('--quiet', 'no progress bar');
  addQueueOptions(command, 'write an object a line for what happens')
    .addHelpText('after', codes)
    .action(runWork);
}

function registerStatus(queue: Command): void {
  const command = queue
    .command('status')
    .summary('how far the runs are')
    .description('Show how far the runs of the queue are, and what failed.')
    .argument('[RUN]', 'one of them: its number, or enough of its first digits')
    .option('--wait', 'wait until they are complete or have failed')
    .option('--strict', 'exit with 1 when an utterance could not be evaluated')
    .option('--quiet', 'no progress bar');
  addQueueOptions(command, 'write an object for each run')
    .addHelpText('after', codes)
    .action(runStatus);
}

function registerRemove(queue: Command): void {
  const command = queue
    .command('remove')
    .summary('take a run out of the queue')
    .description('Take a run out of the queue. Its folder stays as it is.')
    .argument('<RUN>', 'its number, or enough of its first digits');
  addQueueOptions(command, 'write an object that names the run')
    .addHelpText('after', codes)
    .action(runRemove);
}

function addQueueOptions(command: Command, json: string): Command {
  return command
    .option('--redis <url>', `redis:// or rediss:// (default: $REDIS_URL, or ${defaultRedis})`)
    .option('--queue <name>', 'for several queues on one Redis', 'ctc')
    .option('--json', json);
}

async function runAdd(data: string[], options: AddOptions): Promise<void> {
  const { redis, queue, json, root, attempts, retrySeconds, retry, overwrite, ...spec } = options;
  if (retry && overwrite) throw new UsageError('--retry and --overwrite contradict each other');
  const stop = stopOnSignals();
  const [{ addRun }, report] = await load();
  const added = await usage(
    addRun(
      { data, ...spec },
      {
        redis,
        queue,
        root,
        attempts,
        retrySeconds,
        retry,
        overwrite,
        signal: stop.signal,
        onWarning: report.showWarning,
      },
    ),
  );
  report.showAdded(added, json);
}

async function runWork(options: WorkerOptions): Promise<void> {
  const { json, quiet, ...given } = options;
  const stop = stopOnSignals();
  const [{ work }, report] = await load();
  const shown = report.workReport({ json, quiet });
  try {
    const { failed } = await usage(
      work({ ...given, signal: stop.signal, onEvent: shown.onEvent, onProgress: shown.onProgress }),
    );
    if (failed > 0) process.exitCode = exitCodes.unreadableData;
  } finally {
    shown.stop();
  }
}

async function runStatus(run: string | undefined, options: StatusOptions): Promise<void> {
  const { redis, queue, json, wait, quiet, strict } = options;
  const [{ queueStatus, waitForRuns }, report] = await load();
  let runs: RunStatus[];
  if (wait) {
    const stop = stopOnSignals();
    const shown = await report.waitReport(quiet);
    try {
      runs = await usage(
        waitForRuns(
          { redis, queue, signal: stop.signal, onStatus: shown.onStatus, onNotice: shown.onNotice },
          run,
        ),
      );
    } finally {
      shown.stop();
    }
  } else {
    runs = await usage(queueStatus({ redis, queue }, run));
  }
  report.showStatus(runs, json);
  const statuses = runs.map((each) => each.statuses ?? {});
  const some = (test: (status: string) => boolean) =>
    statuses.some((each) => Object.keys(each).some(test));
  if (
    wait &&
    (runs.some(({ state }) => state === 'failed') || some((each) => each === 'unreadable'))
  ) {
    process.exitCode = exitCodes.unreadableData;
  } else if (strict && some((each) => each !== 'ok')) {
    process.exitCode = exitCodes.badUtterances;
  }
}

async function runRemove(run: string, { redis, queue, json }: CommonOptions): Promise<void> {
  const [{ removeRun }, report] = await load();
  report.showRemoved(await usage(removeRun(run, { redis, queue })), json);
}

/** The addon and the readers are loaded only now: `--help` must be quick and work without them. */
async function load() {
  return Promise.all([import('../queue/index.js'), import('./queueReport.js')]);
}

/** A wrong argument of a function is wrong usage of the command. */
async function usage<R>(result: Promise<R>): Promise<R> {
  try {
    return await result;
  } catch (error) {
    const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
    if (code === 'ERR_CTC_INVALID_ARG_VALUE' || code === 'ERR_CTC_OUT_OF_RANGE') {
      throw new UsageError(message);
    }
    throw error;
  }
}
