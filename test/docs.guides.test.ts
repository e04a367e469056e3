// The examples of docs/alignment.md and docs/explain.md, run as they stand.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runCli } from './support/cli.js';
import { root } from './support/paths.js';

for (const name of ['alignment.md', 'explain.md']) {
  describe(`docs/${name}`, () => {
    const guide = readFileSync(join(root, 'docs', name), 'utf8');
    const scripts = [...guide.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code!);
    const commands = [...guide.matchAll(/^```sh\nnpx node-ctc (.*?)^```\n\n```\n(.*?)^```/gms)];

    it('has scripts and commands', () => {
      assert.ok(scripts.length > 0 && commands.length > 0);
    });

    for (const [i, code] of scripts.entries()) {
      it(`script ${i + 1} prints what its comments say`, async () => {
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--input-type=module', '-e', code],
          { cwd: root },
        );
        // After a loop's end stand the lines of its later rounds, with commas between.
        const expected = [...code.matchAll(/^( *console\.log.*;|\}) \/\/ (.*)$/gm)].flatMap(
          ([, before, text]) => (before === '}' ? text!.split(', ') : [text!]),
        );
        assert.deepEqual(stdout.trimEnd().split('\n'), expected);
      });
    }

    for (const [i, [, command, shown]] of commands.entries()) {
      it(`command ${i + 1} prints what is shown`, async () => {
        const args = command!.replaceAll('\\\n', ' ').trim().split(/\s+/);
        const { code, out } = await runCli(...args);
        assert.equal(code, 0);
        const printed = out.split('\n');
        let from = 0;
        for (const line of shown!.trimEnd().split('\n')) {
          if (line === '...') continue;
          const place = printed.indexOf(line, from);
          assert.ok(place >= from, `not printed: ${line}`);
          from = place + 1;
        }
      });
    }
  });
}
