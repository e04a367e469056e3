#!/usr/bin/env node
// The command line. One file per command; only the one that is asked for is loaded.

import { Command, CommanderError } from 'commander';
import { packageVersion } from '../here.cjs';
import { writeError } from '../io/atomicFile.js';
import { exitCodeOf, exitCodes, UsageError } from './exit.js';
import { clip, paletteFor } from './terminal.js';

interface CommandModule {
  /** Adds the command with its options and action to `program`. */
  register(program: Command): void;
}

const commands: {
  name: string;
  alias?: string;
  summary: string;
  load: () => Promise<CommandModule>;
}[] = [
  {
    name: 'eval',
    summary: 'losses and error rates of any number of model outputs, with records and resume',
    load: () => import('./eval.js'),
  },
  {
    name: 'merge',
    summary: 'put the shards of eval together',
    load: () => import('./merge.js'),
  },
  {
    name: 'queue',
    summary: 'the same as eval, as jobs on Redis for many workers',
    load: () => import('./queue.js'),
  },
  {
    name: 'loss',
    summary: 'per-utterance CTC losses of a batch of model outputs',
    load: () => import('./loss.js'),
  },
  {
    name: 'decode',
    summary: 'texts of a batch of model outputs, greedy or by beam search',
    load: () => import('./decode.js'),
  },
  {
    name: 'align',
    summary: 'when each word and character of a transcript comes',
    load: () => import('./align.js'),
  },
  {
    name: 'explain',
    summary: 'what the loss of one utterance is made of, as tables, drawing and page',
    load: () => import('./explain.js'),
  },
  {
    name: 'doctor',
    alias: 'info',
    summary: 'what is installed and loaded, the instruction set, and the devices',
    load: () => import('./doctor.js'),
  },
  {
    name: 'build',
    summary: 'compile the native part on this machine',
    load: () => import('./build.js'),
  },
];

async function main(args: string[]): Promise<void> {
  const program = new Command('node-ctc')
    .description(
      'CTC from the command line: losses, texts, alignments and evaluation of model outputs.',
    )
    .version(packageVersion)
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      'after',
      '\nExample:\n  node-ctc loss logits.npy manifest.jsonl --tokens tokens.txt\n\n' +
        'Every command explains itself: node-ctc loss --help',
    )
    .showHelpAfterError('Add --help for the options and examples.')
    .exitOverride();

  const asked = args.filter((arg) => !arg.startsWith('-'));
  const wanted = asked[0] === 'help' ? asked[1] : asked[0];
  for (const { name, alias, summary, load } of commands) {
    if (wanted !== undefined && [name, alias].includes(wanted)) (await load()).register(program);
    else program.command(name).summary(summary);
  }
  if (args.length === 0) program.help({ error: true });
  await program.parseAsync(args, { from: 'user' });
}

function report(error: unknown): void {
  if (error instanceof CommanderError) {
    // Commander has printed its message already.
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return;
  }
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  // Files' errors are typed by now: only a standard stream's comes as it is.
  if (syscall === 'write' && path === undefined) {
    report(writeError('standard output', error));
    return;
  }
  process.exitCode = exitCodeOf(error);
  const { red } = paletteFor(process.stderr);
  if (error instanceof Error && error.name === 'AbortError') {
    process.stderr.write('interrupted\n');
    return;
  }
  const known =
    error instanceof UsageError ||
    (error as { code?: string } | null)?.code?.startsWith('ERR_CTC_');
  const message = known
    ? String((error as Error).message)
        .split('\n')
        .map((line) => clip(line))
        .join('\n')
    : ((error as Error | null)?.stack ?? String(error));
  process.stderr.write(`${red('error:')} ${message}\n`);
}

// Whoever read the output has seen enough (`| head`): stop without a word.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  report(error);
  process.exit();
});

main(process.argv.slice(2)).catch(report);
