// The progress bar: on a terminal, and nowhere else.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { formatRate, formatSeconds } from '../lib/cli/progress.js';
import { root, Scratch } from './io.helpers.js';
import { main, makeCase, run } from './support/evalCase.js';

// Runs the command given after it in a terminal of 100 columns and shows what it writes.
const terminal = `
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm'
    os.environ.pop('NO_COLOR', None)
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
try:
    while True:
        piece = os.read(terminal, 65536)
        if not piece:
            break
        sys.stdout.buffer.write(piece)
except OSError:
    pass
`;

describe('the progress bar', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());
  const given = makeCase(scratch, { utterances: 500 });
  const args = [...given.args, '--batch-mb', '0.05'];

  function runInTerminal(...more: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const command = ['-c', terminal, process.execPath, main, ...args, ...more];
      execFile('python3', command, { cwd: root }, (error, out) =>
        error ? reject(error) : resolve(out),
      );
    });
  }

  it('shows what is done, the rate and the time left, and goes away', async () => {
    const shown = await runInTerminal();
    assert.match(shown, /[█░]+ +\d+% {2}\d+\/500 utterances {2}[\d.-]+\/s {2}.+ left/);
    // What follows the bar's removal is the report, in colours.
    const report = shown.slice(shown.lastIndexOf('left'));
    assert.ok(report.includes('\u001b[1mSummary\u001b[22m\r\nutterances  500\r\n'));
  });

  it('stays away with --quiet, and where there is no terminal', async () => {
    assert.ok(!(await runInTerminal('--quiet')).includes('left'));
    const { err } = await run(args);
    assert.equal(err, '');
  });

  it('writes times and rates short', () => {
    const times = [0, 0.2, 59, 60, 200, 3600, 18_120, 200_000, Number.NaN, Infinity];
    assert.deepEqual(times.map(formatSeconds), [
      ...['0 s', '1 s', '59 s', '1 min 0 s', '3 min 20 s', '1 h 0 min', '5 h 2 min'],
      ...['2 days', '-', '-'],
    ]);
    assert.deepEqual([0.123, 9.94, 12.3, 4567.8].map(formatRate), ['0.1', '9.9', '12', '4568']);
  });
});
