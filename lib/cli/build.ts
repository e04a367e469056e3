// `node-ctc build`: compiles the native addon on this machine, for installations whose npm does not
// run install scripts and for which there is no prebuild; with --cuda the CUDA backend.

import type { Command } from 'commander';
import { loadScript } from '../here.cjs';
import { exitCodes } from './exit.js';

interface Outcome {
  ok: boolean;
  message: string;
}
interface Installer {
  install(options: { force: boolean; stdio: 'inherit' }): Outcome;
}
interface CudaBuilder {
  buildCuda(): Outcome;
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
    .option(
      '--cuda',
      'build the CUDA backend instead: needs nvcc 12 or 13, CMake and the package cmake-js',
    )
    .action((options: { force?: boolean; cuda?: boolean }) => {
      const { ok, message } = options.cuda
        ? (loadScript('build-cuda.cjs') as CudaBuilder).buildCuda()
        : (loadScript('install.cjs') as Installer).install({
            force: options.force === true,
            stdio: 'inherit',
          });
      process.stderr.write(`${message}\n`);
      if (!ok) process.exitCode = exitCodes.engine;
    });
}
