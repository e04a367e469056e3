// Builds build/Release/ctc.node with node-gyp, without any download.
//   --if-stale   only when a source is newer than the addon
//   --tests      the C++ tests (build/Release/ctc_tests) and the addons for tests as well
//   --bench      what bench/ measures with (ctc_bench.node and ctc_profile) as well
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { findNodedir } = require('./headers.cjs');
const { isStale } = require('./stale.cjs');

const root = path.join(__dirname, '..');
const addon = path.join(root, 'build', 'Release', 'ctc.node');
const builtFrom = ['native', 'binding.gyp', 'scripts/headers.cjs'];
// What can be built beside the addon: sources, and files below build/Release.
const EXTRAS = {
  tests: { sources: 'test/native', outputs: ['ctc_tests'] },
  bench: { sources: 'bench/native', outputs: ['ctc_bench.node', 'ctc_profile'] },
};
if (process.platform === 'linux') EXTRAS.tests.outputs.push('ctc_counted.node');
// Written after each build: make leaves an addon alone that a changed source does not touch.
const stamp = (extra) => path.join(root, 'build', extra ? `.built-${extra}` : '.built');

/** Name of the folder below prebuilds/ for this machine, as lib/load.ts looks for it. */
function platformName() {
  const musl =
    process.platform === 'linux' &&
    process.report.getReport().header.glibcVersionRuntime === undefined;
  return `${process.platform}-${process.arch}${musl ? '-musl' : ''}`;
}

/** The node-gyp of this package, else the one inside npm. Undefined when there is neither. */
function findNodeGyp() {
  const beside = path.dirname(fs.realpathSync(process.execPath));
  const npmFolders = [
    process.env.npm_execpath && path.join(path.dirname(process.env.npm_execpath), '..'),
    path.join(beside, '..', 'lib', 'node_modules', 'npm'),
    path.join(beside, 'node_modules', 'npm'),
    path.join('/usr', 'share', 'nodejs', 'npm'),
  ];
  const bin = path.join('node-gyp', 'bin', 'node-gyp.js');
  const candidates = npmFolders
    .filter(Boolean)
    .map((folder) => path.join(folder, 'node_modules', bin));
  try {
    candidates.unshift(require.resolve('node-gyp/bin/node-gyp.js'));
  } catch {
    // Not installed beside this package: the usual case for a dependency.
  }
  return candidates.find((candidate) => fs.existsSync(candidate));
}

function isRunnable(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** What a build needs and this machine lacks, each with its remedy. */
function missingTools() {
  const missing = [];
  if (!findNodeGyp()) missing.push('node-gyp: npm install --save-dev node-gyp');
  if (process.platform === 'win32') return missing;
  const compilers = process.env.CXX ? [process.env.CXX.split(' ')[0]] : ['c++', 'g++', 'clang++'];
  if (!compilers.some((compiler) => isRunnable(compiler))) {
    missing.push(
      process.platform === 'darwin'
        ? 'a C++ compiler: xcode-select --install'
        : 'a C++17 compiler: for example apt-get install g++ make, or apk add g++ make',
    );
  }
  if (!isRunnable('make') && !isRunnable('gmake')) missing.push('make: apt-get install make');
  const pythons = [process.env.npm_config_python, process.env.PYTHON, 'python3', 'python'];
  if (!pythons.some((python) => python && isRunnable(python))) {
    missing.push('python3 (node-gyp runs on it): apt-get install python3');
  }
  return missing;
}

/**
 * @param {{ extra?: 'tests' | 'bench', stdio?: 'inherit' | 'pipe' }} [options]
 * @returns {{ ok: boolean, message: string }}
 */
function buildNative({ extra, stdio = 'inherit' } = {}) {
  const missing = missingTools();
  if (missing.length > 0) {
    return {
      ok: false,
      message: `Building the native addon needs:\n${missing.map((m) => `  - ${m}\n`).join('')}`,
    };
  }
  const args = [
    findNodeGyp(),
    'configure',
    'build',
    `--jobs=${Math.max(1, os.availableParallelism())}`,
    ...Object.keys(EXTRAS).map((name) => `--ctc_${name}=${name === extra ? 'yes' : 'no'}`),
    '--loglevel=warn',
  ];
  // node-gyp lets npm's configuration in the environment win over its command line.
  const env = { ...process.env, npm_config_nodedir: findNodedir() };
  const startedAt = new Date();
  const run = spawnSync(process.execPath, args, { cwd: root, env, stdio });
  if (run.status === 0) {
    for (const file of extra ? [stamp(extra), stamp()] : [stamp()]) {
      fs.writeFileSync(file, '');
      fs.utimesSync(file, startedAt, startedAt);
    }
    return { ok: true, message: `Built ${path.relative(root, addon)}` };
  }
  const output = stdio === 'pipe' ? `\n${run.stdout}${run.stderr}` : '';
  return { ok: false, message: `node-gyp failed (exit code ${run.status}).${output}` };
}

function isUpToDate(extra) {
  const sources = [...builtFrom, ...(extra ? [EXTRAS[extra].sources] : [])];
  const outputs = (extra ? EXTRAS[extra].outputs : []).map((name) =>
    path.join(root, 'build', 'Release', name),
  );
  return (
    [addon, ...outputs].every((file) => fs.existsSync(file)) &&
    !isStale(
      stamp(extra),
      sources.map((name) => path.join(root, name)),
    )
  );
}

module.exports = { addon, buildNative, isUpToDate, platformName };

if (require.main === module) {
  const extra = Object.keys(EXTRAS).find((name) => process.argv.includes(`--${name}`));
  if (!process.argv.includes('--if-stale') || !isUpToDate(extra)) {
    const { ok, message } = buildNative({ extra });
    process.stderr.write(`node-ctc: ${message}\n`);
    if (!ok) process.exit(1);
  }
}
