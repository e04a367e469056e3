// Builds the C++ tests in other ways than `npm test` does, and runs them on every instruction set:
//   npm run test:native -- [plain] [address] [thread] [valgrind] [arm64]     default: address thread
//   address   AddressSanitizer and UndefinedBehaviorSanitizer
//   thread    ThreadSanitizer
//   valgrind  under valgrind's memcheck, which knows no AVX-512: AVX2 and the baseline
//   arm64     cross-compiled, under qemu (Debian: g++-aarch64-linux-gnu, qemu-user)
// Needs cmake. Each variant has a folder build-cmake-VARIANT of its own.
'use strict';

const { spawnSync } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');
const variants = {
  plain: [],
  address: ['-DCTC_SANITIZE=address,undefined'],
  thread: ['-DCTC_SANITIZE=thread'],
  valgrind: ['-DCTC_VALGRIND=ON'],
  arm64: [`-DCMAKE_TOOLCHAIN_FILE=${path.join(__dirname, 'arm64-linux.cmake')}`],
};

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  return status === 0;
}

/** Instruction sets that the tests can be told to use. */
function isasOf(folder) {
  // ctest knows the emulator; the list itself goes through it as well.
  const { stdout } = spawnSync('ctest', ['--test-dir', folder, '-R', '^ctc_isas$', '-V'], {
    cwd: root,
    encoding: 'utf8',
  });
  return [...stdout.matchAll(/^\d+: (avx512|avx2|neon|baseline)$/gm)].map((match) => match[1]);
}

function test(variant) {
  const folder = `build-cmake-${variant}`;
  const jobs = String(os.availableParallelism());
  const built =
    run('cmake', ['-S', '.', '-B', folder, '-DCTC_ADDON=OFF', ...variants[variant]]) &&
    run('cmake', ['--build', folder, '--parallel', jobs]);
  if (!built) return [`${variant}: does not build`];
  const isas = isasOf(folder);
  if (!isas.includes('baseline')) return [`${variant}: does not run`];
  const usable = isas.filter((isa) => variant !== 'valgrind' || isa !== 'avx512');
  return usable.flatMap((isa) => {
    process.stdout.write(`${variant}, ${isa}\n`);
    const args = [
      '--test-dir',
      folder,
      '--output-on-failure',
      '--timeout',
      '7200',
      '-R',
      '^ctc_tests$',
    ];
    return run('ctest', args, { NODE_CTC_ISA: isa }) ? [] : [`${variant}, ${isa}: failed`];
  });
}

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !(name in variants));
if (unknown !== undefined) {
  process.stderr.write(
    `test-native: no variant '${unknown}'; there are ${Object.keys(variants).join(', ')}\n`,
  );
  process.exit(2);
}
const failures = (asked.length > 0 ? asked : ['address', 'thread']).flatMap(test);
for (const failure of failures) process.stderr.write(`test-native: ${failure}\n`);
process.exit(failures.length === 0 ? 0 : 1);
