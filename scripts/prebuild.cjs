// Builds what a package carries and lays it where lib/load.ts looks first:
// prebuilds/<platform>-<arch>/ctc.node, stripped, tried (on its own kind of machine) and, on Linux,
// checked to load with the C libraries that Node itself still runs on.
//   --arch arm64   cross-builds on Linux with g++-aarch64-linux-gnu
//   --cuda         the CUDA backend's library as well (Linux; needs nvcc, but no GPU and no driver)
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { buildCuda, libraryName } = require('./build-cuda.cjs');
const { platformName } = require('./build-native.cjs');

const root = path.join(__dirname, '..');
// Node 20 asks for glibc 2.28 and the libstdc++ of GCC 8 (its BUILDING.md).
const newest = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11' };

class Failure extends Error {}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options });
  if (result.error || result.status !== 0) {
    const why = result.error?.message ?? `exit code ${result.status}`;
    throw new Failure(`${command} ${args.join(' ')}: ${why}\n${result.stderr ?? ''}`);
  }
  return result.stdout;
}

function isNewer(a, b) {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number));
  const at = x.findIndex((part, i) => part !== (y[i] ?? 0));
  return at >= 0 && x[at] > (y[at] ?? 0);
}

/** The newest version that a binary needs of each library: { GLIBC: '2.14', ... }. */
function versionsNeeded(file, objdump = 'objdump') {
  const needed = {};
  const symbols = run(objdump, ['-T', file]).matchAll(/\b(GLIBC|GLIBCXX|CXXABI)_([0-9.]+)/g);
  for (const [, library, version] of symbols) {
    if (needed[library] === undefined || isNewer(version, needed[library])) {
      needed[library] = version;
    }
  }
  return needed;
}

function checkFloor(file, objdump) {
  const needed = versionsNeeded(file, objdump);
  for (const [library, version] of Object.entries(needed)) {
    if (isNewer(version, newest[library])) {
      throw new Failure(
        `${file} needs ${library}_${version}; Node runs from ${newest[library]} on`,
      );
    }
  }
  return Object.entries(needed).map(([library, version]) => `${library} ${version}`);
}

/** Builds for `arch` and lays the addon below `folder`; returns a line that says where and how large. */
function prebuild(arch, folder = path.join(root, 'prebuilds')) {
  const cross = arch !== process.arch;
  if (cross && !(process.platform === 'linux' && arch === 'arm64')) {
    throw new Failure(`cannot build for ${arch} on ${process.platform}-${process.arch}`);
  }
  const name = platformName().replace(process.arch, arch);
  const out = path.join('build-prebuild', name);
  const tools = cross ? 'aarch64-linux-gnu-' : '';
  const args = ['compile', '-O', out, '-T', 'ctc', '-l', 'warn'];
  args.push('-p', String(os.availableParallelism()), '--CDCTC_PORTABLE=ON', '--CDCTC_TESTS=OFF');
  if (cross) args.push(`--CDCMAKE_TOOLCHAIN_FILE=${path.join(root, 'scripts/arm64-linux.cmake')}`);
  run(process.execPath, [require.resolve('cmake-js/bin/cmake-js'), ...args], { stdio: 'inherit' });

  const target = path.join(folder, name, 'ctc.node');
  const load = `require(${JSON.stringify(target)})`;
  return lay(path.join(root, out, 'Release', 'ctc.node'), target, tools, cross ? undefined : load);
}

/** Builds the CUDA backend's library and lays it beside the addon, where lib/deviceNative.ts looks. */
function prebuildCuda(folder = path.join(root, 'prebuilds')) {
  if (process.platform !== 'linux') throw new Failure('the CUDA backend is prebuilt on Linux');
  const output = path.join(root, 'build-prebuild', 'cuda');
  const { ok, message } = buildCuda({ output, build: `${output}-build` });
  if (!ok) throw new Failure(message);
  const addon = path.join(folder, platformName(), 'ctc.node');
  const target = path.join(folder, platformName(), libraryName());
  // Without a driver it opens and says so.
  const load = `
    const reason = require(${JSON.stringify(addon)}).openBackend(${JSON.stringify(target)});
    if (reason !== undefined) throw new Error(reason);`;
  return lay(path.join(output, libraryName()), target, '', load);
}

/** Copies a binary to `target`, strips and checks it; `load` is what Node must be able to run then. */
function lay(built, target, tools, load) {
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.copyFileSync(built, target);
  try {
    if (process.platform !== 'win32') {
      const strip = process.platform === 'darwin' ? ['-x'] : ['--strip-unneeded'];
      run(`${tools}strip`, [...strip, target]);
    }
    const glibc = process.platform === 'linux' && !path.dirname(target).endsWith('-musl');
    const floor = glibc ? checkFloor(target, `${tools}objdump`) : [];
    if (load !== undefined) run(process.execPath, ['-e', load]);
    const size = `${(fs.statSync(target).size / 1024).toFixed(0)} KiB`;
    return `${path.relative(root, target)} (${[size, ...floor].join(', ')})`;
  } catch (error) {
    // Half a prebuild would be loaded before a good build.
    fs.rmSync(target);
    throw error;
  }
}

module.exports = { prebuild, prebuildCuda, versionsNeeded };

if (require.main === module) {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string', default: process.arch },
      cuda: { type: 'boolean', default: false },
    },
  });
  try {
    process.stdout.write(`${prebuild(values.arch)}\n`);
    if (values.cuda) process.stdout.write(`${prebuildCuda()}\n`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    process.stderr.write(`node-ctc: ${error.message}\n`);
    process.exit(1);
  }
}
