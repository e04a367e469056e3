// The addon inside Node, under valgrind's memcheck: npm run test:valgrind
// Runs the fuzzer of the API (every function, synchronous and not, with good and strange arguments) and the stress
// test (jobs on worker threads, aborts, terminations), and fails for every error whose stack passes through the
// addon and every definite leak of a block that it asked for. V8's and Node's own records are counted, no more.
//   npm run test:valgrind -- --calls 300 --jobs 100
// On Linux; needs valgrind. It knows no AVX-512, so the AVX2 kernels run. Takes minutes.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const root = path.join(__dirname, '..');

const valgrind = [
  // V8 writes code while it runs.
  '--smc-check=all-non-file',
  // Worker threads must not starve each other.
  '--fair-sched=yes',
  '--leak-check=full',
  '--show-leak-kinds=definite,indirect',
  '--num-callers=40',
  '--error-limit=no',
  '--xml=yes',
];

const text = (xml, tag) => xml.match(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`))?.[1] ?? '';

const framesOf = (record) => record.match(/<frame>[\s\S]*?<\/frame>/g) ?? [];
const isAddon = (frame) => text(frame, 'obj').endsWith('/ctc.node');
// The operator new of the C++ library, which may be a part of Node.
const isAllocator = (frame) =>
  /vgpreload|libstdc\+\+/.test(text(frame, 'obj')) || text(frame, 'fn').startsWith('operator new');

function isOwn(record) {
  const frames = framesOf(record);
  if (!text(record, 'kind').startsWith('Leak')) return frames.some(isAddon);
  // What Node allocates for a handle goes with the handle, when that is collected: after the end, often.
  const asked = frames.find((frame) => !isAllocator(frame));
  return asked !== undefined && isAddon(asked);
}

/** Splits valgrind's XML into the records of the addon and the number of all others. */
function recordsOf(xml) {
  const records = xml.match(/<error>[\s\S]*?<\/error>/g) ?? [];
  const own = records.filter(isOwn);
  return { own, others: records.length - own.length };
}

function describeRecord(record) {
  const what = text(record, 'what') || text(record, 'text');
  const frames = framesOf(record)
    .slice(0, 12)
    .map((frame) => {
      const place = text(frame, 'line') && ` (${text(frame, 'file')}:${text(frame, 'line')})`;
      return `    ${text(frame, 'fn') || '???'} in ${path.basename(text(frame, 'obj'))}${place}`;
    });
  return `${text(record, 'kind')}: ${what}\n${frames.join('\n')}\n`;
}

/** Runs one script in Node under valgrind; how many records are the addon's, and whether it ended well. */
function check(name, args, folder) {
  const file = path.join(folder, `${name}.xml`);
  const started = Date.now();
  const { status, signal, error } = spawnSync(
    'valgrind',
    [...valgrind, `--xml-file=${file}`, process.execPath, '--expose-gc', ...args],
    { cwd: root, stdio: 'inherit', env: { ...process.env, MALLOC_ARENA_MAX: '1' } },
  );
  if (error) throw error;
  const xml = fs.readFileSync(file, 'utf8');
  // Without its end it is the record of a process that was killed.
  const whole = xml.includes('</valgrindoutput>');
  const { own, others } = recordsOf(xml);
  for (const record of own) process.stderr.write(describeRecord(record));
  process.stdout.write(
    `${name}: ${own.length} records of the addon, ${others} of Node's own, ` +
      `${((Date.now() - started) / 1000).toFixed(0)} s\n`,
  );
  return own.length === 0 && whole && status === 0 && signal === null;
}

function main() {
  const { values } = parseArgs({
    options: {
      calls: { type: 'string', default: '600' },
      jobs: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
    },
  });
  const build = path.join('build', 'test');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ctc-valgrind-'));
  try {
    const fuzzer = [path.join(build, 'fuzz', 'main.js'), 'api', '--calls', values.calls];
    const stress = [path.join(build, 'stress', 'main.js'), '--jobs', values.jobs];
    stress.push('--workers', '2', '--rounds', '1', '--patience', '1800');
    const good = [
      check('api', [...fuzzer, '--seed', values.seed, '--findings', folder], folder),
      check('stress', [...stress, '--seed', values.seed], folder),
    ];
    return good.every(Boolean) ? 0 : 1;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

module.exports = { recordsOf, describeRecord };

if (require.main === module) process.exit(main());
