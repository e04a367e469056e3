// A short form of `npm run stress` (test/stress/main.ts), on the addon as it is and on the one that counts
// its allocations.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './support/paths.js';

const run = (...args: string[]) =>
  promisify(execFile)(
    process.execPath,
    ['--expose-gc', join(root, 'build', 'test', 'stress', 'main.js'), ...args],
    { cwd: root },
  );

describe('stress', function () {
  this.timeout(400_000);

  it('jobs on several threads, with aborts, terminations and transfers', async () => {
    const { stdout } = await run('--jobs', '600', '--workers', '4', '--rounds', '3', '--seed', '7');
    assert.match(stdout, /^\d+ right, \d+ aborted, \d+ lost with \d+ terminated workers/m);
  });

  it('and the native side frees every block', async function () {
    // Its operator new is replaced by the linker's rules on Linux.
    if (process.platform !== 'linux') this.skip();
    const short = ['--jobs', '300', '--workers', '3', '--rounds', '3', '--seed', '8', '--counted'];
    const { stdout } = await run(...short);
    assert.match(stdout, /round 3: .* native blocks$/m);
  });
});
