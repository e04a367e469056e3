// Builds build/Release/libctc_cuda.so, the CUDA backend, with CMake through cmake-js. Needs nvcc 12
// or 13 and CMake 3.18, but neither a GPU nor a driver.
//   --architectures 75,90   compute capabilities, instead of each major one from 7.5 on
//   --output FOLDER         where the library goes
//   --build FOLDER          where CMake works
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');

/** The CUDA compiler: $CUDACXX, on the PATH, or where the toolkit's installer puts it. */
function findNvcc() {
  const named = process.platform === 'win32' ? 'nvcc.exe' : 'nvcc';
  const candidates = [
    process.env.CUDACXX,
    named,
    process.env.CUDA_PATH && path.join(process.env.CUDA_PATH, 'bin', named),
    path.join('/usr/local/cuda/bin', named),
  ].filter(Boolean);
  return candidates.find((command) => {
    return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
  });
}

function libraryName() {
  return process.platform === 'win32' ? 'ctc_cuda.dll' : 'libctc_cuda.so';
}

/** @returns {{ ok: boolean, message: string }} */
function buildCuda({ architectures = [], output, build, stdio = 'inherit' } = {}) {
  const nvcc = findNvcc();
  if (nvcc === undefined) {
    return {
      ok: false,
      message:
        'nvcc was not found. Install the CUDA toolkit 12 or 13 and put its bin folder on the PATH, ' +
        'or name the compiler in CUDACXX.',
    };
  }
  let cmakeJs;
  try {
    cmakeJs = require.resolve('cmake-js/bin/cmake-js');
  } catch {
    return { ok: false, message: 'cmake-js is not installed: npm install --save-dev cmake-js' };
  }
  const folder = output ?? path.join(root, 'build', 'Release');
  const defines = {
    CTC_CUDA: 'ON',
    CTC_ADDON: 'OFF',
    CTC_TESTS: 'OFF',
    CTC_CUDA_ARCHITECTURES: architectures.join(';'),
    CTC_CUDA_OUTPUT: folder,
    CMAKE_CUDA_COMPILER: fs.existsSync(nvcc) ? nvcc : undefined,
  };
  const args = [
    cmakeJs,
    'compile',
    `--out=${build ?? path.join(root, 'build-cmake-cuda')}`,
    '--target=ctc_cuda',
    `--parallel=${os.availableParallelism()}`,
    ...Object.entries(defines)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `--CD${name}=${value}`),
  ];
  const run = spawnSync(process.execPath, args, { cwd: root, stdio, encoding: 'utf8' });
  const library = path.join(folder, libraryName());
  if (run.status === 0 && fs.existsSync(library)) {
    return { ok: true, message: `Built ${library}` };
  }
  const log = stdio === 'pipe' ? `\n${run.stdout}${run.stderr}` : '';
  return { ok: false, message: `CMake failed (exit code ${run.status}).${log}` };
}

module.exports = { buildCuda, findNvcc, libraryName };

if (require.main === module) {
  const { values } = require('node:util').parseArgs({
    options: {
      architectures: { type: 'string', default: '' },
      output: { type: 'string' },
      build: { type: 'string' },
    },
  });
  const { ok, message } = buildCuda({
    ...values,
    architectures: values.architectures.split(',').filter(Boolean),
  });
  process.stderr.write(`node-ctc: ${message}\n`);
  if (!ok) process.exit(1);
}
