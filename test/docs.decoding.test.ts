// docs/decoding.md: its program and its command run as they stand.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runCli } from './support/cli.js';
import { root } from './support/paths.js';

const page = readFileSync(join(root, 'docs/decoding.md'), 'utf8');
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, code]) => code!,
  );

describe('docs/decoding.md', () => {
  it('has no block of code but those that are run here', () => {
    const languages = [...page.matchAll(/^```(.+)$/gm)].map(([, language]) => language);
    assert.deepEqual(new Set(languages), new Set(['js', 'sh']));
    assert.equal(blocks('sh').length, 1);
  });

  it('prints what its comments say', async () => {
    const code = blocks('js').join('\n');
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', code],
      { cwd: root },
    );
    assert.equal(stderr, '');
    // A comment with slashes lists what a call in a loop prints.
    const expected = [...code.matchAll(/^ *console\.log\(.*\); \/\/ (.*)$/gm)].flatMap(([, text]) =>
      text!.split(' / '),
    );
    assert.deepEqual(stdout.trimEnd().split('\n').map(rounded), expected.map(rounded));
  }).timeout(60_000);

  it('shows what the command line prints', async () => {
    const found = /^npx node-ctc (decode .*?)^```\n\n```\n(.*?)^```/ms.exec(page);
    assert.ok(found);
    const [, command, shown] = found;
    const { out, err, code } = await runCli(
      ...command!.replaceAll('\\\n', ' ').trim().split(/\s+/),
    );
    assert.deepEqual([code, err], [0, '']);
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
