// `npm run fuzz` for what is TypeScript:
//   main.js READER --seconds N --seed N --corpus FOLDER --corpus FOLDER --findings FOLDER
//   main.js api --calls N --seed N --findings FOLDER
// What a reader's corpus grows by goes to the first folder. Ends with 1 after a finding.

import { createHash } from 'node:crypto';
import {
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzzApi } from './api.js';
import { Coverage } from './coverage.js';
import { fuzz, type Target } from './guided.js';
import { Random } from './random.js';
import { ReaderTargets } from './readers.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    calls: { type: 'string', default: '3000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    corpus: { type: 'string', multiple: true, default: ['.'] },
    findings: { type: 'string', default: '.' },
  },
});
const seed = Number(values.seed);
const start = performance.now();
const seconds = () => (performance.now() - start) / 1000;

const filesIn = (folder: string) =>
  existsSync(folder) ? readdirSync(folder).map((name) => readFileSync(join(folder, name))) : [];
const nameOf = (input: Buffer) => createHash('sha1').update(input).digest('hex').slice(0, 16);

async function fuzzReader(target: Target): Promise<void> {
  const coverage = new Coverage((url) => url.includes('/build/lib/'));
  const known = values.corpus.flatMap((each) => filesIn(join(each, target.name)));
  const isOver = () => seconds() > Number(values.seconds);
  const found = await fuzz(target, known, new Random(seed), coverage, isOver);
  coverage.close();
  const folder = join(values.corpus[0] as string, target.name);
  mkdirSync(folder, { recursive: true });
  for (const input of found.corpus) writeFileSync(join(folder, nameOf(input)), input);
  process.stdout.write(
    `${target.name}: ${found.executions} executions in ${seconds().toFixed(1)} s, ` +
      `${found.blocks} blocks covered, ${found.corpus.length} inputs kept, seed ${seed}\n`,
  );
  if (found.failure === undefined) return;
  const { input, error } = found.failure;
  const path = join(values.findings, `${target.name}-${nameOf(input)}`);
  writeFileSync(path, input);
  throw new Error(`${target.name}: the input is in ${path}`, { cause: error });
}

async function fuzzCalls(): Promise<void> {
  // Where a call ends the process, its description is what is left.
  const path = join(values.findings, 'api-last-call.txt');
  const file = openSync(path, 'w');
  await fuzzApi(Number(values.calls), seed, (call) => {
    ftruncateSync(file, 0);
    writeSync(file, `${call} (seed ${seed})\n`, 0);
  });
  rmSync(path);
  process.stdout.write(`api: ${values.calls} calls in ${seconds().toFixed(1)} s, seed ${seed}\n`);
}

mkdirSync(values.findings, { recursive: true });
const readers = new ReaderTargets();
try {
  const name = positionals[0] ?? 'api';
  const target = readers.all.find((each) => each.name === name);
  if (target !== undefined) await fuzzReader(target);
  else if (name === 'api') await fuzzCalls();
  else throw new Error(`there is no target ${name}`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  readers.remove();
}
