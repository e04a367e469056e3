// Compiles lib/ to dist/esm and dist/cjs and, with --tests, test/ to build/test.
// Each step is skipped while its result is newer than its sources.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { isStale } = require('./stale.cjs');

const root = path.join(__dirname, '..');
const at = (...parts) => path.join(root, ...parts);

const steps = [
  { project: 'tsconfig.esm.json', stamp: at('dist', 'esm', '.built'), sources: ['lib'] },
  { project: 'tsconfig.cjs.json', stamp: at('dist', 'cjs', '.built'), sources: ['lib'] },
];
if (process.argv.includes('--tests')) {
  const stamp = at('build', 'test', '.built');
  steps.push({ project: 'tsconfig.test.json', stamp, sources: ['lib', 'test'] });
}

function findCompiler() {
  try {
    return require.resolve('typescript/lib/tsc.js');
  } catch {
    return undefined;
  }
}

function compile({ project, stamp, sources }) {
  if (!isStale(stamp, [...sources.map((s) => at(s)), at(project), at('tsconfig.json')])) return;
  const compiler = findCompiler();
  if (!compiler) {
    // An install without devDependencies (npm ci --omit=dev) of a package that is compiled already.
    if (fs.existsSync(path.dirname(stamp))) return;
    process.stderr.write('node-ctc: TypeScript is not installed: run `npm install` first.\n');
    process.exit(1);
  }
  // Without the result of the last run, what the compiler remembers of it would make it skip files.
  if (!fs.existsSync(stamp)) {
    const memory = project.replace(/^tsconfig\.(.*)\.json$/, '$1.tsbuildinfo');
    fs.rmSync(at('build', 'ts', memory), { force: true });
  }
  const startedAt = new Date();
  const run = spawnSync(process.execPath, [compiler, '-p', at(project)], {
    cwd: root,
    stdio: 'inherit',
  });
  if (run.status !== 0) process.exit(run.status ?? 1);
  fs.writeFileSync(stamp, '');
  // What was edited while the compiler ran is compiled again next time.
  fs.utimesSync(stamp, startedAt, startedAt);
}

steps.forEach(compile);
// Node reads the nearest package.json to tell CommonJS from ESM.
fs.writeFileSync(at('dist', 'cjs', 'package.json'), '{ "type": "commonjs" }\n');
