// `node-ctc doctor`: what is installed, what of it loads, and why something does not.

import type { Command } from 'commander';
import type { DeviceInfo } from '../device.js';

export function register(program: Command): void {
  program
    .command('doctor')
    .alias('info')
    .description(
      'Show what is installed and loaded, the instruction set in use, and which devices can be used.',
    )
    .option('--json', 'write one JSON object')
    .action(run);
}

function describe({ usable, reason, name, memory, capability }: DeviceInfo): string {
  if (!usable) return `no: ${reason}`;
  if (name === undefined) return 'usable';
  return `usable: ${name}, ${(memory! / 1e9).toFixed(1)} GB, compute capability ${capability}`;
}

async function run({ json }: { json?: boolean }): Promise<void> {
  const [{ info }, { devices }] = await Promise.all([import('../info.js'), import('../device.js')]);
  const facts = info();
  const node = `${process.version} ${process.platform} ${process.arch}`;
  const found = devices();
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...facts, node, devices: found })}\n`);
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
    ...found.map((device) => [device.device, describe(device)]),
  ];
  for (const [name, value] of lines) process.stdout.write(`${name!.padEnd(14)}${value}\n`);
}
