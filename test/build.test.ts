// node-gyp's build and CMake's: the same sources, defines and flags. Both are configured, and what their
// compilers would be called with is compared.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { isAbsolute, join, relative } from 'node:path';
import { root } from './support/paths.js';

const require = createRequire(import.meta.url);
const lists = require(join(root, 'native', 'sources.cjs')) as Record<
  | 'core'
  | 'binding'
  | 'tests'
  | 'cuda'
  | 'emulation'
  | 'emulationTests'
  | 'emulationLibrary'
  | 'fuzz'
  | 'counted'
  | 'includes'
  | 'defines'
  | 'flags',
  string[]
>;

/** The addon that counts its allocations. */
const counted = process.platform === 'linux' ? lists.counted : [];
/** The CUDA backend on the processor, for the tests. */
const emulated = [...lists.emulation, ...lists.emulationTests, ...lists.emulationLibrary];

interface Command {
  defines: string[];
  includes: string[];
  flags: string[];
}

/** What each source is compiled with, from a compile_commands.json. Includes are relative to `base`. */
function commandsIn(file: string, base: string): Map<string, Command> {
  const entries = JSON.parse(readFileSync(file, 'utf8')) as {
    directory: string;
    file: string;
    command?: string;
    arguments?: string[];
  }[];
  const inBase = (directory: string, path: string) =>
    relative(base, isAbsolute(path) ? path : join(directory, path));
  return new Map(
    entries.map((entry) => {
      const words = entry.arguments ?? (entry.command as string).split(/\s+/);
      const command: Command = { defines: [], includes: [], flags: [] };
      for (let i = 1; i < words.length; i += 1) {
        const word = (words[i] as string).replace(/\\"/g, '"').replace(/^["'](.*)["']$/, '$1');
        if (word.startsWith('-D')) command.defines.push(word.slice(2));
        else if (word === '-isystem') i += 1;
        else if (word.startsWith('-I'))
          command.includes.push(inBase(entry.directory, word.slice(2)));
        else if (['-o', '-MF', '-MT', '-c'].includes(word)) i += word === '-c' ? 0 : 1;
        else if (word.startsWith('-')) command.flags.push(word);
      }
      return [inBase(entry.directory, entry.file), command];
    }),
  );
}

// Said by node's common.gypi or by node-gyp to every addon; nothing here reads them.
const nodesDefines =
  /^(NODE_GYP_MODULE_NAME|USING_|V8_|BUILDING_NODE_EXTENSION|OPENSSL_|_FILE_OFFSET_BITS|_LARGEFILE_SOURCE|__STDC_FORMAT_MACROS|_GLIBCXX_USE_CXX11_ABI|_DARWIN_USE_64_BIT_INODE|ctc_((emulated|counted)_)?EXPORTS)/;
// Warnings, debugging and what the compilers of today do anyway.
const idleFlags = /^-(W|g|M|m64$|arch|fno-omit-frame-pointer|fdiagnostics)/;

const essential = (flags: string[]) => [...new Set(flags.filter((flag) => !idleFlags.test(flag)))];

describe('the two builds', function () {
  this.timeout(120_000);
  let folder: string;
  let gyp: Map<string, Command>;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'node-ctc-build-'));
    const { findNodedir } = require(join(root, 'scripts', 'headers.cjs'));
    // node-gyp writes beside binding.gyp, and the build that the tests run on must stay.
    for (const name of [
      'binding.gyp',
      'native',
      'scripts',
      'test',
      'node_modules',
      'package.json',
    ]) {
      symlinkSync(join(root, name), join(folder, name));
    }
    execFileSync(
      process.execPath,
      [
        require.resolve('node-gyp/bin/node-gyp.js'),
        'configure',
        '--ctc_tests=yes',
        '--loglevel=error',
        ...['--', '-f', 'compile_commands_json'],
      ],
      { cwd: folder, env: { ...process.env, npm_config_nodedir: findNodedir() } },
    );
    gyp = commandsIn(join(folder, 'build', 'Release', 'compile_commands.json'), folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('node-gyp compiles the sources of native/sources.cjs, with its defines and flags', () => {
    // On Windows there is no emulation.
    const testing = [...lists.tests, ...(process.platform === 'win32' ? [] : emulated)];
    const wanted = new Set([...lists.core, ...lists.binding, ...testing, ...counted]);
    assert.deepEqual([...gyp.keys()].sort(), [...wanted].sort());
    for (const [source, { defines, includes, flags }] of gyp) {
      const knowsEmulation = process.platform !== 'win32' && testing.includes(source);
      assert.deepEqual(
        defines.filter((define) => !nodesDefines.test(define)).sort(),
        [...lists.defines, ...(knowsEmulation ? ['CTC_EMULATED'] : [])].sort(),
        source,
      );
      assert.deepEqual(
        lists.includes.filter((path) => !includes.includes(path)),
        [],
        source,
      );
      assert.deepEqual(essential(flags).sort(), [...lists.flags, '-std=c++17'].sort(), source);
    }
  });

  it('CMake compiles the same, source by source', function () {
    if (spawnSync('cmake', ['--version']).status !== 0) {
      // Continuous integration has it installed.
      assert.equal(process.env.CI, undefined, 'cmake is not installed');
      this.skip();
    }
    const build = join(folder, 'cmake');
    execFileSync('cmake', ['-S', root, '-B', build], { stdio: 'pipe' });
    const cmake = commandsIn(join(build, 'compile_commands.json'), root);
    assert.deepEqual([...cmake.keys()].sort(), [...gyp.keys()].sort());
    for (const [source, command] of cmake) {
      const other = gyp.get(source) as Command;
      const own = (defines: string[]) =>
        defines.filter((define) => !nodesDefines.test(define)).sort();
      assert.deepEqual(own(command.defines), own(other.defines), source);
      assert.deepEqual(essential(command.flags).sort(), essential(other.flags).sort(), source);
      for (const path of lists.includes) {
        assert.ok(command.includes.includes(path), `${source}: -I${path}`);
        assert.ok(other.includes.includes(path), `${source}: -I${path}`);
      }
    }
  });

  it('neither names a source, a define or an optimisation of its own', () => {
    for (const name of ['binding.gyp', 'CMakeLists.txt']) {
      const text = readFileSync(join(root, name), 'utf8').replace(/^\s*#.*$/gm, '');
      // What a portable release adds for old systems stands apart, in its own option.
      assert.doesNotMatch(text.replaceAll('native/portable/glibc.cpp', ''), /\.cpp\b/, name);
      assert.doesNotMatch(text, /-ffast-math|-Ofast|-march|-D[A-Z]/, name);
      for (const list of [
        'core',
        'binding',
        'tests',
        'emulation',
        'counted',
        'includes',
        'defines',
        'flags',
      ]) {
        assert.match(text, new RegExp(`native/sources\\.cjs ${list}\\b`), `${name}: ${list}`);
      }
    }
  });

  it('every native source on disk is in the list, and every listed one exists', () => {
    const listed = new Set([
      ...[...lists.core, ...lists.binding, ...lists.tests],
      ...[...lists.cuda, ...emulated, ...lists.fuzz, ...lists.counted],
    ]);
    const found = [
      ...['native/core', 'native/cpu', 'native/binding', 'native/cuda', 'native/cuda/emulation'],
      ...['test/native', 'test/native/fuzz'],
    ].flatMap((top) =>
      readdirSync(join(root, top))
        .filter((name) => /\.(cpp|cu)$/.test(name))
        .map((name) => `${top}/${name}`),
    );
    assert.deepEqual(found.sort(), [...listed].sort());
  });
});
