// `node-ctc loss`: the options, and the run from files to report.

import type { Command } from 'commander';
import { exitCodeOfReport } from './exit.js';
import {
  type ArrayOptions,
  addArrayOptions,
  addRunOptions,
  exitHelp,
  fileHelp,
  integerFrom,
  type RunOptions,
} from './options.js';

interface LossOptions extends ArrayOptions, RunOptions {
  worst: number;
}

const examples = `
Examples:
  # Per-utterance losses, a summary and the 5 worst utterances
  node-ctc loss logits.npy manifest.jsonl --tokens tokens.txt

  # A batch-major array of log-probabilities whose last class is the blank
  node-ctc loss logprobs.npy manifest.jsonl --tokens tokens.txt \\
    --layout NTC --input logProbs --blank -1

  # The array "logits" of a file that holds several
  node-ctc loss outputs.safetensors manifest.jsonl --tokens tokens.txt \\
    --array logits

  # The ids of utterances that lose more than 2 nats a label, with jq
  node-ctc loss logits.npy manifest.jsonl --tokens tokens.txt --json |
    jq -r 'select(.lossPerLabel > 2).id'

Files:
  ${fileHelp.logits}
  ${fileHelp.manifest}
  ${fileHelp.tokens}

${exitHelp('some utterances could not be evaluated')}`;

export function register(program: Command): void {
  const command = program
    .command('loss')
    .description('Evaluate the CTC loss of model outputs against the texts of a manifest.')
    .usage('<LOGITS> <MANIFEST> --tokens <file> [options]')
    .argument('<LOGITS>', 'the model outputs')
    .argument('<MANIFEST>', 'ids, texts and frames');
  addArrayOptions(command).option(
    '--worst <k>',
    'how many of the worst utterances to list',
    integerFrom(0),
    5,
  );
  addRunOptions(command, {
    json: 'write JSON Lines: an object per utterance, then a summary',
    failed: 'an utterance could not be evaluated',
  })
    .addHelpText('after', examples)
    .action(run);
}

async function run(logits: string, manifest: string, options: LossOptions): Promise<void> {
  // The addon and the readers are loaded only now: `--help` must be quick and work without them.
  const [{ withInputs }, { evaluate }, { Summary }, report] = await Promise.all([
    import('./inputs.js'),
    import('./evaluate.js'),
    import('./summary.js'),
    import('./lossReport.js'),
  ]);
  await withInputs({ logits, manifest }, options, async (evaluation, warnings) => {
    const summary = new Summary(options.worst);
    const reporter = options.json
      ? report.jsonReporter(evaluation, warnings)
      : report.textReporter(evaluation);
    for await (const record of evaluate(evaluation)) {
      summary.add(record);
      reporter.record(record);
    }
    reporter.finish(summary);
    process.exitCode = exitCodeOfReport(summary.statuses.keys(), options.strict);
  });
}
