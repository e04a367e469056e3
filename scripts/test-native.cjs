// Builds the C++ tests in other ways than `npm test` does, and runs them, and the fuzzers' corpus, on every
// instruction set; those of the CUDA backend, which is emulated without any, once:
//   npm run test:native -- [plain] [address] [thread] [valgrind] [avx512] [arm64]     default: address thread
//   address   AddressSanitizer and UndefinedBehaviorSanitizer
//   thread    ThreadSanitizer
//   valgrind  under valgrind's memcheck, which knows no AVX-512: AVX2 and the baseline
//   avx512    on a processor that Bochs emulates, for machines without (Debian: scripts/bochs.cjs names the packages)
//   arm64     cross-compiled, under qemu (Debian: g++-aarch64-linux-gnu, qemu-user)
// Needs cmake. Each variant has a folder build-cmake-VARIANT of its own.
'use strict';

const { spawnSync } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');

const { missingPackages } = require('./bochs.cjs');

const root = path.join(__dirname, '..');
const toolchain = (name) => [`-DCMAKE_TOOLCHAIN_FILE=${path.join(__dirname, name)}`];
const variants = {
  plain: [],
  address: ['-DCTC_SANITIZE=address,undefined'],
  thread: ['-DCTC_SANITIZE=thread'],
  valgrind: ['-DCTC_VALGRIND=ON'],
  avx512: toolchain('avx512-linux.cmake'),
  arm64: toolchain('arm64-linux.cmake'),
};

const isWanted = {
  valgrind: (isa) => isa !== 'avx512',
  avx512: (isa) => isa === 'avx512',
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
  const isas = [...stdout.matchAll(/^\d+: (avx512|avx2|neon|baseline)$/gm)].map(
    (match) => match[1],
  );
  if (isas.length === 0) process.stdout.write(stdout);
  return isas;
}

function test(variant) {
  if (variant === 'avx512') {
    const missing = missingPackages();
    if (missing.length > 0) return [`avx512: needs Debian's packages ${missing.join(' ')}`];
  }
  const folder = `build-cmake-${variant}`;
  const jobs = String(os.availableParallelism());
  const built =
    run('cmake', ['-S', '.', '-B', folder, '-DCTC_ADDON=OFF', ...variants[variant]]) &&
    run('cmake', ['--build', folder, '--parallel', jobs]);
  if (!built) return [`${variant}: does not build`];
  const isas = isasOf(folder).filter(isWanted[variant] ?? (() => true));
  if (isas.length === 0) return [`${variant}: does not run`];
  return isas.flatMap((isa, i) => {
    process.stdout.write(`${variant}, ${isa}\n`);
    const cuda = i === 0 && variant !== 'avx512';
    const tests = `^(ctc_corpus|${cuda ? 'ctc_tests' : 'ctc_core_tests'})$`;
    const args = ['--test-dir', folder, '--output-on-failure', '--timeout', '7200', '-R', tests];
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
