// Runs the tests of test/cuda on a GPU: agreement with the CPU on all golden, real and random cases,
// memory, errors, worker threads, leaks. With compute-sanitizer on the PATH also a run of each of its
// tools. Needs `npm run build:cuda`; says so, and what else is missing.
'use strict';

const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.join(__dirname, '..');
const specs = path.join(root, 'build', 'test', 'cuda', '*.spec.js');

async function main() {
  const { devices } = await import('../dist/esm/index.js');
  const gpus = devices().filter(({ device }) => device !== 'cpu');
  const usable = gpus.filter((gpu) => gpu.usable && !gpu.name.startsWith('emulated'));
  if (usable.length === 0) {
    process.stderr.write(
      `test:gpu needs a GPU. ${gpus.map(({ device, reason, name }) => `${device}: ${reason ?? name}`).join('; ')}\n`,
    );
    process.exit(2);
  }
  for (const { device, name, capability } of usable) {
    process.stdout.write(`${device}: ${name}, compute capability ${capability}\n`);
  }
  const mocha = [require.resolve('mocha/bin/mocha.js'), '--expose-gc', specs];
  const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status;
  let failed = run(process.execPath, mocha) !== 0;
  const sanitizer = 'compute-sanitizer';
  if (spawnSync(sanitizer, ['--version'], { stdio: 'ignore' }).status === 0) {
    for (const tool of ['memcheck', 'racecheck', 'synccheck']) {
      process.stdout.write(`\n${sanitizer} --tool ${tool}\n`);
      // Long utterances take it hours.
      const short = ['--fgrep', 'memory of a GPU'];
      const options = ['--tool', tool, '--error-exitcode', '1', '--target-processes', 'all'];
      failed = run(sanitizer, [...options, process.execPath, ...mocha, ...short]) !== 0 || failed;
    }
  } else {
    process.stdout.write(`\n${sanitizer} is not on the PATH: its checks were left out\n`);
  }
  process.exit(failed ? 1 : 0);
}

main();
