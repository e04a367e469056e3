// `node-ctc info`: what is installed and what of it loads.

import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('info')
    .description('Show what is installed and loaded, and the instruction set in use.')
    .option('--json', 'write one JSON object')
    .action(run);
}

async function run({ json }: { json?: boolean }): Promise<void> {
  const { info } = await import('../info.js');
  const facts = info();
  const node = `${process.version} ${process.platform} ${process.arch}`;
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...facts, node })}\n`);
    return;
  }
  const others = facts.isas.filter((name) => name !== facts.isa);
  const choice = others.length > 0 ? ` (NODE_CTC_ISA can choose ${others.join(' or ')})` : '';
  const lines = [
    ['node-ctc', facts.version],
    ['node', node],
    ['addon', facts.binary],
    ['instructions', `${facts.isa}${choice}`],
    ['threads', String(facts.threads)],
  ];
  for (const [name, value] of lines) process.stdout.write(`${name!.padEnd(14)}${value}\n`);
}
