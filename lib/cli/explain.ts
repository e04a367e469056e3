// `node-ctc explain`: the options, and the run from files to tables, drawing and page.

import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { Explanation } from '../explain.js';
import type { Manifest } from '../io/manifest.js';
import { UsageError } from './exit.js';
import { type ArrayOptions, addArrayOptions, fileHelp, integerFrom } from './options.js';

interface ExplainOptions extends ArrayOptions {
  demo?: boolean;
  utterance?: string;
  text?: string;
  frames?: number;
  svg?: string;
  html?: string;
  values?: 'posteriors' | 'alpha' | 'beta' | 'emissions';
  maxPaths: number;
  json?: boolean;
}

const examples = `
Examples:
  # The worked example of a CTC tutorial: the 28 paths that read CAT
  node-ctc explain --demo

  # One utterance of a manifest, with its trellis as a page to look at
  node-ctc explain logits.npy manifest.jsonl --tokens tokens.txt \\
    --utterance sp-0001 --html sp-0001.html

  # One utterance of a Kaldi archive, HDF5 file or folder, by its id
  node-ctc explain logits.ark --tokens tokens.txt --utterance a1 --text "hello"

  # The third utterance of an array against a text of your own
  node-ctc explain logits.npy --tokens tokens.txt --utterance 2 --text "hello"

Files:
  ${fileHelp.logits}
  ${fileHelp.manifest}
  ${fileHelp.tokens}

Exit codes: 0 done, 2 wrong usage, 3 unreadable data, 4 the engine failed,
130 interrupted.
`;

export function register(program: Command): void {
  const command = program
    .command('explain')
    .description(
      'Explain the CTC loss of one utterance: its lattice with alpha, beta, posteriors and best path, and, while they are few, all paths that read as the text.',
    )
    .usage('<LOGITS> [MANIFEST] --tokens <file> [options]\n       node-ctc explain --demo')
    .argument('[LOGITS]', 'the model outputs')
    .argument('[MANIFEST]', 'ids, texts and frames')
    .option('--demo', "a CTC tutorial's worked example: CAT in five frames; needs no files")
    .option(
      '--utterance <id>',
      'its id in the manifest or the data; without ids its number, from 0',
    )
    .option('--text <text>', "what it is to read (default: the manifest's text)")
    .option('--frames <n>', "its frames (default: the manifest's, else all)", integerFrom(0));
  addArrayOptions(command);
  // --demo needs no tokens; run() asks for them otherwise.
  for (const option of command.options) option.makeOptionMandatory(false);
  command
    .option('--svg <file>', 'draw the trellis')
    .option('--html <file>', 'write one page with drawing, tables and a guide')
    .addOption(
      new Option(
        '--values <what>',
        'what shades the cells of a large trellis (--svg; default: posteriors)',
      ).choices(['posteriors', 'alpha', 'beta', 'emissions']),
    )
    .option(
      '--max-paths <n>',
      'list all paths if there are no more',
      integerFrom(0, 1_000_000),
      100,
    )
    .option('--json', 'write one JSON object instead of tables')
    .addHelpText('after', examples)
    .action(run);
}

async function run(
  logits: string | undefined,
  manifest: string | undefined,
  options: ExplainOptions,
): Promise<void> {
  if (options.values !== undefined && options.svg === undefined) {
    throw new UsageError('--values goes with --svg');
  }
  const [{ explanationText }, { explanationSvg }, { explanationHtml }] = await Promise.all([
    import('../report/explanationText.js'),
    import('../report/explanationSvg.js'),
    import('../report/explanationHtml.js'),
  ]);
  const explanation = options.demo
    ? await explainDemo(logits, options)
    : await explainFile(logits, manifest, options);
  const { svg, html, values } = options;
  if (svg !== undefined) await save(svg, explanationSvg(explanation, { values }));
  if (html !== undefined) await save(html, explanationHtml(explanation));
  process.stdout.write(
    options.json ? `${JSON.stringify(asJson(explanation))}\n` : explanationText(explanation),
  );
}

async function explainDemo(
  logits: string | undefined,
  { maxPaths, utterance, text, frames }: ExplainOptions,
): Promise<Explanation> {
  if (
    logits !== undefined ||
    utterance !== undefined ||
    text !== undefined ||
    frames !== undefined
  ) {
    throw new UsageError(
      '--demo has its own data: leave out the files, --utterance, --text and --frames',
    );
  }
  const [{ explain }, { tutorial }] = await Promise.all([
    import('../explain.js'),
    import('./tutorial.js'),
  ]);
  const { probabilities, shape, symbols, target } = tutorial;
  const data = Float64Array.from(probabilities);
  return explain({ data, shape }, target, { input: 'probabilities', symbols, maxPaths });
}

async function explainFile(
  logits: string | undefined,
  manifestPath: string | undefined,
  options: ExplainOptions,
): Promise<Explanation> {
  if (logits === undefined) throw new UsageError('name a file of model outputs, or give --demo');
  if (options.tokens === undefined) throw new UsageError('--tokens <file> is required');
  const [
    { withInputs },
    { checkRow, readUtterance, warnOfRows },
    { explain },
    { describeNonfinite },
    { fileError },
    { withBlankSign },
  ] = await Promise.all([
    import('./inputs.js'),
    import('./evaluate.js'),
    import('../explain.js'),
    import('../eval/outputs.js'),
    import('../io/file.js'),
    import('../report/escape.js'),
  ]);
  return withInputs({ logits, manifest: manifestPath }, options, async (evaluation) => {
    const { manifest, blank, symbols } = evaluation;
    const index = findUtterance(manifest, options.utterance);
    const given = manifest.rows[index]!;
    const text = options.text ?? given.text;
    if (text === undefined) throw new UsageError('which text? Give --text, or a manifest');
    if (options.text === undefined && given.fault !== undefined) {
      throw fileError(manifest.path, `line ${given.line}: ${given.fault.reason}`);
    }
    const outputs = await readUtterance(evaluation, index);
    const held = outputs.frames[0]!;
    if (options.frames !== undefined && options.frames > held) {
      throw new UsageError(`--frames is ${options.frames}; the data has ${held}`);
    }
    const frames = options.frames ?? given.frames;
    const row = { ...given, text, frames, fault: undefined };
    const read = { row, index, slot: 0, fault: undefined };
    const checked = checkRow(evaluation, read, outputs);
    const { status, reason, targets } = checked;
    // An empty text is a target, too, when it is asked for.
    if (status !== 'ok' && status !== 'empty-text') {
      const isTyped = options.text !== undefined && status === 'unknown-symbol';
      if (isTyped) throw new UsageError(`--text: ${reason}`);
      throw fileError(manifest.path, `line ${given.line}: ${reason}`);
    }
    const length = checked.frames!;
    warnOfRows(evaluation, outputs, [length]);
    const { data, type, shape, strides } = outputs;
    const explanation = await explain(
      { data, type, shape: [length, shape[2]], strides: [strides[0], strides[2]] },
      targets,
      {
        input: options.input,
        blank,
        symbols: withBlankSign(symbols, blank),
        maxPaths: options.maxPaths,
      },
    );
    if (explanation.status === 'nonfinite') {
      const used = options.input === 'logits' ? undefined : [blank, ...targets];
      evaluation.options.warn(`nonfinite: ${describeNonfinite(outputs, 0, length, used)}`);
    }
    return explanation;
  });
}

function findUtterance({ rows }: Manifest, id: string | undefined): number {
  if (rows.length === 0) throw new UsageError('the data has no utterances');
  const some = rows.slice(0, 3).map((row) => row.id);
  const names = `${some.join(', ')}${rows.length > 3 ? ', ...' : ''}`;
  if (id === undefined) {
    if (rows.length === 1) return 0;
    throw new UsageError(`which utterance? Give --utterance (${names})`);
  }
  const index = rows.findIndex((row) => row.id === id);
  if (index < 0) throw new UsageError(`there is no utterance '${id}' (there are ${names})`);
  return index;
}

/** Matrices as rows of frames. JSON has no infinities: they become null. */
function asJson(e: Explanation): object {
  const rows = (matrix: Float64Array) =>
    Array.from({ length: e.frames }, (_, t) => [
      ...matrix.subarray(t * e.states.length, (t + 1) * e.states.length),
    ]);
  return {
    status: e.status,
    loss: e.loss,
    probability: e.probability,
    frames: e.frames,
    classes: e.classes,
    blank: e.blank,
    target: e.target,
    symbols: e.symbols,
    states: e.states,
    emissions: rows(e.emissions),
    lnAlpha: rows(e.alpha),
    lnBeta: rows(e.beta),
    posteriors: rows(e.posteriors),
    bestPath: e.bestPath,
    spans: e.spans,
    expectedStarts: [...e.starts],
    expectedEnds: [...e.ends],
    pathCount: String(e.pathCount),
    paths: e.paths ?? null,
    readings: e.readings ?? null,
  };
}

async function save(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    const { fileError } = await import('../io/file.js');
    throw fileError(
      path,
      `cannot be written (${(error as NodeJS.ErrnoException).code})`,
      'Check the path',
      error,
    );
  }
}
