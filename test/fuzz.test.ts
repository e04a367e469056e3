// The fuzzers, briefly: every seed and everything that they found once, and some new inputs. `npm run fuzz`
// goes on for as long as it is told (docs/testing.md).

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fuzzApi } from './fuzz/api.js';
import { Coverage } from './fuzz/coverage.js';
import { fuzz } from './fuzz/guided.js';
import { Random } from './fuzz/random.js';
import { ReaderTargets } from './fuzz/readers.js';
import { root } from './support/paths.js';

const corpus = join(root, 'test', 'fuzz', 'corpus');
const inputsOf = (target: string): Buffer[] => {
  const folder = join(corpus, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((name) => readFileSync(join(folder, name)));
};

/** New each time: what fails once is repeated with the seed that the failure shows. */
const fresh = Date.now() % 2 ** 31;

describe('fuzzing', function () {
  this.timeout(120_000);

  it("the core's corpus has no failed check", () => {
    const program = join(root, 'build', 'Release', 'ctc_tests');
    const { status, stdout } = spawnSync(program, ['--replay', corpus], { encoding: 'utf8' });
    assert.match(stdout, /^[1-9]\d* passed, 0 failed$/m);
    assert.equal(status, 0);
  });

  const readers = new ReaderTargets();
  after(() => readers.remove());
  for (const target of readers.all) {
    it(`${target.name}: its corpus and some damage end well`, async () => {
      const coverage = new Coverage((url) => url.includes('/build/lib/'));
      try {
        const most = target.seeds.length + inputsOf(target.name).length + 150;
        const { executions, blocks, failure } = await fuzz(
          target,
          inputsOf(target.name),
          new Random(fresh),
          coverage,
          (count) => count >= most,
        );
        if (failure !== undefined) {
          const input = failure.input.toString('base64');
          throw new Error(`${target.name}, seed ${fresh}: ${input}`, { cause: failure.error });
        }
        assert.ok(executions >= most && blocks > 10, `${blocks} blocks`);
      } finally {
        coverage.close();
      }
    });
  }

  it('calls of the API with strange arguments end well', async () => {
    await fuzzApi(1500, 1);
  });

  it(`calls of the API with strange arguments end well, with the seed ${fresh}`, async () => {
    await fuzzApi(1500, fresh);
  });
});
