// What records call a file: the same from whatever folder, and on whatever machine.

import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { fileNamer } from '../lib/eval/fileNames.js';

const problem = 'became shorter while it was read';

const aside = (path: string) => join('..', 'elsewhere', path);

describe('files in records', () => {
  const cases: [what: string, paths: string[], path: string, name: string][] = [
    ['one file', ['a/logits.npy'], 'a/logits.npy', 'logits.npy'],
    ['one of a folder', ['a/x.npy', 'a/b/y.npy'], 'a/b/y.npy', 'b/y.npy'],
    ['of several folders', ['d/a/x.npy', 'd/b/x.npy'], 'd/b/x.npy', 'b/x.npy'],
    [
      'of folders of which one begins as another',
      ['d/a/x.npy', 'd/ab/x.npy'],
      'd/ab/x.npy',
      'ab/x.npy',
    ],
    ['beside its script', ['d/x.scp'], 'd/sub/x.ark', 'sub/x.ark'],
    ['a colon in its folder', ['d: e/x.npy', 'd: f/y.npy'], 'd: f/y.npy', 'd: f/y.npy'],
    ['a colon in the folder of all', ['d: e/x.npy'], 'd: e/x.npy', 'x.npy'],
    ['a colon in its name', ['d/x: y.npy'], 'd/x: y.npy', 'x: y.npy'],
  ];
  for (const [what, paths, path, name] of cases) {
    it(`are named below the folder of all: ${what}`, () => {
      const message = (file: string) => `${file}: utt-1: ${problem}`;
      for (const place of [(given: string) => given, (given: string) => resolve(given), aside]) {
        assert.equal(
          fileNamer(paths.map((each) => place(each)))(message(place(path))),
          message(name),
        );
      }
      // Named in one way and in another.
      const [first, ...others] = paths;
      assert.equal(fileNamer([resolve(first!), ...others])(message(path)), message(name));
    });
  }

  it('keep their path where they lie elsewhere', () => {
    const name = fileNamer(['/d/e/x.scp']);
    for (const path of ['/d/x.ark', '/d/ee/x.ark', '/d/e', '/']) {
      assert.equal(name(`${path}: ${problem}`), `${path}: ${problem}`);
    }
    assert.equal(name(problem), problem);
  });

  it('standard input has no folder', () => {
    const message = 'standard input: line 2: not JSON';
    assert.equal(fileNamer(['standard input'])(message), message);
  });
});
