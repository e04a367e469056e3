// The evaluation command against the engine's own time, on files in the page cache.
//
//   npm run bench:eval                      1 GB each, one and two threads
//   npm run bench:eval -- --gb 0.2 --runs 5 --only deepspeech-char
//   npm run bench:eval -- --memory          resident memory, 1,000 to 1,000,000 utterances
//   npm run bench:eval -- --startup         what the command costs before any work
//
// The command is timed as a process, less the time of the same command on three utterances: what starts up. The engine is
// timed on the same batches in memory, as a user would call it for what the command writes: ctcLoss without a gradient, and
// greedy paths. (The command itself has both in one call, which gives the same bits.) Both alternate; the ratio of the medians
// is what counts. On a machine that does other work, see the processor's seconds instead: those of the run in the command,
// over those of the engine, which is what two threads on two cores come to if nothing waits.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { greedyPaths } from '../dist/esm/decode.js';
import { ctcLoss, info } from '../dist/esm/index.js';

const { values: options } = parseArgs({
  options: {
    gb: { type: 'string', default: '1' },
    runs: { type: 'string', default: '3' },
    folder: { type: 'string', default: tmpdir() },
    memory: { type: 'boolean', default: false },
    startup: { type: 'boolean', default: false },
    only: { type: 'string' },
    most: { type: 'string', default: '1000000' },
  },
});
const main = fileURLToPath(new URL('../dist/cjs/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(options.folder, 'node-ctc-bench-'));
const runs = Number(options.runs);

const shapes = [
  { name: 'deepspeech-char', T: 400, C: 29, L: 80 },
  { name: 'wordpiece', T: 200, C: 1024, L: 40 },
  { name: 'ocr-chinese', T: 80, C: 6625, L: 25 },
];

/** A small generator of its own: the same files every time. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * Peaky outputs, as trained models write them: each label has its frame, a few are wrong. A block of
 * utterances is generated and repeated, since generating takes longer than evaluating.
 */
function generate({ T, C, L }, utterances, name) {
  const block = Math.min(utterances, Math.max(1, Math.floor(2 ** 24 / (T * C))));
  const next = random(7);
  const data = new Float32Array(block * T * C);
  const texts = [];
  for (let i = 0; i < data.length; i++) data[i] = 2 * next();
  // The alphabet of DeepSpeech, and ideographs where there are more classes.
  const symbol = (c) => "abcdefghijklmnopqrstuvwxyz '"[c - 1] ?? String.fromCodePoint(0x4e00 + c);
  for (let n = 0; n < block; n++) {
    const labels = Array.from({ length: L }, () => 1 + Math.floor(next() * (C - 1)));
    const at = new Map(labels.map((label, l) => [Math.floor(((l + 0.5) * T) / L), label]));
    for (let t = 0; t < T; t++) {
      const label = next() < 0.98 ? (at.get(t) ?? 0) : Math.floor(next() * C);
      data[(n * T + t) * C + label] += 12;
    }
    texts.push(labels.map(symbol).join(''));
  }
  const tokens = ['<blank>', ...Array.from({ length: C - 1 }, (_, i) => symbol(i + 1))];
  const paths = {
    data: join(folder, `${name}.npy`),
    manifest: join(folder, `${name}.jsonl`),
    tokens: join(folder, `${name}.txt`),
  };
  writeFileSync(paths.tokens, tokens.join('\n'));
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${utterances}, ${T}, ${C}), }`;
  const prefix = Buffer.from('\u0093NUMPY\u0001\u0000', 'latin1');
  const padded = `${header.padEnd(128 - 11)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length);
  const npy = openSync(paths.data, 'w');
  const manifest = openSync(paths.manifest, 'w');
  writeSync(npy, Buffer.concat([prefix, length, Buffer.from(padded)]));
  for (let n = 0; n < utterances; n += block) {
    const count = Math.min(block, utterances - n);
    writeSync(npy, Buffer.from(data.buffer, 0, count * T * C * 4));
    const rows = texts
      .slice(0, count)
      .map((text, i) => `${JSON.stringify({ id: `utt-${n + i}`, text, frames: T })}\n`);
    writeSync(manifest, rows.join(''));
  }
  closeSync(npy);
  closeSync(manifest);
  return { ...paths, block: { data, count: block, texts }, tokens: paths.tokens, symbols: tokens };
}

function seconds(work) {
  const began = performance.now();
  work();
  return (performance.now() - began) / 1000;
}

function command(files, threads, out) {
  rmSync(out, { recursive: true, force: true });
  execFileSync(process.execPath, [
    ...[main, 'eval', files.data, '--manifest', files.manifest, '--tokens', files.tokens],
    ...['--layout', 'NTC', '--out', out, '--threads', String(threads)],
  ]);
}

const startUp = () => execFileSync(process.execPath, [main, 'doctor']);

async function engine({ T, C }, { block, symbols }, utterances, threads) {
  const classOf = new Map(symbols.map((symbol, c) => [symbol, c]));
  const targets = block.texts.map((text) => Array.from(text, (symbol) => classOf.get(symbol)));
  const batch = Math.max(1, Math.floor(2 ** 24 / (T * C * 4)));
  const common = { layout: 'NTC', threads, buffers: 'borrow' };
  const began = performance.now();
  const processor = process.cpuUsage();
  for (let n = 0; n < utterances; n += batch) {
    const from = n % block.count;
    const count = Math.min(batch, utterances - n, block.count - from);
    const data = block.data.subarray(from * T * C, (from + count) * T * C);
    const tensor = { data, shape: [count, T, C] };
    await ctcLoss(tensor, targets.slice(from, from + count), {
      ...common,
      reduction: 'none',
      gradient: false,
    });
    await greedyPaths(tensor, common);
    n -= batch - count;
  }
  const { user, system } = process.cpuUsage(processor);
  return { wall: (performance.now() - began) / 1000, processor: (user + system) / 1e6 };
}

function plainRead(path) {
  const buffer = Buffer.alloc(2 ** 24);
  const file = openSync(path);
  while (readSync(file, buffer, 0, buffer.length) > 0);
  closeSync(file);
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

async function speed() {
  console.log(
    `${info().isa}, ${availableParallelism()} cores, ${options.gb} GB each, medians of ${runs}`,
  );
  console.log(
    'shape            threads  start-up  engine  read  command  command / bound  processor: engine, command, ratio',
  );
  for (const shape of shapes) {
    if (options.only !== undefined && options.only !== shape.name) continue;
    const utterances = Math.ceil((Number(options.gb) * 1e9) / (shape.T * shape.C * 4));
    const files = generate(shape, utterances, shape.name);
    const few = generate(shape, 3, `${shape.name}-few`);
    const out = join(folder, 'out');
    for (const threads of [1, 2]) {
      const times = { start: [], engine: [], read: [], command: [] };
      const processor = { engine: [], command: [] };
      for (let run = 0; run < runs; run++) {
        times.start.push(seconds(() => command(few, threads, out)));
        const own = await engine(shape, files, utterances, threads);
        times.engine.push(own.wall);
        processor.engine.push(own.processor);
        times.read.push(seconds(() => plainRead(files.data)));
        times.command.push(seconds(() => command(files, threads, out)));
        const timings = JSON.parse(readFileSync(join(out, 'timings.json'), 'utf8'));
        processor.command.push(timings.processorSeconds);
      }
      const [start, own, read, whole] = Object.values(times).map(median);
      const bound = shape.C >= 1000 ? own + read : own;
      const [ownCpu, wholeCpu] = Object.values(processor).map(median);
      console.log(
        `${shape.name.padEnd(15)}  ${String(threads).padStart(7)}  ${start.toFixed(3).padStart(8)}  ${own.toFixed(2).padStart(6)}  ${read.toFixed(2)}  ${whole.toFixed(2).padStart(7)}  ${((whole - start) / bound).toFixed(2)}  ${ownCpu.toFixed(2)}  ${wholeCpu.toFixed(2)}  ${(wholeCpu / ownCpu).toFixed(2)}  ${Math.round(utterances / (whole - start))} utterances/s`,
      );
    }
    rmSync(files.data);
  }
}

/** Largest resident memory of the command, in MB, for more and more utterances. */
function memory() {
  console.log('utterances  seconds  MB resident at most');
  for (let utterances = 1000; utterances <= Number(options.most); utterances *= 10) {
    const files = generate({ T: 20, C: 16, L: 5 }, utterances, 'memory');
    // Not resourceUsage().maxRSS where there is something else: on Linux it counts the parent's memory, too.
    const probe = `import { readFileSync } from 'node:fs';
      process.on('exit', () => {
        let own;
        try {
          own = /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1];
        } catch {}
        process.stderr.write(String(own ?? process.resourceUsage().maxRSS));
      });`;
    const began = performance.now();
    const { stderr } = spawnSync(
      process.execPath,
      [
        ...['--import', `data:text/javascript,${encodeURIComponent(probe)}`, main, 'eval'],
        ...[files.data, '--manifest', files.manifest, '--tokens', files.tokens],
        ...['--layout', 'NTC', '--out', join(folder, 'out'), '--overwrite'],
      ],
      { encoding: 'utf8' },
    );
    const took = (performance.now() - began) / 1000;
    console.log(
      `${String(utterances).padStart(10)}  ${took.toFixed(1).padStart(7)}  ${(Number(stderr) / 1024).toFixed(0).padStart(6)}`,
    );
  }
}

/** What the command costs before any work, beyond node itself. */
function startup() {
  const node = [];
  const help = [];
  const load = [];
  const tiny = [];
  const files = generate({ T: 20, C: 16, L: 5 }, 3, 'startup');
  for (let run = 0; run < Math.max(runs, 9); run++) {
    node.push(seconds(() => execFileSync(process.execPath, ['-e', '0'])));
    help.push(seconds(() => execFileSync(process.execPath, [main, 'eval', '--help'])));
    load.push(seconds(startUp));
    tiny.push(seconds(() => command(files, 1, join(folder, 'out'))));
  }
  const beyond = (times) => `${Math.round(1000 * (median(times) - median(node)))} ms`;
  console.log(
    `node itself ${Math.round(1000 * median(node))} ms; beyond it: eval --help ${beyond(help)}, doctor (addon loaded) ${beyond(load)}, eval of three utterances ${beyond(tiny)}`,
  );
}

try {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < 3e9) throw new Error(`${folder} has less than 3 GB free: give --folder`);
  if (options.memory) memory();
  else if (options.startup) startup();
  else await speed();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
