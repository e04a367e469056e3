// The native side without memory: test/native/out_of_memory.cpp lets every allocation of the core fail, and
// this every allocation of the whole addon, seen from JavaScript.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './support/paths.js';

describe('without memory', function () {
  this.timeout(400_000);

  it('every call fails with ERR_CTC_OUT_OF_MEMORY, leaves nothing behind, and works again', function () {
    // The addon's own operator new is put in place by the linker's rules on Linux.
    if (process.platform !== 'linux') this.skip();
    const folder = mkdtempSync(join(tmpdir(), 'node-ctc-memory-'));
    try {
      const release = join(root, 'build', 'Release');
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [
          '--expose-gc',
          join(root, 'build', 'test', 'support', 'failAllocations.js'),
          join(folder, 'model.arpa'),
        ],
        {
          encoding: 'utf8',
          env: {
            ...process.env,
            NODE_CTC_BINARY: join(release, 'ctc_counted.node'),
            NODE_CTC_CUDA: join(release, 'ctc_emulated.node'),
          },
        },
      );
      assert.equal(status, 0, stderr);
      const tried = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, number>);
      assert.ok(tried.length >= 20);
      for (const { name, allocations, refused, left } of tried) {
        assert.ok(allocations! >= 2 && refused! >= 2, `${name}: ${refused} of ${allocations}`);
        assert.ok(left! <= 8, `${name}: ${left} blocks are left`);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
