// `node-ctc align`: the options, and the run from files to times.

import { type Command, Option } from 'commander';
import { exitCodeOfReport, UsageError } from './exit.js';
import {
  type ArrayOptions,
  addArrayOptions,
  addRunOptions,
  exitHelp,
  fileHelp,
  frameSecondsOption,
  type RunOptions,
} from './options.js';

interface AlignOptions extends ArrayOptions, RunOptions {
  format: 'text' | 'json' | 'ctm' | 'textgrid';
  tier: 'words' | 'characters';
  frameSeconds?: number;
  wordDelimiter?: string;
  star?: string;
  starMeans?: 'anything' | 'label';
  outDir?: string;
}

const examples = `
Examples:
  # When each word comes, in frames, or with --frame-seconds in seconds
  node-ctc align logits.npy manifest.jsonl --tokens tokens.txt \\
    --frame-seconds 0.02

  # A CTM file of all utterances
  node-ctc align logits.npy manifest.jsonl --tokens tokens.txt \\
    --frame-seconds 0.02 --format ctm > words.ctm

  # A Praat TextGrid for each utterance: a tier of words, one of characters
  node-ctc align logits.npy manifest.jsonl --tokens tokens.txt \\
    --frame-seconds 0.02 --format textgrid --out-dir grids

  # An .npz file with an array for each utterance, under the manifest's ids
  node-ctc align logits.npz manifest.jsonl --tokens tokens.txt

  # Transcripts with gaps: a * in a text stands for anything
  node-ctc align logits.npy partial.jsonl --tokens tokens.txt --star '*'

Files:
  ${fileHelp.logits}
  ${fileHelp.manifest}
  ${fileHelp.tokens}

${exitHelp('some utterances could not be aligned')}`;

export function register(program: Command): void {
  const command = program
    .command('align')
    .description(
      'Find when each word and character of the texts of a manifest comes in model outputs (forced alignment), with mean probabilities.',
    )
    .usage('<LOGITS> <MANIFEST> --tokens <file> [options]')
    .argument('<LOGITS>', 'the model outputs')
    .argument('<MANIFEST>', 'ids, texts and frames');
  addArrayOptions(command)
    .addOption(
      new Option('--format <format>', 'what to write')
        .choices(['text', 'json', 'ctm', 'textgrid'])
        .default('text'),
    )
    .addOption(
      new Option('--tier <tier>', 'what text and CTM have a line for')
        .choices(['words', 'characters'])
        .default('words'),
    )
    .addOption(frameSecondsOption())
    .option(
      '--word-delimiter <token>',
      'the token between words, or the beginning of the tokens that start one (default: the space, else no words)',
    )
    .option('--star <symbol>', 'stands in the texts for what they leave out')
    .addOption(
      new Option(
        '--star-means <what>',
        'any speech or silence, or one unknown label (default: anything)',
      ).choices(['anything', 'label']),
    )
    .option('--out-dir <folder>', 'where TextGrid files go, one for each utterance');
  addRunOptions(command, {
    json: 'the same as --format json: an object per utterance, then a summary',
    failed: 'an utterance could not be aligned',
  })
    .addHelpText('after', examples)
    .action(run);
}

async function run(logits: string, manifest: string, options: AlignOptions): Promise<void> {
  const { frameSeconds, outDir, tier, json } = options;
  if (json && options.format !== 'text' && options.format !== 'json') {
    throw new UsageError(`--json and --format ${options.format} exclude each other`);
  }
  const format = json ? 'json' : options.format;
  if ((format === 'ctm' || format === 'textgrid') && frameSeconds === undefined) {
    throw new UsageError(
      `--format ${format} has times in seconds: give --frame-seconds, the model's step (0.02 for 20 ms)`,
    );
  }
  if (outDir !== undefined && format !== 'textgrid') {
    throw new UsageError('--out-dir is for --format textgrid; the others write to standard output');
  }
  if (options.starMeans !== undefined && options.star === undefined) {
    throw new UsageError('--star-means goes with --star');
  }
  // The addon and the readers are loaded only now: `--help` must be quick and work without them.
  const [{ withInputs }, { alignAll, planAlignment }, report] = await Promise.all([
    import('./inputs.js'),
    import('./alignment.js'),
    import('./alignReport.js'),
  ]);
  await withInputs({ logits, manifest }, options, async (evaluation, warnings) => {
    const utterances = evaluation.manifest.rows.length;
    if (format === 'textgrid' && outDir === undefined && utterances > 1) {
      throw new UsageError(`${utterances} utterances make as many TextGrid files: give --out-dir`);
    }
    const plan = planAlignment(evaluation, options);
    const shape = { tier, frameSeconds };
    const reporter = {
      text: () => report.textReporter(plan, shape),
      json: () => report.jsonReporter(plan, shape, warnings),
      ctm: () => report.ctmReporter(shape, evaluation.options.warn),
      textgrid: () => report.textGridReporter(shape, outDir),
    }[format]();
    const statuses = new Set<string>();
    for await (const record of alignAll(plan)) {
      await reporter.record(record);
      statuses.add(record.status);
    }
    reporter.finish();
    process.exitCode = exitCodeOfReport(statuses, options.strict);
  });
}
