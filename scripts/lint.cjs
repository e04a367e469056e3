// Checks (or with --write repairs) the formatting and runs the linters: biome for TypeScript and
// JavaScript; TypeDoc, for which every public name must have a comment; clang-format and clang-tidy for
// C++ where they are installed.
// With --require-all a missing tool is an error (continuous integration).
'use strict';

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const sources = require('../native/sources.cjs');

const root = path.join(__dirname, '..');
const write = process.argv.includes('--write');
const requireAll = process.argv.includes('--require-all');
let failures = 0;

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    failures += 1;
    process.stderr.write(`lint: ${path.basename(command)} failed\n`);
  }
}

/** A run of clang-tidy on some of the files, beside others: all of them take minutes. */
function tidy(files, options) {
  return new Promise((resolve) => {
    const args = ['--quiet', ...files, '--', ...options];
    const child = spawn('clang-tidy', args, { cwd: root, stdio: 'inherit' });
    child.on('close', (status) => {
      if (status !== 0) {
        failures += 1;
        process.stderr.write('lint: clang-tidy failed\n');
      }
      resolve();
    });
  });
}

function isInstalled(command) {
  if (spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0) return true;
  process.stderr.write(`lint: ${command} is not installed, its checks are left out\n`);
  if (requireAll) failures += 1;
  return false;
}

function filesIn(folder, extensions) {
  return fs.readdirSync(path.join(root, folder), { recursive: true }).flatMap((name) => {
    const file = path.join(folder, name);
    return extensions.includes(path.extname(name)) ? [file] : [];
  });
}

async function main() {
  const biome = path.join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  run(process.execPath, [
    biome,
    'check',
    '--error-on-warnings',
    ...(write ? ['--write'] : []),
    '.',
  ]);

  const typedoc = path.join(root, 'node_modules', 'typedoc', 'bin', 'typedoc');
  if (!write) run(process.execPath, [typedoc, '--emit', 'none']);

  if (isInstalled('clang-format')) {
    const files = ['native', 'test/native', 'bench/native'].flatMap((folder) =>
      filesIn(folder, ['.h', '.cpp', '.inl', '.cu', '.cuh']),
    );
    run('clang-format', write ? ['-i', ...files] : ['--dry-run', '-Werror', ...files]);
  }

  if (!write && isInstalled('clang-tidy')) {
    // Compiled by hand instead of a compilation database: needs no configured build.
    const { findNodedir } = require('./headers.cjs');
    const includes = [
      ...sources.includes,
      path.join(findNodedir(), 'include', 'node'),
      path.dirname(require.resolve('node-addon-api/package.json')),
    ];
    const options = [
      '-std=c++17',
      ...includes.map((folder, i) => (i < sources.includes.length ? '-I' : '-isystem') + folder),
      ...[...sources.defines, 'CTC_EMULATED'].map((define) => `-D${define}`),
    ];
    const lists = [
      'core',
      'binding',
      'tests',
      'emulation',
      'emulationTests',
      'emulationLibrary',
      'counted',
      'fuzz',
    ];
    const files = [...new Set([...lists, 'bench', 'profile'].flatMap((list) => sources[list]))];
    const shares = Math.max(1, os.availableParallelism());
    await Promise.all(
      Array.from({ length: shares }, (_, i) =>
        tidy(
          files.filter((_, k) => k % shares === i),
          options,
        ),
      ),
    );
  }
  process.exit(failures === 0 ? 0 : 1);
}

main();
