// npm run bench: times of the loss and its gradient. bench/README.md tells what is measured and how.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { Command, Option } from 'commander';
import { startTorch } from './pytorch.mjs';
import { Report } from './report.mjs';
import { shapesNamed } from './shapes.mjs';

const PARTS = ['batches', 'columns', 'calls', 'fresh', 'sixteenBit', 'real'];
const list = (value) => value.split(',');

const program = new Command('npm run bench --')
  .description('Measures the loss and its gradient on this machine.')
  .option('--shapes <names>', 'of bench/shapes.mjs, with commas between', list)
  .option(
    '--threads <numbers>',
    'thread counts, with commas between (default: 1 and all)',
    (value) => list(value).map(Number),
  )
  .addOption(
    new Option('--dtype <type>', 'element type of the batches')
      .choices(['float32', 'float64', 'float16', 'bfloat16'])
      .default('float32'),
  )
  .option('--isa <name>', 'instruction set: avx512, avx2, neon or baseline (default: the best)')
  .option('--parts <names>', `some of ${PARTS.join(',')}`, list, PARTS)
  .option('--seconds <number>', 'for each shape, at least', Number, 2)
  .option('--no-torch', 'leave PyTorch out')
  .option('--json [file]', 'write the results')
  .option('--compare <file>', 'compare with results written earlier')
  .parse();
const options = program.opts();

// Read once, when the addon is loaded: the package comes after this.
if (options.isa !== undefined) process.env.NODE_CTC_ISA = options.isa;
const ctc = await import('../dist/esm/index.js');
const addon = createRequire(import.meta.url)('../build/Release/ctc_bench.node');
const torch = options.torch ? await startTorch() : undefined;

const unknown = options.parts.find((part) => !PARTS.includes(part));
if (unknown !== undefined) program.error(`no part '${unknown}'; there are ${PARTS.join(', ')}`);

const cores = availableParallelism();
const about = {
  date: new Date().toISOString(),
  version: JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version,
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  cores,
  isa: ctc.info().isa,
  node: process.version,
  torch: torch?.version,
};
console.log(
  `node-ctc ${about.version}, ${about.isa}, on ${about.processor}, ${cores} cores, Node ${about.node}, ` +
    (torch ? `PyTorch ${torch.version}` : 'no PyTorch'),
);
console.log('Medians, and in brackets the quartiles; ratios are taken round by round.');

const bench = {
  ctc,
  addon,
  torch,
  report: new Report(),
  shapes: shapesNamed(options.shapes),
  threads: options.threads ?? [...new Set([1, cores])],
  dtype: options.dtype,
  seconds: options.seconds,
};
for (const name of PARTS) {
  if (!options.parts.includes(name)) continue;
  const part = await import(`./parts/${name}.mjs`);
  await part.default(bench);
}
torch?.stop();
if (options.compare !== undefined) bench.report.compare(options.compare);
if (options.json !== undefined) {
  const path = options.json === true ? 'bench-results.json' : options.json;
  bench.report.write(path, about);
  console.log(`\nWrote ${path}`);
}
