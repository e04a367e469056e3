// Builds build/Release/ctc.node with node-gyp, without any download.
//   --if-stale   only when a source is newer than the addon
//   --tests      the C++ tests (build/Release/ctc_tests) as well
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { findNodedir } = require('./headers.cjs');
const { isStale } = require('./stale.cjs');

const root = path.join(__dirname, '..');
const addon = path.join(root, 'build', 'Release', 'ctc.node');
const tests = path.join(root, 'build', 'Release', 'ctc_tests');
// Written after each build: make leaves an addon alone that a changed source does not touch.
const stamp = (withTests) => path.join(root, 'build', withTests ? '.built-tests' : '.built');
const builtFrom = ['native', 'binding.gyp', 'scripts/headers.cjs'];

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

/** @returns {{ ok: boolean, message: string }} */
function buildNative({ withTests = false, stdio = 'inherit' } = {}) {
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
    `--ctc_tests=${withTests ? 'yes' : 'no'}`,
    '--loglevel=warn',
  ];
  // node-gyp lets npm's configuration in the environment win over its command line.
  const env = { ...process.env, npm_config_nodedir: findNodedir() };
  const startedAt = new Date();
  const run = spawnSync(process.execPath, args, { cwd: root, env, stdio });
  if (run.status === 0) {
    for (const file of withTests ? [stamp(true), stamp(false)] : [stamp(false)]) {
      fs.writeFileSync(file, '');
      fs.utimesSync(file, startedAt, startedAt);
    }
    return { ok: true, message: `Built ${path.relative(root, addon)}` };
  }
  const output = stdio === 'pipe' ? `\n${run.stdout}${run.stderr}` : '';
  return { ok: false, message: `node-gyp failed (exit code ${run.status}).${output}` };
}

function isUpToDate(withTests = false) {
  const sources = [...builtFrom, ...(withTests ? ['test/native'] : [])];
  const outputs = [addon, ...(withTests ? [tests] : [])];
  return (
    outputs.every((file) => fs.existsSync(file)) &&
    !isStale(
      stamp(withTests),
      sources.map((name) => path.join(root, name)),
    )
  );
}

module.exports = { addon, buildNative, isUpToDate, platformName };

if (require.main === module) {
  const withTests = process.argv.includes('--tests');
  if (!process.argv.includes('--if-stale') || !isUpToDate(withTests)) {
    const { ok, message } = buildNative({ withTests });
    process.stderr.write(`node-ctc: ${message}\n`);
    if (!ok) process.exit(1);
  }
}
