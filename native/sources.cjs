// The one list of native sources: binding.gyp and CMakeLists.txt both read it
// (`node native/sources.cjs core` prints one path a line, relative to the repository root).
'use strict';

const core = [
  'native/core/align.cpp',
  'native/core/align_path.cpp',
  'native/core/align_utterance.cpp',
  'native/core/arpa.cpp',
  'native/core/backend.cpp',
  'native/core/backend_library_posix.cpp',
  'native/core/backend_library_windows.cpp',
  'native/core/beam.cpp',
  'native/core/beam_guide.cpp',
  'native/core/beam_result.cpp',
  'native/core/beam_search.cpp',
  'native/core/check.cpp',
  'native/core/edits.cpp',
  'native/core/evaluate.cpp',
  'native/core/greedy.cpp',
  'native/core/hotwords.cpp',
  'native/core/lattice.cpp',
  'native/core/lexicon.cpp',
  'native/core/loss.cpp',
  'native/core/pool.cpp',
  'native/core/posteriors.cpp',
  'native/cpu/dispatch.cpp',
  'native/cpu/kernels_avx2.cpp',
  'native/cpu/kernels_avx512.cpp',
  'native/cpu/kernels_baseline.cpp',
  'native/cpu/kernels_neon.cpp',
  'native/cpu/row_scan.cpp',
  'native/cpu/viterbi.cpp',
];

const binding = [
  'native/binding/addon.cpp',
  'native/binding/align.cpp',
  'native/binding/arguments.cpp',
  'native/binding/batch.cpp',
  'native/binding/decode.cpp',
  'native/binding/decode_data.cpp',
  'native/binding/device.cpp',
  'native/binding/edits.cpp',
  'native/binding/evaluate.cpp',
  'native/binding/job.cpp',
  'native/binding/loss.cpp',
];

const tests = [
  'test/native/align.cpp',
  'test/native/align_posteriors.cpp',
  'test/native/allocations.cpp',
  'test/native/decode.cpp',
  'test/native/edits.cpp',
  'test/native/fuzz/arpa.cpp',
  'test/native/fuzz/decode.cpp',
  'test/native/fuzz/fuzz_case.cpp',
  'test/native/fuzz/lattice.cpp',
  'test/native/fuzz/loss.cpp',
  'test/native/fuzz/replay.cpp',
  'test/native/loss.cpp',
  'test/native/loss_case.cpp',
  'test/native/loss_kernels.cpp',
  'test/native/main.cpp',
  'test/native/out_of_memory.cpp',
  'test/native/pages.cpp',
  'test/native/workspace.cpp',
];

// The CUDA backend, a library of its own (CMake, `npm run build:cuda`).
const cuda = [
  'native/core/lattice.cpp',
  'native/cuda/align.cu',
  'native/cuda/backend.cu',
  'native/cuda/batches.cu',
  'native/cuda/collapse.cu',
  'native/cuda/frames.cu',
  'native/cuda/gradient.cu',
  'native/cuda/greedy.cu',
  'native/cuda/lattice.cu',
  'native/cuda/loss.cu',
  'native/cuda/occupancy.cu',
  'native/cuda/plan.cu',
  'native/cuda/posteriors.cu',
  'native/cuda/sequences.cu',
  'native/cuda/session.cu',
  'native/cuda/softmax.cu',
  'native/cuda/source.cu',
  'native/cuda/viterbi.cu',
];

// The same, compiled for the host with CTC_EMULATED, for tests: an archive, its C++ tests, and what
// makes it a library that the addon can open. Not for Windows.
const emulation = [
  'native/cuda/emulation/fibers.cpp',
  'native/cuda/emulation/runtime.cpp',
  'test/native/cuda_emulated.cpp',
];
const emulationTests = [
  'test/native/cuda_call.cpp',
  'test/native/cuda_case.cpp',
  'test/native/cuda_emulation.cpp',
  'test/native/cuda_failures.cpp',
  'test/native/cuda_kernels.cpp',
];
const emulationLibrary = ['test/native/cuda_library.cpp'];

// libFuzzer's program (CMake with clang, `npm run fuzz`): the targets without the tests' main().
const fuzz = [
  'test/native/fuzz/arpa.cpp',
  'test/native/fuzz/decode.cpp',
  'test/native/fuzz/fuzz_case.cpp',
  'test/native/fuzz/lattice.cpp',
  'test/native/fuzz/libfuzzer.cpp',
  'test/native/fuzz/loss.cpp',
  'test/native/loss_case.cpp',
];

// The addon with allocations that a test counts and lets fail. For Linux.
const counted = [
  ...binding.filter((source) => source !== 'native/binding/addon.cpp'),
  'test/native/counted_addon.cpp',
];

// What bench/ measures with: an addon, and a program to run under a profiler.
const bench = ['bench/native/addon.cpp'];
const profile = ['bench/native/profile.cpp'];

const includes = ['native/include', 'native'];

const defines = ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS'];

// Never -ffast-math: infinities, NaN and the order of sums are part of the results. Contraction is
// off so that every build rounds alike; the kernels ask for fused multiply-adds by name.
const flags = [
  '-O3',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fexceptions',
  '-fPIC',
  '-fvisibility=hidden',
  '-fvisibility-inlines-hidden',
  '-pthread',
];

module.exports = {
  core,
  binding,
  tests,
  cuda,
  emulation,
  emulationTests,
  emulationLibrary,
  fuzz,
  counted,
  bench,
  profile,
  includes,
  defines,
  flags,
};

if (require.main === module) {
  const list = module.exports[process.argv[2]];
  if (!list) {
    process.stderr.write(`sources.cjs: no list '${process.argv[2]}'\n`);
    process.exit(2);
  }
  process.stdout.write(`${list.join('\n')}\n`);
}
