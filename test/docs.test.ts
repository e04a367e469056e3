// Every code block of README.md and docs/ is run as it stands, from the root of the repository.
//
// js and ts blocks are programs of their own. What a comment after `console.log(...);` says must be
// printed, in this order; ` / ` separates the lines of a loop, and from `: ` on such a comment may explain. sh blocks are run when
// a plain block right after them shows what they print (`...` leaves lines out); the others install things
// or speak of files that a reader has. A comment before a block, invisible on the page, says what a page cannot:
//
//   <!-- docs-test: continue -->            the block goes on where the previous one stopped
//   <!-- docs-test: before
//   const data = new Float32Array(135);     lines that the block needs and a reader does not
//   -->
//   <!-- docs-test: skip, why -->           a fragment that cannot be run

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './io.helpers.js';
import {
  type DocProgram,
  documents,
  extract,
  keeps,
  programsOf,
  promised,
} from './support/docs.js';
import { needOnnxruntime } from './support/onnxruntime.js';

const main = join(root, 'dist/cjs/cli/main.js');

function run(program: DocProgram): Promise<string> {
  const { language, code } = program;
  const [command, args] =
    language === 'sh' ? ['bash', ['-e', '-c', shell(code)]] : [process.execPath, script(program)];
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd: root, timeout: 300_000 }, (error, out) => {
      if (error) reject(new Error(`${error.message}\n${out}`));
      else resolve(out);
    });
  });
}

function script({ language, code }: DocProgram): string[] {
  const kind = /\brequire\(/.test(code) && !/^import\b/m.test(code) ? 'commonjs' : 'module';
  if (language === 'js') return [`--input-type=${kind}`, '-e', code];
  const compilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: false,
  };
  const { outputText } = ts.transpileModule(code, { compilerOptions });
  return ['--input-type=module', '-e', outputText];
}

/** `npx node-ctc` is this checkout's command. */
function shell(code: string): string {
  return `npx() { shift; "${process.execPath}" "${main}" "$@"; }\n${code}`;
}

function assertPrinted(out: string, expected: readonly string[]): void {
  const printed = out.split('\n');
  let from = 0;
  for (const comment of expected) {
    const place = printed.findIndex((line, i) => i >= from && keeps(line, comment));
    assert.ok(place >= from, `not printed: ${comment}\nprinted:\n${out}`);
    from = place + 1;
  }
}

describe('documentation', () => {
  for (const file of documents(root)) {
    for (const program of programsOf(root, file)) {
      const { place, language, code, output, skip } = program;
      if (skip !== undefined || (language === 'sh' && output === undefined)) continue;
      it(`${place} runs and prints what it says`, async function () {
        this.timeout(300_000);
        if (code.includes("'onnxruntime-node'")) needOnnxruntime(this);
        const out = await run(program);
        const expected =
          output?.split('\n').filter((line) => line !== '...' && line !== '') ?? promised(code);
        assertPrinted(out, expected);
      });
    }
  }

  it('finds the blocks of a page and their marks', () => {
    const page = [
      '```js',
      'const a = 1;',
      '```',
      'Text.',
      '<!-- docs-test: continue -->',
      '```js',
      'console.log(a); // 1: one',
      '```',
      '<!-- docs-test: before',
      'const b = 2;',
      '-->',
      '',
      '```ts',
      'console.log(b); // 2',
      '```',
      '<!-- docs-test: skip, a fragment -->',
      '```ts',
      'ctcLoss(...)',
      '```',
      '- In a list:',
      '  ```sh',
      '  npx node-ctc --version',
      '  ```',
      '',
      '  ```',
      '  0.1.0',
      '  ```',
      '```json',
      '{}',
      '```',
    ].join('\n');
    const programs = extract(page, 'page.md');
    assert.deepEqual(
      programs.map(({ place, language, code, output, skip }) => [
        place,
        language,
        code,
        output,
        skip,
      ]),
      [
        ['page.md:1', 'js', 'const a = 1;\n\nconsole.log(a); // 1: one\n', undefined, undefined],
        ['page.md:13', 'ts', 'const b = 2;\nconsole.log(b); // 2\n', undefined, undefined],
        ['page.md:17', 'ts', 'ctcLoss(...)\n', undefined, 'a fragment'],
        ['page.md:21', 'sh', 'npx node-ctc --version\n', '0.1.0\n', undefined],
      ],
    );
    assert.deepEqual(promised(programs[0]!.code), ['1: one']);
    assert.throws(() => extract('<!-- docs-test: skip -->\n```js\n```', 'x.md'), /say why/);
    assert.throws(() => extract('<!-- docs-test: continue -->\n```js\n```', 'x.md'), /continues/);
  });

  it('notices a line that is not printed, or in another order', () => {
    assertPrinted('a\n1.23456\nb\n', ['a: the first', '1.23459']);
    assertPrinted('{ a: 1 }\n', ['{ a: 1 }']);
    assert.deepEqual(promised('console.log(i); // 0 / 1'), ['0', '1']);
    assert.throws(() => assertPrinted('a\n', ['a the first']), /not printed/);
    assert.throws(() => assertPrinted('a\nb\n', ['b', 'a']), /not printed: a/);
  });
});
