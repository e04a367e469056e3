// Runs the C++ tests and mocha, and closes with their sum: "N passed, N failed, N skipped".
// Arguments go to mocha (`npm test -- --grep golden`, `npm test -- build/test/oracle.test.js`); the
// C++ tests then stay out. Without arguments the C++ tests run beside as many processes of mocha as there are
// cores, each of which runs one file after the other.
'use strict';

const { spawn } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');
// Some files' tests take a gigabyte of memory.
const mostProcesses = 4;

/** Runs a command, shows its output, and resolves to { code, output }. */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { FORCE_COLOR: process.stdout.isTTY ? '1' : '0', ...process.env },
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal, output }));
  });
}

function count(output, word) {
  // Colours stand between a line's start and its number.
  const plain = output.replace(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '');
  const matches = [...plain.matchAll(new RegExp(`^\\s*(\\d+) ${word}\\b`, 'gm'))];
  return matches.length > 0 ? Number(matches.at(-1)[1]) : 0;
}

/** @returns {Promise<{ passed: number, failed: number }>} */
async function runNative() {
  const { code, output } = await run(path.join(root, 'build', 'Release', 'ctc_tests'), []);
  const failed = Number(output.match(/(\d+) failed\s*$/)?.[1] ?? 0);
  // A crash leaves no count behind.
  return { passed: count(output, 'passed'), failed: code === 0 ? 0 : Math.max(failed, 1) };
}

async function main() {
  const mochaArgs = process.argv.slice(2);
  const whole = mochaArgs.length === 0;
  const named = mochaArgs.some((argument) => argument.endsWith('.js'));
  const processes = Math.min(os.availableParallelism(), mostProcesses);
  const [total, mocha] = await Promise.all([
    whole ? runNative() : { passed: 0, failed: 0 },
    run(process.execPath, [
      require.resolve('mocha/bin/mocha.js'),
      ...(whole && processes > 1 ? ['--parallel', `--jobs=${processes}`] : mochaArgs),
      ...(named ? [] : ['build/test/**/*.test.js']),
    ]),
  ]);
  total.passed += count(mocha.output, 'passing');
  total.failed += mocha.code === 0 ? 0 : Math.max(count(mocha.output, 'failing'), 1);
  const pending = count(mocha.output, 'pending');
  const skipped = pending > 0 ? `, ${pending} skipped` : '';
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
  process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
}

main();
