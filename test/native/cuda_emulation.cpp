// The emulator itself: that it catches what it is there to catch.
#include "cuda/emulation/runtime.h"

#include <string>
#include <vector>

#include "check.h"
#include "cuda/plan.h"
#include "cuda_call.h"

namespace ctc::test {
namespace {

cudaError_t launchAndWait(void (*kernel)(int*), unsigned threads, int* data) {
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaLaunchConfig_t config;
  config.gridDim = dim3(1);
  config.blockDim = dim3(threads);
  config.stream = stream;
  cudaLaunchKernelEx(&config, kernel, data);
  const cudaError_t error = cudaStreamSynchronize(stream);
  cudaStreamDestroy(stream);
  return error;
}

// Each thread passes a number on to the next through shared memory.
template <bool correct>
void passOn(int* data) {
  __shared__ int places[64];
  places[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (correct) __syncthreads();
  data[threadIdx.x] = places[(threadIdx.x + 1) % 64];
}

void divergentBarrier(int* data) {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
    data[threadIdx.x] = 1;
  } else {
    __syncthreads();
    data[threadIdx.x] = 2;
  }
}

void barrierWithoutSome(int* data) {
  if (threadIdx.x == 5) return;
  __syncthreads();
  data[threadIdx.x] = 1;
}

void shuffleWithoutSome(int* data) {
  if (threadIdx.x != 5) data[threadIdx.x] = __shfl_up_sync(0xffffffffU, data[threadIdx.x], 1);
}

void shuffleOutsideItsMask(int* data) {
  data[threadIdx.x] = __shfl_xor_sync(0x0000ffffU, data[threadIdx.x], 1);
}

TEST(emulation_shows_a_missing_barrier) {
  const Turned turned;
  int wrong = 0, wrongWithBarrier = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    emulation::options.seed = seed;
    int data[64];
    const auto isWrong = [&] {
      for (int i = 0; i < 64; ++i) {
        if (data[i] != (i + 1) % 64) return 1;
      }
      return 0;
    };
    CHECK_EQ(launchAndWait(passOn<true>, 64, data), cudaSuccess);
    wrongWithBarrier += isWrong();
    CHECK_EQ(launchAndWait(passOn<false>, 64, data), cudaSuccess);
    wrong += isWrong();
  }
  CHECK_EQ(wrongWithBarrier, 0);
  CHECK(wrong >= 1);
}

TEST(emulation_reports_divergence) {
  const Turned turned;
  const struct {
    void (*kernel)(int*);
    const char* problem;
  } broken[] = {
      {divergentBarrier, "threads of the block wait at different barriers"},
      {barrierWithoutSome, "a thread of the block ended before the barrier"},
      {shuffleWithoutSome, "a lane of the warp does not come to the shuffle"},
      {shuffleOutsideItsMask, "lanes of a warp meet at different places"},
  };
  for (const auto& [kernel, problem] : broken) {
    int data[64] = {};
    CHECK_EQ(launchAndWait(kernel, 64, data), cudaErrorLaunchFailure);
    CHECK(std::string(emulation::lastProblem()).find(problem) == 0);
    emulation::clearProblem();
    CHECK_EQ(launchAndWait(passOn<true>, 64, data), cudaSuccess);
    CHECK_EQ(data[0], 1);
  }
}

// Every barrier in the kernels is there for something: without it some order of the threads gives a
// wrong result, or does not end well.
TEST(cuda_needs_each_of_its_barriers) {
  const Turned turned;
  cuda::tuning.pairs = 1;
  cuda::tuning.warps = 2;
  std::vector<Case> cases;
  cases.push_back(randomCase(150, 1, 40, 110, 3));  // several tiles, two passes
  cases.push_back(randomCase(60, 2, 600, 20, 4));   // rows of a block each
  cases.push_back(randomCase(60, 1, 6, 10, 4));
  for (int i = 0; i < 2; ++i) {
    Case logProbs = cases[static_cast<size_t>(i)];
    logProbs.kind = Input::logProbs;
    cases.push_back(logProbs);
  }
  std::vector<Answer> expected;
  expected.reserve(cases.size());
  for (const Case& c : cases) expected.push_back(findOnDevice(Call::loss, c));
  const Answer path = findOnDevice(Call::align, cases[0]);
  cuda::tuning.blockFrames = 9;
  CHECK(identical(findOnDevice(Call::align, cases[0]), path));
  int inKernels = 0;
  const int count = emulation::barrierCount();
  for (int i = 0; i < count; ++i) {
    const emulation::Place place = emulation::barrierAt(i);
    if (std::string(place.file).find(".cuh") == std::string::npos) continue;
    ++inKernels;
    emulation::options.skipFile = place.file;
    emulation::options.skipLine = place.line;
    bool noticed = false;
    for (uint64_t seed = 1; seed <= 40 && !noticed; ++seed) {
      emulation::options.seed = seed;
      cuda::tuning.blockFrames = seed % 2 == 0 ? 0 : 9;
      for (size_t k = 0; k < cases.size() && !noticed; ++k) {
        noticed = !identical(findOnDevice(Call::loss, cases[k]), expected[k]);
        emulation::clearProblem();
      }
      noticed = noticed || !identical(findOnDevice(Call::align, cases[0]), path);
      emulation::clearProblem();
    }
    emulation::options.skipFile = nullptr;
    if (!noticed) {
      fail(place.file, place.line, "nothing goes wrong without this barrier");
    }
  }
  CHECK_EQ(inKernels, 8);
}

}  // namespace
}  // namespace ctc::test
