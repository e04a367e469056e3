// Whether the package can be released: run first by the release workflow, so that what is missing stops it
// in seconds and not at npm's door.
//   node scripts/check-release.cjs [tag]
// npm accepts provenance only where package.json's repository is the one that the workflow runs in.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

/**
 * @param {Record<string, any>} manifest package.json
 * @param {string} changelog
 * @param {{ tag?: string, repository?: string }} [run] what is released, and "owner/name" where
 * @returns {string[]} what is missing, each with its remedy
 */
function releaseProblems(manifest, changelog, { tag, repository } = {}) {
  const problems = [];
  const url = manifest.repository?.url ?? manifest.repository;
  const given = {
    repository: url,
    homepage: manifest.homepage,
    bugs: manifest.bugs?.url ?? manifest.bugs,
  };
  for (const [field, value] of Object.entries(given)) {
    if (typeof value === 'string' && value !== '') continue;
    problems.push(`package.json has no ${field}: npm pkg set ${EXAMPLES[field]}`);
  }
  if (url && repository && !url.replace(/\.git$/, '').endsWith(`/${repository}`)) {
    problems.push(`package.json's repository is ${url}, but this is ${repository}`);
  }
  const { version } = manifest;
  if (tag !== undefined && tag !== `v${version}`) {
    problems.push(`the tag is ${tag}, but package.json's version is ${version}`);
  }
  if (!changelog.split('\n').some((line) => line.startsWith(`## ${version}`))) {
    problems.push(`CHANGELOG.md has no section "## ${version}"`);
  }
  return problems;
}

const EXAMPLES = {
  repository: 'repository.type=git repository.url=git+https://github.com/OWNER/NAME.git',
  homepage: 'homepage=https://github.com/OWNER/NAME#readme',
  bugs: 'bugs.url=https://github.com/OWNER/NAME/issues',
};

module.exports = { releaseProblems };

if (require.main === module) {
  const read = (name) => fs.readFileSync(path.join(__dirname, '..', name), 'utf8');
  const problems = releaseProblems(JSON.parse(read('package.json')), read('CHANGELOG.md'), {
    tag: process.argv[2],
    repository: process.env.GITHUB_REPOSITORY,
  });
  for (const problem of problems) process.stderr.write(`release: ${problem}\n`);
  process.exit(problems.length === 0 ? 0 : 1);
}
