// npm's install step. Does nothing when an addon that fits this machine loads (a prebuild, or a
// build that is up to date), and otherwise builds one with node-gyp.
// `npx node-ctc build` runs it on demand where npm does not run install scripts.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { addon, buildNative, isUpToDate, platformName } = require('./build-native.cjs');

const root = path.join(__dirname, '..');
const prebuild = path.join(root, 'prebuilds', platformName(), 'ctc.node');

/** Tried in a process of its own: a broken binary may do worse than throw. */
function loads(file) {
  if (!fs.existsSync(file)) return false;
  const script = `require(${JSON.stringify(file)})`;
  return spawnSync(process.execPath, ['-e', script], { stdio: 'ignore' }).status === 0;
}

/** @returns {{ ok: boolean, message: string }} */
function install({ force = false, stdio = 'inherit' } = {}) {
  if (!force) {
    if (loads(prebuild)) return { ok: true, message: `The prebuilt addon fits: ${prebuild}` };
    if (isUpToDate() && loads(addon)) return { ok: true, message: `Already built: ${addon}` };
  }
  const built = buildNative({ stdio });
  if (built.ok && !loads(addon)) {
    return { ok: false, message: `${addon} was built, but does not load.` };
  }
  return built;
}

module.exports = { install };

if (require.main === module) {
  const { ok, message } = install();
  if (!ok) {
    process.stderr.write(
      `node-ctc: ${message}\nOnce that is there: npx node-ctc build (or npm rebuild node-ctc)\n`,
    );
    process.exit(1);
  }
}
