// Is a built file older than what it was built from? Used by every build step, so that running
// one again costs a directory walk.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

function newest(entry) {
  let stat;
  try {
    stat = fs.statSync(entry);
  } catch {
    return 0;
  }
  if (!stat.isDirectory()) return stat.mtimeMs;
  // The folder's own time tells of a file that was removed from it.
  let latest = stat.mtimeMs;
  for (const name of fs.readdirSync(entry)) {
    if (name !== 'node_modules') latest = Math.max(latest, newest(path.join(entry, name)));
  }
  return latest;
}

/** True when `built` is missing or older than the newest of `sources` (files or folders). */
function isStale(built, sources) {
  let builtAt;
  try {
    builtAt = fs.statSync(built).mtimeMs;
  } catch {
    return true;
  }
  return sources.some((source) => newest(source) > builtAt);
}

module.exports = { isStale };
