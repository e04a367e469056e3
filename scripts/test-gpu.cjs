// Runs the tests of test/cuda on a GPU: agreement with the CPU on all golden, real and random cases,
// memory, errors, worker threads, leaks. With compute-sanitizer on the PATH also a run of each of its
// tools. Needs `npm run build:cuda`; says so, and what else is missing.
//   --emulated   on the emulated device instead: tries this script where there is no GPU
// Other arguments go to mocha (`npm run test:gpu -- --grep boundaries`).
'use strict';

const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.join(__dirname, '..');
const specs = path.join(root, 'build', 'test', 'cuda', '*.spec.js');
// What compute-sanitizer runs: every kernel in every shape. It takes hours for the other tests.
const sanitized = [
  '--grep',
  'boundaries of the kernels|memory of a GPU|DeviceTensors|stars, strides',
];

async function main() {
  const asked = process.argv.slice(2).filter((argument) => argument !== '--emulated');
  const emulated = process.argv.includes('--emulated');
  if (emulated) {
    process.env.NODE_CTC_CUDA = path.join(root, 'build', 'Release', 'ctc_emulated.node');
  }
  const { devices } = await import('../dist/esm/index.js');
  const gpus = devices().filter(({ device }) => device !== 'cpu');
  const wanted = ({ usable, name }) => usable && name.startsWith('emulated') === emulated;
  if (!gpus.some(wanted)) {
    process.stderr.write(
      `test:gpu needs a GPU. ${gpus.map(({ device, reason, name }) => `${device}: ${reason ?? name}`).join('; ')}\n`,
    );
    process.exit(2);
  }
  for (const { device, name, capability } of gpus.filter(wanted)) {
    process.stdout.write(`${device}: ${name}, compute capability ${capability}\n`);
  }
  // A flag of Node's own: given to mocha it would make that start another process.
  const mocha = ['--expose-gc', require.resolve('mocha/bin/mocha.js'), specs];
  const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status;
  let failed = run(process.execPath, [...mocha, ...asked]) !== 0;
  const sanitizer = 'compute-sanitizer';
  if (spawnSync(sanitizer, ['--version'], { stdio: 'ignore' }).status === 0) {
    for (const tool of ['memcheck', 'racecheck', 'synccheck']) {
      process.stdout.write(`\n${sanitizer} --tool ${tool}\n`);
      const options = ['--tool', tool, '--error-exitcode', '1', '--target-processes', 'all'];
      const short = asked.length > 0 ? asked : sanitized;
      failed = run(sanitizer, [...options, process.execPath, ...mocha, ...short]) !== 0 || failed;
    }
  } else {
    process.stdout.write(`\n${sanitizer} is not on the PATH: its checks were left out\n`);
  }
  process.exit(failed ? 1 : 0);
}

main();
