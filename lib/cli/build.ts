// `node-ctc build`: compiles the native addon on this machine, for installations whose npm does not
// run install scripts and for which there is no prebuild.

import { createRequire } from 'node:module';
import type { Command } from 'commander';
import { exitCodes } from './exit.js';

interface Installer {
  install(options: { force: boolean; stdio: 'inherit' }): { ok: boolean; message: string };
}

export function register(program: Command): void {
  program
    .command('build')
    .summary('compile the native part on this machine')
    .description(
      'Compiles the native addon with node-gyp. Needs a C++17 compiler, make and Python 3, and ' +
        'nothing from the network. Does nothing when an addon that loads is there already.',
    )
    .option('--force', 'build even if there is an addon that loads')
    .action((options: { force?: boolean }) => {
      const require = createRequire(import.meta.url);
      const { install } = require('../../../scripts/install.cjs') as Installer;
      const { ok, message } = install({ force: options.force === true, stdio: 'inherit' });
      process.stderr.write(`${message}\n`);
      if (!ok) process.exitCode = exitCodes.engine;
    });
}
