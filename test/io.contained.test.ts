// Files that libraries read (HDF5, Parquet, Arrow): whatever they do to their library, it costs no more than
// the results of that file.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { ContainedSource } from '../lib/io/contained.js';
import { PreadFile } from '../lib/io/pread.js';
import type { ContainedFormat, Request } from '../lib/io/readerChild.js';
import { ReaderEnded, ReaderProcess } from '../lib/io/readerProcess.js';
import { ReadBuffer } from '../lib/io/source.js';
import { Scratch } from './io.helpers.js';
import { runCli } from './support/cli.js';
import { readLines } from './support/evalCase.js';
import { endlessArrow, fatalParquet, fixture, readAll, utterance } from './support/formats.js';
import { root } from './support/paths.js';

const formats: [name: string, format: ContainedFormat][] = [
  ['batch.h5', 'hdf5'],
  ['utterances.h5', 'hdf5'],
  ['utterances.arrow', 'arrow'],
  ['snappy.parquet', 'parquet'],
  ['zstd.parquet', 'parquet'],
];

function open(path: string, format: ContainedFormat, seconds?: number, signal?: AbortSignal) {
  return ContainedSource.open(PreadFile.open(path), format, {}, { seconds, signal });
}

/** A signal that is aborted when the library is at work. */
function soon(reason: Error): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 300);
  return controller.signal;
}

describe('files that libraries read', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  for (const [name, format] of formats) {
    it(`end in results or ERR_CTC_FILE with other bytes: ${name} (property)`, async () => {
      const whole = readFileSync(fixture(name));
      const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) });
      const changes = fc.array(change, { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(changes, async (altered) => {
          const bytes = Buffer.from(whole);
          for (const { at, byte } of altered) bytes[at] = byte;
          const path = scratch.write(bytes, name);
          try {
            const source = await open(path, format, 3);
            for (const { fault } of await readAll(source).finally(() => source.close())) {
              assert.ok(fault === undefined || fault.startsWith(path), fault);
            }
          } catch (error) {
            const { code, message, stack } = error as Error & { code?: string };
            assert.equal(code, 'ERR_CTC_FILE', stack);
            assert.ok(message.startsWith(path) && !message.includes('\n'), message);
          }
        }),
        { numRuns: 120, seed: 13 },
      );
    });
  }

  it('are given up when they keep their library busy, and the others go on', async () => {
    const other = await open(fixture('snappy.parquet'), 'parquet');
    const path = scratch.write(endlessArrow(), 'endless.arrow');
    await assert.rejects(open(path, 'arrow', 1), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_CTC_FILE');
      assert.match(error.message, /endless\.arrow: has kept its library busy for \d+ s\. Write/);
      return true;
    });
    // Its reader was ended with the endless one.
    const read = await readAll(other);
    assert.deepEqual(
      read.map(({ rows }) => rows),
      [0, 1, 2, 3, 4].map(utterance),
    );
    await other.close();
  });

  it('are left at once where a signal says so, and the others go on', async () => {
    const other = await open(fixture('snappy.parquet'), 'parquet');
    const stopped = new Error('stopped');
    const schema = scratch.write(endlessArrow(), 'schema.arrow');
    await assert.rejects(open(schema, 'arrow', 600, soon(stopped)), (error) => error === stopped);
    await assert.rejects(
      open(schema, 'arrow', 600, AbortSignal.abort(stopped)),
      /^Error: stopped$/,
    );

    // Its reader was ended, and it is opened again, as another file by now.
    const path = scratch.write(readFileSync(fixture('utterances.arrow')), 'changing.arrow');
    const source = await open(path, 'arrow', 600);
    await assert.rejects(open(schema, 'arrow', 600, soon(stopped)), (error) => error === stopped);
    scratch.write(endlessArrow(), 'changing.arrow');
    const buffer = new ReadBuffer();
    await assert.rejects(source.read([1], buffer, soon(stopped)), (error) => error === stopped);
    // That was nobody's fault: what is whole again can be read again.
    scratch.write(readFileSync(fixture('utterances.arrow')), 'changing.arrow');
    assert.deepEqual((await source.read([1, 2], buffer)).frames, [4, 5]);
    await source.close();

    const read = await readAll(other);
    assert.deepEqual(
      read.map(({ rows }) => rows),
      [0, 1, 2, 3, 4].map(utterance),
    );
    await other.close();
  });

  it('that end a whole process cost their own results', async () => {
    // The lists of this one grow to more than a gigabyte before that.
    const ids = Array.from({ length: 8 }, (_, n) => `fatal${n}`);
    const fatal = scratch.write(fatalParquet(ids), 'fatal.parquet');
    const all = [...ids, ...[0, 1, 2, 3, 4].map((n) => `utt${n}`)];
    const rows = all.map((id) => `${JSON.stringify({ id, text: 'ab' })}\n`);
    const manifest = scratch.write(rows.join(''), 'manifest.jsonl');
    const tokens = scratch.write('<blank>\na\nb\nc\n', 'tokens.txt');
    const out = join(scratch.folder, 'out');
    const files = [fatal, fixture('snappy.parquet')];
    const run = await runCli(
      ...['eval', ...files, '--manifest', manifest, '--tokens', tokens, '--out', out],
    );
    assert.equal(run.code, 3, run.err);
    const records = readLines<{ id: string; reason: string | null }>(join(out, 'results.jsonl'));
    assert.deepEqual(records.map(({ id }) => id).sort(), all.sort());
    for (const { id, reason } of records) {
      // The second and third reason where there is little memory, or a slow processor.
      if (!id.startsWith('fatal')) assert.equal(reason, null, id);
      else assert.match(reason!, /fatal\.parquet: (asks for more|takes more|has kept its library)/);
    }
  });

  it('are found where they are, whatever folder is the current one by then', async () => {
    const before = process.cwd();
    scratch.write(readFileSync(fixture('utterances.arrow')), 'here.arrow');
    const other = await open(fixture('snappy.parquet'), 'parquet');
    process.chdir(scratch.folder);
    try {
      const source = await open('here.arrow', 'arrow');
      assert.deepEqual(source.paths, ['here.arrow']);
      assert.equal((await readAll(source)).length, 5);
      await source.close();
    } finally {
      process.chdir(before);
    }
    await other.close();
  });

  it('hold no process up that does not close them', () => {
    const url = (...parts: string[]) => pathToFileURL(join(root, 'build', 'lib', ...parts)).href;
    const script = `
      const { openSource } = await import(${JSON.stringify(url('io', 'openSource.js'))});
      console.log((await openSource([${JSON.stringify(fixture('batch.h5'))}])).count);`;
    const run = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(run.stdout, '5\n', run.stderr);
    assert.equal(run.status, 0);
  });
});

/** Opens a file, and then one that keeps the reader busy. Says the reader's number, and when it is at work. */
const busyProgram = (endless: string) => `
  const processes = require('node:child_process');
  const { parentPort } = require('node:worker_threads');
  const say = parentPort === null ? console.log : (what) => parentPort.postMessage(String(what));
  const { fork } = processes;
  processes.fork = (...args) => {
    const child = fork(...args);
    say(child.pid);
    return child;
  };
  const { openSource } = require(${JSON.stringify(join(root, 'dist', 'cjs', 'io', 'openSource.js'))});
  openSource([${JSON.stringify(fixture('batch.h5'))}]).then(async (source) => {
    say('open');
    await openSource([${JSON.stringify(endless)}]);
  });`;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that has ended, but that nobody has asked about.
    return process.platform !== 'linux' || !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function untilGone(pid: number): Promise<void> {
  while (isAlive(pid)) await sleep(50);
}

describe('the process of the readers', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  // What it is asked is what it does.
  const script = () =>
    scratch.write(
      `const hoard = [];
      process.on('message', ({ kind }) => {
        if (kind === 'throw') throw new Error('unreachable');
        if (kind === 'leave') process.exit(0);
        if (kind === 'killed') process.kill(process.pid, 'SIGKILL');
        if (kind === 'abort') process.abort();
        if (kind === 'options') kind = process.env.NODE_OPTIONS;
        while (kind === 'loop');
        while (kind === 'hoard') hoard.push(new Array(1000).fill(0.5));
        process.send({ crashed: false, kind });
      });`,
      'reader.cjs',
    );
  const ask = (reader: ReaderProcess, kind: string, seconds = 60) => {
    return reader.take(() => reader.send({ kind } as unknown as Request, seconds));
  };

  const ends: [kind: string, reason: RegExp][] = [
    ['throw', /^has crashed its library \(Error: unreachable\)$/],
    ['leave', /^has crashed its library$/],
    ['abort', /^has crashed its library \(SIG\w+\)$/],
    ['killed', /^takes more memory to read than there is: its reader was killed$/],
    ['loop', /^has kept its library busy for \d+ s$/],
    ['hoard', /^takes more than 32 MB of memory to read$/],
  ];
  for (const [kind, reason] of ends) {
    it(`is replaced after an end by ${kind}`, async () => {
      const reader = new ReaderProcess(script(), 32);
      const before = reader.number;
      // Asked at once: one after the other all the same.
      const [ended, answered] = await Promise.allSettled([
        ask(reader, kind, kind === 'loop' ? 1 : 60),
        ask(reader, 'answer'),
      ]);
      assert.equal(ended.status, 'rejected');
      assert.ok(ended.reason instanceof ReaderEnded, String(ended.reason));
      assert.match(ended.reason.message, reason);
      assert.deepEqual(answered, {
        status: 'fulfilled',
        value: { crashed: false, kind: 'answer' },
      });
      assert.equal(reader.number, before + 1);
      reader.end(new Error('is over'));
    });
  }

  it('lives as long as the process that it reads for, and decides nothing itself', async () => {
    const endless = scratch.write(endlessArrow(), 'endless.arrow');
    const parent = spawn(process.execPath, ['--eval', busyProgram(endless)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface(parent.stdout)[Symbol.asyncIterator]();
    const pid = Number((await lines.next()).value);
    assert.equal((await lines.next()).value, 'open');
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
    await sleep(500);
    assert.ok(isAlive(pid));
    parent.kill('SIGKILL');
    await untilGone(pid);
  });

  it('ends with the thread that it reads for', async () => {
    const endless = scratch.write(endlessArrow(), 'endless.arrow');
    const worker = new Worker(busyProgram(endless), { eval: true });
    const said: string[] = [];
    worker.on('message', (what: string) => said.push(what));
    while (said.length < 2) await once(worker, 'message');
    await sleep(300);
    assert.equal(said[1], 'open');
    const pid = Number(said[0]);
    assert.ok(isAlive(pid));
    await worker.terminate();
    await untilGone(pid);
  });

  it('has the options of NODE_OPTIONS, but waits for no debugger', async () => {
    const before = process.env.NODE_OPTIONS;
    process.env.NODE_OPTIONS = '--no-warnings --inspect-brk=0 --stack-trace-limit=5';
    const reader = new ReaderProcess(script());
    try {
      const { kind } = (await ask(reader, 'options')) as unknown as { kind: string };
      assert.deepEqual(kind.split(/\s+/), ['--no-warnings', '--stack-trace-limit=5']);
    } finally {
      reader.end(new Error('is over'));
      if (before === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = before;
    }
  });

  it('is named where it cannot be started', async () => {
    const { execPath } = process;
    process.execPath = scratch.folder;
    try {
      await assert.rejects(ask(new ReaderProcess(script()), 'answer'), (error: ReaderEnded) => {
        assert.match(error.message, /^needs a process that reads it, which cannot be started \(/);
        assert.match(error.remedy, /ulimit/);
        return true;
      });
    } finally {
      process.execPath = execPath;
    }
  });
});
