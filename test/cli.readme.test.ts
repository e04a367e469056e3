// The README's examples, run as they stand.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './io.helpers.js';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

function runNode(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: root }, (error, out, err) => {
      if (error) reject(error);
      else if (err !== '') reject(new Error(err));
      else resolve(out);
    });
  });
}

describe('README', () => {
  const scripts = [...readme.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code!);

  it('has a script', () => {
    assert.ok(scripts.length > 0);
  });

  for (const [i, code] of scripts.entries()) {
    it(`script ${i + 1} prints what its comments say`, async () => {
      const expected = [...code.matchAll(/^console\.log.*; \/\/ (.*?)(: .*)?$/gm)];
      const out = await runNode(['--input-type=module', '-e', code]);
      assert.deepEqual(
        out.trimEnd().split('\n'),
        expected.map(([, text]) => text),
      );
    });
  }

  it('shows what the command line prints', async () => {
    const found = /^npx (node-ctc loss .*?)^```\n\n```\n(.*?)^```/ms.exec(readme);
    assert.ok(found);
    const [, command, shown] = found;
    const args = command!.replaceAll('\\\n', ' ').trim().split(/\s+/).slice(1);
    const out = await runNode([join(root, 'dist/esm/cli/main.js'), ...args]);
    const printed = out.split('\n').map(rounded);
    let from = 0;
    for (const line of shown!.trimEnd().split('\n')) {
      if (line === '...') continue;
      const place = printed.indexOf(rounded(line), from);
      assert.ok(place >= from, `not printed: ${line}`);
      from = place + 1;
    }
  });
});

/** Decimal numbers to 4 significant digits: the last ones depend on the instruction set. */
function rounded(line: string): string {
  return line.replace(/\d+\.\d+/g, (number) => Number(number).toPrecision(4));
}
