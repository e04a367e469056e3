// Options that several commands have under the same names, and how their values are read.

import { type Command, InvalidArgumentError, Option } from 'commander';

/** Where the outputs are in their file, what their numbers and their classes are. */
export interface ArrayOptions {
  tokens: string;
  blank?: number;
  layout: 'TNC' | 'NTC';
  input: 'logits' | 'logProbs';
  array?: string;
  idColumn?: string;
  bfloat16?: boolean;
}

export function addArrayOptions(command: Command): Command {
  return command
    .requiredOption('--tokens <file>', 'the symbols of the classes (required)')
    .option(
      '--blank <class>',
      'class of the blank, -1 for the last one (default: the <blank> line of the tokens)',
      integerFrom(-1),
    )
    .addOption(
      new Option('--layout <layout>', 'order of the axes').choices(['TNC', 'NTC']).default('TNC'),
    )
    .addOption(
      new Option('--input <kind>', 'what the numbers are')
        .choices(['logits', 'logProbs'])
        .default('logits'),
    )
    .option('--array <name>', 'the array or column of the file that holds the outputs')
    .option('--id-column <name>', 'the column of a table that holds the ids')
    .option('--bfloat16', 'read 16-bit integers (u2 or V2) as bfloat16');
}

/** --frame-seconds, for commands that tell times. */
export function frameSecondsOption(): Option {
  return new Option('--frame-seconds <s>', 'seconds from one frame to the next').argParser(
    numberFrom(1e-6, 1e6),
  );
}

/** How the work is done, and what is done with its result. */
export interface RunOptions {
  threads?: number;
  strict?: boolean;
  json?: boolean;
}

/** `json` says what --json writes, `failed` what --strict exits with 1 for. */
export function addRunOptions(
  command: Command,
  { json, failed }: { json: string; failed: string },
): Command {
  return command
    .option(
      '--threads <n>',
      'threads to compute with (default: one per core)',
      integerFrom(1, 1024),
    )
    .option('--strict', `exit with 1 when ${failed}`)
    .option('--json', json);
}

/** The parts of --help that tell of the files. */
export const fileHelp = {
  logits: `LOGITS      .npy, .npz, .safetensors, Kaldi .ark or .scp, HDF5, Parquet or
              Arrow; also a folder of them, or a pattern in quotes. Floats,
              T x N x C (frames, utterances, classes), N x T x C with --layout
              NTC, T x C for just one; or an array of T x C for each, by its id`,
  manifest: `MANIFEST    one object a line, for the utterance of its id; where the outputs
              have no ids, row n for utterance n:
              {"id": "a", "text": "hello", "frames": 50}`,
  tokens: `tokens.txt  one symbol a line, line number (from 0) = class; the line of a
              space token is one literal space, the blank's is <blank>`,
};

export function exitHelp(failed: string): string {
  return `Exit codes: 0 done, 1 ${failed} (--strict), 2 wrong
usage, 3 unreadable data, 4 the engine failed, 130 interrupted.
`;
}

export function integerFrom(least: number, most = 0x7fffffff): (value: string) => number {
  return (value) => {
    const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= least && number <= most)) {
      throw new InvalidArgumentError(`It must be an integer from ${least} to ${most}.`);
    }
    return number;
  };
}

/** A decimal number, from `least` to `most`. */
export function numberFrom(
  least = Number.NEGATIVE_INFINITY,
  most = Number.POSITIVE_INFINITY,
): (value: string) => number {
  return (value) => {
    const number = value.trim() === '' ? Number.NaN : Number(value);
    if (!(number >= least && number <= most)) {
      const range = least === -Infinity && most === Infinity ? '' : ` from ${least} to ${most}`;
      throw new InvalidArgumentError(`It must be a number${range}.`);
    }
    return number;
  };
}
