// A package as npm unpacks it, in a project of its own: what installing does with and without a prebuild,
// compiling without network, and what is said when there is no addon at all.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from './support/paths.js';

const require = createRequire(import.meta.url);
const { platformName } = require(join(root, 'scripts', 'build-native.cjs'));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  files: string[];
  dependencies: Record<string, string>;
};
const built = join(root, 'build', 'Release', 'ctc.node');

describe('installing', function () {
  this.timeout(600_000);
  let folder: string;
  let project: string;
  let installed: string;
  let empty: string;
  const at = (...parts: string[]) => join(installed, ...parts);
  const prebuild = () => at('prebuilds', platformName(), 'ctc.node');
  const addon = () => at('build', 'Release', 'ctc.node');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'node-ctc-install-'));
    project = join(folder, 'project');
    installed = join(project, 'node_modules', 'node-ctc');
    empty = join(folder, 'empty');
    for (const path of [installed, empty, join(project, 'node_modules', '.bin')]) {
      mkdirSync(path, { recursive: true });
    }
    // What npm would put into the package, prebuilds and documents left out.
    for (const name of [...manifest.files, 'package.json']) {
      if (name === 'prebuilds' || /^!|\*/.test(name)) continue;
      cpSync(join(root, name), at(name), { recursive: true });
    }
    for (const name of manifest.files.filter((file) => file.startsWith('!'))) {
      rmSync(at(name.slice(1)), { recursive: true, force: true });
    }
    for (const name of Object.keys(manifest.dependencies)) {
      symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
    }
    symlinkSync(
      join('..', 'node-ctc', 'dist', 'cjs', 'cli', 'main.js'),
      join(project, 'node_modules', '.bin', 'node-ctc'),
    );
    chmodSync(at('dist', 'cjs', 'cli', 'main.js'), 0o755);
    writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true }\n');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a command in the project, without npm's settings and without network. */
  async function run(command: string, args: string[], more: NodeJS.ProcessEnv = {}) {
    const nowhere = 'http://127.0.0.1:9/';
    const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, LANG: 'C' };
    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy']) {
      env[name] = nowhere;
    }
    Object.assign(env, {
      // A home without .npmrc, and without headers that an earlier node-gyp fetched.
      HOME: empty,
      npm_config_userconfig: join(empty, '.npmrc'),
      npm_config_globalconfig: join(empty, 'npmrc'),
      npm_config_cache: join(folder, 'cache'),
      npm_config_registry: nowhere,
      npm_config_disturl: nowhere,
      npm_config_update_notifier: 'false',
      ...more,
    });
    const child = spawn(command, args, { cwd: project, env });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    const code = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => resolve(signal ?? status));
    });
    return { code, output };
  }
  const install = (more?: NodeJS.ProcessEnv) =>
    run(process.execPath, [at('scripts', 'install.cjs')], more);

  const tryIt = (more?: NodeJS.ProcessEnv) =>
    run(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { ctcLossSync, info } from 'node-ctc';
         const { loss } = ctcLossSync({ data: new Float32Array(135), shape: [5, 1, 27] }, [[3, 1, 20]]);
         console.log(loss.toFixed(4), info().binary);`,
      ],
      more,
    );

  it('compiles without network from headers that npm brings, by npx node-ctc build', async () => {
    // Without optimisation: here it is about finding everything.
    const compiler = join(folder, 'c++');
    writeFileSync(
      compiler,
      '#!/bin/sh\nfor a do [ "$a" = -O3 ] && a=-O0; set -- "$@" "$a"; shift; done\nexec c++ "$@"\n',
    );
    chmodSync(compiler, 0o755);
    const env = { CXX: compiler, NODE_CTC_HEADERS: 'package' };
    const { code, output } = await run('npx', ['--no-install', 'node-ctc', 'build'], env);
    assert.equal(code, 0, output);
    assert.match(output, /Built build\/Release\/ctc\.node/);
    assert.ok(existsSync(at('build', 'node-headers', 'include', 'node', 'node_api.h')));
    assert.ok(!existsSync(join(empty, '.cache', 'node-gyp')), 'node-gyp fetched no headers');

    const tried = await tryIt();
    assert.deepEqual(tried, { code: 0, output: `4.3823 ${addon()}\n` });
    const before = statSync(addon()).mtimeMs;
    const again = await run('npx', ['--no-install', 'node-ctc', 'build'], env);
    assert.equal(again.code, 0, again.output);
    assert.match(again.output, /Already built/);
    assert.deepEqual(await install(env), { code: 0, output: '' });
    assert.equal(statSync(addon()).mtimeMs, before);
  });

  it('build --cuda names what is missing', async () => {
    const { code, output } = await run('npx', ['--no-install', 'node-ctc', 'build', '--cuda'], {
      CUDACXX: join(empty, 'nvcc'),
    });
    assert.equal(code, 4, output);
    // nvcc may be on this machine; cmake-js is not in this project.
    assert.match(output, /nvcc was not found\. Install|cmake-js is not installed: npm install/);
  });

  it('does nothing when a fitting prebuild loads: no compiler is looked for', async () => {
    mkdirSync(dirname(prebuild()), { recursive: true });
    copyFileSync(built, prebuild());
    assert.deepEqual(await install({ PATH: empty }), { code: 0, output: '' });
    assert.ok(!existsSync(at('build')));
    assert.deepEqual(await tryIt({ PATH: empty }), { code: 0, output: `4.3823 ${prebuild()}\n` });
    const { code, output } = await run('npx', ['--no-install', 'node-ctc', 'build']);
    assert.equal(code, 0, output);
    assert.match(output, /The prebuilt addon fits/);
  });

  it('builds with node-gyp when the prebuild does not load, with the headers of this machine', async () => {
    mkdirSync(dirname(prebuild()), { recursive: true });
    writeFileSync(prebuild(), 'not a library');
    // An npm whose node-gyp notes how it is called and puts a finished addon there.
    const npm = join(folder, 'npm');
    const gyp = join(npm, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
    mkdirSync(dirname(gyp), { recursive: true });
    writeFileSync(
      gyp,
      `const fs = require('node:fs');
       fs.mkdirSync('build/Release', { recursive: true });
       fs.copyFileSync(${JSON.stringify(built)}, 'build/Release/ctc.node');
       fs.writeFileSync('called.json', JSON.stringify({
         args: process.argv.slice(2), nodedir: process.env.npm_config_nodedir }));`,
    );
    const { code, output } = await install({ npm_execpath: join(npm, 'bin', 'npm-cli.js') });
    assert.equal(code, 0, output);
    const called = JSON.parse(readFileSync(at('called.json'), 'utf8'));
    assert.deepEqual(called.args.slice(0, 2), ['configure', 'build']);
    assert.ok(called.args.includes('--ctc_tests=no'));
    for (const name of ['node_api.h', 'common.gypi', 'config.gypi']) {
      assert.ok(existsSync(join(called.nodedir, 'include', 'node', name)), name);
    }
    // The broken one is passed over.
    assert.deepEqual(await tryIt(), { code: 0, output: `4.3823 ${addon()}\n` });
  });

  it('without prebuild and compiler it says what is missing and how to get it', async () => {
    const { code, output } = await install({ PATH: empty });
    assert.equal(code, 1);
    assert.match(output, /^node-ctc: Building the native addon needs:\n/);
    assert.match(output, / {2}- a C\+\+17 compiler: /);
    assert.match(output, / {2}- make: /);
    assert.match(output, / {2}- python3 /);
    assert.match(output, /Once that is there: npx node-ctc build \(or npm rebuild node-ctc\)\n$/);
  });

  it('without any addon the load error lists every attempt and the remedy', async () => {
    const said = async (more?: NodeJS.ProcessEnv) => {
      const script = `
        const { ctcLossSync, ctcLoss, CtcError } = require('node-ctc');
        const args = [{ data: new Float32Array(135), shape: [5, 1, 27] }, [[3, 1, 20]]];
        (async () => {
          try { ctcLossSync(...args); } catch (error) {
            console.log(error instanceof CtcError, error.code);
            console.log(error.message);
          }
          await ctcLoss(...args).catch((error) => { console.log(error.code); });
        })();`;
      const { code, output } = await run(process.execPath, ['-e', script], more);
      assert.equal(code, 0, output);
      return output.split('\n');
    };
    const head = `node-ctc found no native addon for ${platformName()} (Node ${process.version}). Tried:`;
    const remedy =
      'Build it on this machine with `npx node-ctc build` (needs a C++ compiler and Python 3).';
    assert.deepEqual(await said(), [
      'true ERR_CTC_NATIVE_LOAD',
      head,
      `  ${prebuild()}: not there`,
      `  ${addon()}: not there`,
      remedy,
      'ERR_CTC_NATIVE_LOAD',
      '',
    ]);

    mkdirSync(dirname(prebuild()), { recursive: true });
    writeFileSync(prebuild(), 'not a library');
    const broken = await said();
    assert.ok(
      broken[2]?.startsWith(`  ${prebuild()}: `) && !broken[2].endsWith('not there'),
      broken[2],
    );

    const forced = join(folder, 'mine.node');
    assert.deepEqual((await said({ NODE_CTC_BINARY: forced })).slice(1, 4), [
      head,
      `  ${forced}: not there`,
      'Point NODE_CTC_BINARY at a working ctc.node, or unset it.',
    ]);

    const { code, output } = await run('npx', ['--no-install', 'node-ctc', 'info']);
    assert.notEqual(code, 0);
    assert.match(output, /found no native addon[\s\S]*npx node-ctc build/);
  });
});
