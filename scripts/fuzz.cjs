// Fuzzes what takes input from outside: npm run fuzz -- [TARGET...] [--seconds N] [--calls N] [--seed N]
//   core     loss align posteriors greedy beam arpa: libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer
//            (clang with its runtime libraries, Debian: clang libclang-rt-dev; CMake)
//   readers  npy npz safetensors ark scp manifest jsonl tokens lm: guided by V8's coverage
//   api      calls of the public API with strange arguments
// Without a target all of them, each for N seconds (default 10), the API for N calls (default 3000). Each
// begins with test/fuzz/corpus; what it adds, and its findings, are in build/fuzz. docs/testing.md.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const root = path.join(__dirname, '..');
const core = ['loss', 'align', 'posteriors', 'greedy', 'beam', 'arpa'];
const readers = [
  ...['npy', 'npz', 'safetensors', 'ark', 'scp'],
  ...['manifest', 'jsonl', 'tokens', 'lm'],
];
const targets = [...core, ...readers, 'api'];
const findings = path.join('build', 'fuzz');
const grown = path.join(findings, 'corpus');
const given = path.join('test', 'fuzz', 'corpus');
const buildFolder = 'build-cmake-fuzz';

function run(command, args, env = {}) {
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (signal) process.stderr.write(`fuzz: ${path.basename(command)} was ended by ${signal}\n`);
  return status === 0;
}

function buildCore() {
  const clang = process.env.CXX ?? 'clang++';
  const built =
    run('cmake', [
      ...['-S', '.', '-B', buildFolder, '-DCTC_ADDON=OFF', '-DCTC_TESTS=OFF', '-DCTC_FUZZ=ON'],
      ...['-DCTC_SANITIZE=address,undefined', `-DCMAKE_CXX_COMPILER=${clang}`],
    ]) && run('cmake', ['--build', buildFolder, '--parallel', String(os.availableParallelism())]);
  if (built) return true;
  process.stderr.write(
    'fuzz: the core has to be compiled with clang and its runtime libraries: apt-get install cmake clang libclang-rt-dev\n',
  );
  return false;
}

function fuzzCore(target, { seconds, seed }) {
  const folder = path.join(grown, target);
  fs.mkdirSync(path.join(root, folder), { recursive: true });
  const corpora = [folder, path.join(given, target)].filter((each) =>
    fs.existsSync(path.join(root, each)),
  );
  process.stdout.write(`${target}: ${seconds} s\n`);
  return run(
    path.join(root, buildFolder, 'ctc_fuzz'),
    [
      ...corpora,
      `-max_total_time=${seconds}`,
      // From the start: with the short inputs that libFuzzer tries first, all after the shapes is 0.
      ...['-len_control=0', '-max_len=2048'],
      `-artifact_prefix=${path.join(findings, `${target}-`)}`,
      ...[
        '-timeout=60',
        '-rss_limit_mb=2048',
        '-verbosity=0',
        '-print_funcs=0',
        '-print_final_stats=1',
      ],
      ...(seed === undefined ? [] : [`-seed=${seed}`]),
    ],
    { CTC_FUZZ_TARGET: target, UBSAN_OPTIONS: 'print_stacktrace=1' },
  );
}

function fuzzScript(target, { seconds, calls, seed }) {
  return run(process.execPath, [
    path.join('build', 'test', 'fuzz', 'main.js'),
    target,
    ...['--seconds', seconds, '--calls', calls, '--findings', findings],
    ...['--corpus', grown, '--corpus', given],
    ...(seed === undefined ? [] : ['--seed', seed]),
  ]);
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '10' },
      calls: { type: 'string', default: '3000' },
      seed: { type: 'string' },
    },
  });
  const unknown = positionals.find((name) => !targets.includes(name));
  if (unknown !== undefined) {
    process.stderr.write(`fuzz: no target '${unknown}'; there are ${targets.join(', ')}\n`);
    return 2;
  }
  const asked = positionals.length > 0 ? positionals : targets;
  if (asked.some((name) => core.includes(name)) && !buildCore()) return 1;
  const failed = asked.filter(
    (name) => !(core.includes(name) ? fuzzCore(name, values) : fuzzScript(name, values)),
  );
  for (const name of failed) {
    process.stderr.write(`fuzz: ${name} found something, see above and ${findings}\n`);
  }
  return failed.length === 0 ? 0 : 1;
}

process.exit(main());
