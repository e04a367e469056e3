// What the release workflow checks first.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './support/paths.js';

const require = createRequire(import.meta.url);
const { releaseProblems } = require(join(root, 'scripts', 'check-release.cjs')) as {
  releaseProblems(
    manifest: Record<string, unknown>,
    changelog: string,
    run?: { tag?: string; repository?: string },
  ): string[];
};

const complete = {
  version: '1.2.3',
  repository: { type: 'git', url: 'git+https://github.com/someone/node-ctc.git' },
  homepage: 'https://github.com/someone/node-ctc#readme',
  bugs: { url: 'https://github.com/someone/node-ctc/issues' },
};
const changelog = '# Changelog\n\n## 1.2.3 (2026-01-01)\n\n- Something.\n';
const run = { tag: 'v1.2.3', repository: 'someone/node-ctc' };

describe('check-release', () => {
  it('lets a complete package pass', () => {
    assert.deepEqual(releaseProblems(complete, changelog, run), []);
    assert.deepEqual(releaseProblems({ ...complete, repository: run.repository }, changelog), []);
  });

  it('names each missing field, and the command that sets it', () => {
    for (const field of ['repository', 'homepage', 'bugs']) {
      for (const value of [undefined, '', {}]) {
        const [problem, ...others] = releaseProblems({ ...complete, [field]: value }, changelog);
        assert.match(problem!, new RegExp(`no ${field}: npm pkg set .*${field}`));
        assert.deepEqual(others, []);
      }
    }
  });

  it('compares the repository, the tag and the changelog', () => {
    const [repository] = releaseProblems(complete, changelog, { repository: 'other/node-ctc' });
    assert.match(repository!, /but this is other\/node-ctc/);
    const [tag] = releaseProblems(complete, changelog, { ...run, tag: 'v1.2.4' });
    assert.match(tag!, /v1\.2\.4.*1\.2\.3/);
    assert.match(releaseProblems(complete, '# Changelog\n', run)[0]!, /## 1\.2\.3/);
  });

  it('comes first in the release workflow', () => {
    const workflow = readFileSync(join(root, '.github', 'workflows', 'release.yml'), 'utf8');
    const jobs = workflow.slice(workflow.indexOf('jobs:'));
    assert.match(jobs, /^jobs:\n {2}check:\n( {4}.*\n)*? +- run: node scripts\/check-release\.cjs/);
    // Every other job waits for it, directly or through another.
    const headings = jobs.match(/^ {2}[\w-]+:$/gm)!;
    assert.equal((jobs.match(/^ {4}needs:/gm) ?? []).length, headings.length - 1);
  });
});
