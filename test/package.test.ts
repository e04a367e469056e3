// What a stranger gets: the packed package, installed into an empty folder without a compiler and
// without install scripts, used from both module systems, from TypeScript and from the shell.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { root } from './support/paths.js';

const require = createRequire(import.meta.url);
const { prebuild } = require(join(root, 'scripts', 'prebuild.cjs')) as {
  prebuild: (arch: string, folder: string) => string;
};

interface Packed {
  filename: string;
  files: { path: string; size: number; mode: number }[];
}

let folder: string;
let packed: Packed;
/** The folder that the package is installed into. */
let consumer: string;

function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = process.env) {
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  assert.equal(result.error, undefined, String(result.error));
  assert.equal(result.status, 0, `${command} ${args.join(' ')}\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** A PATH with Node and npm, and nothing that compiles. */
function withoutCompiler(): NodeJS.ProcessEnv {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const npm = run('sh', ['-c', 'command -v npm'], root).trim();
  for (const program of [process.execPath, npm, '/bin/sh', '/usr/bin/env']) {
    symlinkSync(program, join(bin, program.split('/').at(-1) as string));
  }
  const env: NodeJS.ProcessEnv = { HOME: process.env.HOME, PATH: bin };
  for (const [name, value] of Object.entries(process.env)) {
    if (/^(https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS|npm_config_(registry|cafile))$/i.test(name)) {
      env[name] = value;
    }
  }
  return env;
}

describe('the package', function () {
  this.timeout(600_000);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'node-ctc-package-'));
    const copy = join(folder, 'package');
    mkdirSync(copy);
    for (const line of run('git', ['ls-files', '-co', '--exclude-standard'], root).split('\n')) {
      if (line === '' || /^(test|examples)\//.test(line)) continue;
      mkdirSync(dirname(join(copy, line)), { recursive: true });
      copyFileSync(join(root, line), join(copy, line));
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    run(process.execPath, ['scripts/build-ts.cjs'], copy);
    prebuild(process.arch, join(copy, 'prebuilds'));
    packed = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts'], copy))[0] as Packed;

    consumer = join(folder, 'consumer');
    mkdirSync(consumer);
    writeFileSync(join(consumer, 'package.json'), '{ "private": true }\n');
    const tarball = join(copy, packed.filename);
    const args = ['install', tarball, '--ignore-scripts', '--no-audit', '--no-fund'];
    run('npm', args, consumer, withoutCompiler());
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('holds what is needed to run and to compile, and nothing else', () => {
    const expected = [
      /^dist\/(esm|cjs)\/[\w/.-]+\.(c?js|d\.c?ts|map)$/,
      /^dist\/cjs\/package\.json$/,
      /^dist\/(esm|cjs)\/\.built$/,
      /^lib\/([\w/.-]+\.c?ts|import\.cjs)$/,
      /^native\/(sources\.cjs|(include\/ctc|core|cpu|cuda|binding|portable)\/[\w.-]+\.(h|cpp|inl|cu|cuh))$/,
      /^docs\/(guides\/)?[\w-]+\.md$/,
      /^prebuilds\/(README\.md|[a-z0-9-]+\/(ctc\.node|libctc_cuda\.so))$/,
      /^scripts\/(install|build-native|build-cuda|headers|stale)\.cjs$/,
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|CMakeLists\.txt|binding\.gyp)$/,
    ];
    const paths = packed.files.map((file) => file.path);
    const strays = paths.filter((path) => !expected.some((pattern) => pattern.test(path)));
    assert.deepEqual(strays, []);
    for (const pattern of expected) {
      assert.ok(
        paths.some((path) => pattern.test(path)) || /built/.test(pattern.source),
        `nothing matches ${pattern}`,
      );
    }
    const { core, binding } = require(join(root, 'native', 'sources.cjs')) as {
      core: string[];
      binding: string[];
    };
    for (const source of [...core, ...binding]) assert.ok(paths.includes(source), source);
  });

  it('takes as much room as prebuilds/README.md says', () => {
    const text = readFileSync(join(root, 'prebuilds', 'README.md'), 'utf8');
    const stated = new Map(
      [...text.matchAll(/^\| `?([^|`]+)`? \| ([\d.]+) MB/gm)].map((row) => [
        row[1]!,
        Number(row[2]),
      ]),
    );
    const total = (wanted: (path: string) => boolean) =>
      packed.files.filter(({ path }) => wanted(path)).reduce((sum, { size }) => sum + size, 0);
    const isBinary = (path: string) => /\.(node|so)$/.test(path);
    const sizes = {
      'linux-x64/ctc.node': total((path) => path === 'prebuilds/linux-x64/ctc.node'),
      'everything else': total((path) => !isBinary(path)),
    };
    for (const [what, bytes] of Object.entries(sizes)) {
      // Another platform's addon is not in this package.
      if (bytes === 0) continue;
      const megabytes = stated.get(what);
      assert.ok(megabytes !== undefined, `prebuilds/README.md does not say how large ${what} is`);
      const off = Math.abs(bytes / 1e6 - megabytes) / megabytes;
      assert.ok(
        off < 0.1,
        `${what} takes ${bytes} bytes, and prebuilds/README.md says ${megabytes} MB`,
      );
    }
  });

  it('has no fault that publint knows', async () => {
    const pkgDir = join(consumer, 'node_modules', 'node-ctc');
    const { messages, pkg } = await publint({ pkgDir, level: 'suggestion', pack: false });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg as Record<string, unknown>)),
      [],
    );
  });

  const use = `
    const { loss } = ctcLossSync({ data: new Float32Array(135), shape: [5, 1, 27] }, [[3, 1, 20]]);
    console.log(loss.toFixed(4), info().binary.includes('prebuilds'));
  `;

  it('works from an ES module', () => {
    const script = `import { ctcLossSync, info } from 'node-ctc';${use}`;
    const args = ['--input-type=module', '-e', script];
    assert.equal(run(process.execPath, args, consumer), '4.3823 true\n');
  });

  it('works from CommonJS', () => {
    const script = `const { ctcLossSync, info } = require('node-ctc');${use}`;
    assert.equal(run(process.execPath, ['-e', script], consumer), '4.3823 true\n');
  });

  it('has the queue, which loads without its packages and names them when it is used', () => {
    const ask = `addRun({ data: ['x'], manifest: 'x', tokens: 'x', out: 'x', shards: 1 })
      .catch((error) => console.log(error.code, /npm install bullmq ioredis/.test(error.message)));`;
    const module = ['--input-type=module', '-e', `import { addRun } from 'node-ctc/queue';${ask}`];
    const common = ['-e', `const { addRun } = require('node-ctc/queue');${ask}`];
    for (const args of [module, common]) {
      assert.equal(run(process.execPath, args, consumer), 'ERR_CTC_QUEUE true\n');
    }
  });

  it('has its commands', () => {
    for (const name of ['node-ctc', 'ctc']) {
      const command = join(consumer, 'node_modules', '.bin', name);
      assert.match(run(command, ['--version'], consumer), /^\d+\.\d+\.\d+\n$/);
      assert.match(run(command, ['info'], consumer), /prebuilds/);
    }
  });

  it('names the packages that a page needs, before anything is evaluated', () => {
    const command = join(consumer, 'node_modules', '.bin', 'node-ctc');
    const args = ['eval', 'x.npy', '--manifest', 'x', '--tokens', 'x', '--html', 'x.html'];
    const { status, stderr } = spawnSync(command, args, { cwd: consumer, encoding: 'utf8' });
    assert.equal(status, 3);
    assert.equal(
      stderr,
      'error: x.html: The page needs the packages @observablehq/plot and linkedom, which are not installed. Install: npm install @observablehq/plot linkedom\n',
    );
  });

  it('has types for both module systems', () => {
    const program = `
      const given = { data: new Float32Array(135), shape: [5, 1, 27] } as const;
      const some = ctc.ctcLossSync(given, [[3, 1, 20]]);
      const loss: number = some.loss;
      const gradient: Float32Array = some.gradient;
      const none: undefined = ctc.ctcLossSync(given, [[3]], { reduction: 'none' }).loss;
      const without: undefined = ctc.ctcLossSync(given, [[3]], { gradient: false }).gradient;
      const later: Promise<{ status: ctc.Status[] }> = ctc.ctcLoss(given, [[3]]);
      const tokens = ['-', 'a'];
      const [named] = ctc.greedyDecodeSync(given, { tokens }).utterances;
      const text: string = named!.text;
      const [bare] = ctc.greedyDecodeSync(given, { mergeRepeated: false }).utterances;
      const textless: undefined = bare!.text;
      const asBefore: ctc.DecodeResult<ctc.GreedyUtterance> = ctc.greedyDecodeSync(given, { tokens });
      const read = ctc.beamDecode(given, { tokens, beamWidth: 3 });
      const best: Promise<string> = read.then(({ utterances }) => utterances[0]!.paths[0]!.text);
      const [lattice] = ctc.posteriorsSync(given, [[3]], { recursions: true }).utterances;
      const alpha: Float64Array = lattice!.alpha;
      const [plain] = ctc.posteriorsSync(given, [[3]]).utterances;
      const noBeta: undefined = plain!.beta;
      const rated = ctc.errorRate('ab', 'b', { alignment: true });
      const steps: number = rated.utterances[0]!.alignment.length;
      // @ts-expect-error: no such option
      ctc.greedyDecodeSync(given, { tokens, blanc: 0 });
      // @ts-expect-error: no such option
      ctc.posteriorsSync(given, [[3]], { recursion: true });
      // @ts-expect-error: no such reduction
      ctc.ctcLossSync(given, [[3]], { reduction: 'average' });
      // @ts-expect-error: no such option
      ctc.ctcLossSync(given, [[3]], { blanc: 0 });
      // @ts-expect-error: a synchronous call cannot be stopped
      ctc.ctcLossSync(given, [[3]], { signal: new AbortController().signal });
      // @ts-expect-error: strings are no labels
      ctc.ctcLossSync(given, ['abc']);
      void [loss, gradient, none, without, later];
      void [text, textless, asBefore, best, alpha, noBeta, steps];
    `;
    const queue = `
      const worked: Promise<{ merged: number }> = queue.work({ drain: true, lockSeconds: 9 });
      const told: Promise<queue.RunStatus[]> = queue.queueStatus({ queue: 'x' });
      // @ts-expect-error: no such format
      queue.addRun({ data: [], manifest: '', tokens: '', out: '', shards: 1, format: 'xml' });
      void [worked, told];
    `;
    writeFileSync(join(consumer, 'esm.mts'), `import * as ctc from 'node-ctc';${program}`);
    writeFileSync(join(consumer, 'cjs.cts'), `import ctc = require('node-ctc');${program}`);
    const ofQueue = "'node-ctc/queue'";
    writeFileSync(join(consumer, 'queue.mts'), `import * as queue from ${ofQueue};${queue}`);
    writeFileSync(join(consumer, 'queue.cts'), `import queue = require(${ofQueue});${queue}`);
    const types = join(root, 'node_modules', '@types');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--typeRoots', types];
    const check = (...args: string[]) =>
      run(
        process.execPath,
        [require.resolve('typescript/lib/tsc.js'), ...options, '--types', 'node', ...args],
        consumer,
      );
    check('esm.mts', 'cjs.cts');
    // The package's own declarations name BullMQ's, which is not installed here.
    check('--skipLibCheck', 'queue.mts', 'queue.cts');
  });
});
