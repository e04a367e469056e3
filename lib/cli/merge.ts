// `node-ctc merge`: the shards of a run, put together.

import { type Command, Option } from 'commander';
import type { Format } from '../eval/formats.js';
import type { Page } from '../eval/page.js';
import { UsageError } from './exit.js';

interface MergeOptions {
  out?: string;
  format?: Format;
  html?: string;
  overwrite?: boolean;
  json?: boolean;
}

const examples = `
Examples:
  # Ten shards that were written into one folder
  node-ctc merge results

  # Shards that were written into folders of their own, as CSV
  node-ctc merge results-* --out merged --format csv

  # With a page to look at
  node-ctc merge results --html report.html
`;

export function register(program: Command): void {
  program
    .command('merge')
    .description(
      'Put the shards of node-ctc eval --shard together, into exactly what one run would have written.',
    )
    .usage('<FOLDER...> [options]')
    .argument('<FOLDER...>', 'where the shards are')
    .option('--out <folder>', 'where to write (default: the first folder)')
    .addOption(
      new Option('--format <format>', 'of the records')
        .choices(['jsonl', 'csv', 'parquet'])
        .default('jsonl'),
    )
    .option('--html <file>', 'write a page to look at: distributions, worst cases, a table')
    .option('--overwrite', 'replace merged results that are there')
    .option('--json', 'write the summary as a JSON object')
    .addHelpText('after', examples)
    .action(run);
}

async function run(folders: string[], options: MergeOptions): Promise<void> {
  const [{ mergeShards }, { RunConflict }, report] = await Promise.all([
    import('../eval/merge.js'),
    import('../eval/journal.js'),
    import('./evalReport.js'),
  ]);
  try {
    const { out = folders[0]!, format, html, overwrite, json } = options;
    const page = await openPage(html, out);
    const warn = report.showWarning;
    const merged = await mergeShards({ folders, out, format, overwrite, page, warn });
    report.showResult({ ...merged, already: false }, { json, html });
  } catch (error) {
    throw error instanceof RunConflict ? new UsageError(error.message) : error;
  }
}

async function openPage(html: string | undefined, out: string): Promise<Page | undefined> {
  if (html === undefined) return undefined;
  const { Page } = await import('../eval/page.js');
  return Page.open(html, out);
}
