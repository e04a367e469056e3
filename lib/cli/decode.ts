// `node-ctc decode`: the options, and the run from files to report.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { exitCodeOfReport, UsageError } from './exit.js';
import {
  type ArrayOptions,
  addArrayOptions,
  addRunOptions,
  exitHelp,
  fileHelp,
  frameSecondsOption,
  integerFrom,
  numberFrom,
  type RunOptions,
} from './options.js';

export interface DecodeOptions extends ArrayOptions, RunOptions {
  beam?: number;
  top?: number;
  lm?: string;
  lmUnit?: 'word' | 'token';
  alpha?: number;
  beta?: number;
  unkScore?: number;
  lexicon?: string;
  hotword?: string[];
  hotwordWeight?: number;
  wordDelimiter?: string;
  frameSeconds?: number;
}

const defaultBeam = 100;
const widestBeam = 2 ** 22;
const largestWeight = 1e6;

const examples = `
Examples:
  # The most probable class of every frame, and the error rate against the texts
  node-ctc decode logits.npy manifest.jsonl --tokens tokens.txt

  # A Kaldi archive or any file of an array for each utterance, without texts
  node-ctc decode logits.ark --tokens tokens.txt

  # Beam search with a language model, and the three best texts of each
  node-ctc decode logits.npy --tokens tokens.txt --lm 3gram.arpa.gz \\
    --alpha 0.5 --beta 1.5 --beam 200 --top 3

  # Names that are to be recognised, one of them preferred more than others
  node-ctc decode logits.npy --tokens tokens.txt --hotword Lund --hotword Ku=15

  # Words with their times in seconds, for frames of 40 ms, with jq
  node-ctc decode logits.npy --tokens tokens.txt --frame-seconds 0.04 --json |
    jq -r '.id as $id | .paths[0]?.words[]? | [$id, .startSeconds, .text] |
      @tsv'

Files:
  ${fileHelp.logits}
  ${fileHelp.manifest}
              The text may be missing; where it is given, errors are counted
  ${fileHelp.tokens}
  --lexicon   one word a line, or a word and its tokens: read R EH D

${exitHelp('some utterances could not be decoded')}`;

export function register(program: Command): void {
  const command = program
    .command('decode')
    .description('Decode model outputs to text: the best class of every frame, or a beam search.')
    .usage('<LOGITS> [MANIFEST] --tokens <file> [options]')
    .argument('<LOGITS>', 'the model outputs')
    .argument('[MANIFEST]', 'ids, frames and true texts');
  addArrayOptions(command)
    .option(
      '--beam <n>',
      `beam search with so many hypotheses (default: ${defaultBeam} where an option below needs it)`,
      integerFrom(1, widestBeam),
    )
    .option('--top <k>', 'so many hypotheses for each utterance', integerFrom(1, widestBeam))
    .option('--lm <file>', 'a language model: ARPA text, plain or gzip')
    .option(
      '--alpha <weight>',
      'of the language model (default: 0.5)',
      numberFrom(0, largestWeight),
    )
    .option(
      '--beta <score>',
      'added for each word (default: 1.5 with --lm)',
      numberFrom(-largestWeight, largestWeight),
    )
    .option(
      '--unk-score <score>',
      'added for each word that the model lacks; -Infinity forbids them (default: -10)',
      numberFrom(Number.NEGATIVE_INFINITY, largestWeight),
    )
    .addOption(
      new Option('--lm-unit <unit>', 'what the model scores (default: word)').choices([
        'word',
        'token',
      ]),
    )
    .option('--lexicon <file>', 'the only words that may be written')
    .option(
      '--hotword <phrase>',
      'prefer it; phrase=weight for a weight of its own (repeatable)',
      (phrase: string, others: string[] = []) => [...others, checkHotword(phrase)],
    )
    .option(
      '--hotword-weight <score>',
      'added for each hotword (default: 10)',
      numberFrom(-largestWeight, largestWeight),
    )
    .option(
      '--word-delimiter <token>',
      'between words, or the mark of their beginning; "" for none (default: a space, |, or ▁ among the tokens)',
    )
    .addOption(frameSecondsOption());
  addRunOptions(command, {
    json: 'write JSON Lines: an object per utterance, with tokens and times, then a summary',
    failed: 'an utterance could not be decoded',
  })
    .addHelpText('after', examples)
    .action(run);
}

async function run(
  logits: string,
  manifest: string | undefined,
  options: DecodeOptions,
): Promise<void> {
  const beam = chooseBeam(options);
  // The addon and the readers are loaded only now: `--help` must be quick and work without them.
  const [{ withInputs }, { decode, makeDecoder }, { DecodeSummary }, report] = await Promise.all([
    import('./inputs.js'),
    import('./decodeRun.js'),
    import('./decodeSummary.js'),
    import('./decodeReport.js'),
  ]);
  const files = { logits, manifest, needsText: false };
  await withInputs(files, options, async (evaluation, warnings) => {
    const decoder = await makeDecoder(evaluation, options, beam);
    const summary = new DecodeSummary();
    const context = { evaluation, decoder, warnings, frameSeconds: options.frameSeconds };
    const reporter = options.json ? report.jsonReporter(context) : report.textReporter(context);
    for await (const record of decode(evaluation, decoder)) {
      summary.add(record);
      reporter.record(record);
    }
    reporter.finish(summary);
    process.exitCode = exitCodeOfReport(summary.statuses.keys(), options.strict);
  });
}

/** The width of the beam; undefined for greedy decoding. */
function chooseBeam(options: DecodeOptions): number | undefined {
  const { beam, top, lm, lexicon, hotword } = options;
  for (const [name, value] of Object.entries({
    alpha: options.alpha,
    'unk-score': options.unkScore,
    'lm-unit': options.lmUnit,
  })) {
    if (value !== undefined && lm === undefined) throw new UsageError(`--${name} goes with --lm`);
  }
  if (options.hotwordWeight !== undefined && hotword === undefined) {
    throw new UsageError('--hotword-weight goes with --hotword');
  }
  if (options.frameSeconds !== undefined && !options.json) {
    throw new UsageError('--frame-seconds goes with --json');
  }
  const needed = [top, lm, lexicon, hotword, options.beta].some((value) => value !== undefined);
  const width = beam ?? (needed ? Math.max(defaultBeam, top ?? 0) : undefined);
  if (width !== undefined && top !== undefined && top > width) {
    throw new UsageError(`--top is ${top}, and a beam of ${width} holds no more: raise --beam`);
  }
  return width;
}

/** `phrase` or `phrase=weight`. */
function checkHotword(given: string): string {
  const weight = /=([^=]*)$/.exec(given)?.[1];
  if (given.trim() === '' || given.startsWith('=')) {
    throw new InvalidArgumentError('It is empty.');
  }
  if (weight === undefined) return given;
  const number = weight.trim() === '' ? Number.NaN : Number(weight);
  if (Math.abs(number) <= largestWeight) return given;
  throw new InvalidArgumentError(
    `After = comes its weight, a number from ${-largestWeight} to ${largestWeight}.`,
  );
}
