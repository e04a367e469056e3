// Builds the addon and lays it where lib/load.ts looks first: prebuilds/<platform>-<arch>/ctc.node.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { addon, buildNative, platformName } = require('./build-native.cjs');

const root = path.join(__dirname, '..');
const folder = path.join(root, 'prebuilds', platformName());
const target = path.join(folder, 'ctc.node');

function fail(message) {
  process.stderr.write(`node-ctc: ${message}\n`);
  process.exit(1);
}

const built = buildNative();
if (!built.ok) fail(built.message);
fs.mkdirSync(folder, { recursive: true });
fs.copyFileSync(addon, target);
if (process.platform !== 'win32') {
  const strip = process.platform === 'darwin' ? ['-x'] : ['--strip-unneeded'];
  spawnSync('strip', [...strip, target], { stdio: 'inherit' });
}
const check = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(target)})`], {
  stdio: 'inherit',
});
if (check.status !== 0) {
  fs.rmSync(target);
  fail('the prebuilt addon does not load');
}
const size = (fs.statSync(target).size / 1024).toFixed(0);
process.stdout.write(`${path.relative(root, target)} (${size} KiB)\n`);
