// The emulator itself: that it catches what it is there to catch, and that failures of the device
// come out as codes, leak nothing, and leave the next call working.
#include "cuda/emulation/runtime.h"

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "cuda/plan.h"
#include "cuda_path_case.h"

namespace ctc::test {
namespace {

struct Turned {
  ~Turned() {
    cuda::tuning = {};
    emulation::options = {};
    emulation::clearProblem();
    emulated().trim();
  }
};

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
  for (const Case& c : cases) expected.push_back(solveOnDevice(c));
  const Found path = findOnDevice(Call::align, cases[0]);
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
        noticed = !identical(solveOnDevice(cases[k]), expected[k]);
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

TEST(cuda_survives_the_failure_of_any_call) {
  const Turned turned;
  const Case c = randomCase(20, 3, 7, 5, 2);
  const Answer expected = solveOnDevice(c);
  emulated().trim();
  const int64_t before = emulation::deviceBytes() + emulation::pinnedBytes();
  for (const char* call :
       {"cudaMalloc", "cudaMallocHost", "cudaHostRegister", "cudaStreamCreateWithFlags",
        "cudaEventCreateWithFlags", "cudaEventRecord", "cudaEventSynchronize", "cudaMemcpyAsync",
        "cudaStreamSynchronize", "cudaLaunchKernelEx", "kernel", "cudaSetDevice"}) {
    int failed = 0;
    for (const int nth : {1, 2, 3, 5, 8}) {
      for (const Where where : {Where::host, Where::device, Where::pinned}) {
        for (const cudaError_t error : {cudaErrorLaunchFailure, cudaErrorMemoryAllocation}) {
          if (std::string(call) == "kernel" && error == cudaErrorMemoryAllocation) continue;
          emulated().trim();
          emulation::options.failingCall = call;
          emulation::options.failingCount = nth;
          emulation::options.failure = error;
          const Answer answer = solveOnDevice(c, where);
          const bool came = emulation::options.failingCount <= 0;
          emulation::options.failingCall = nullptr;
          failed += answer.result != 0;
          // A lack of memory may be got over by smaller parts; a failure never goes unnoticed.
          if (answer.result == 0) {
            CHECK(!came || error == cudaErrorMemoryAllocation ||
                  std::string(call) == "cudaStreamSynchronize" ||
                  std::string(call) == "cudaSetDevice");
            CHECK(identical(answer, expected));
          } else {
            CHECK_EQ(answer.result, error == cudaErrorMemoryAllocation
                                        ? static_cast<int32_t>(Result::outOfMemory)
                                        : deviceFailure + static_cast<int32_t>(error));
          }
          if (!identical(solveOnDevice(c), expected)) {
            fail(__FILE__, __LINE__, std::string("the next call fails after ") + call);
          }
        }
      }
    }
    if (failed == 0) fail(__FILE__, __LINE__, std::string(call) + " never failed");
  }
  emulated().trim();
  CHECK_EQ(emulation::deviceBytes() + emulation::pinnedBytes(), before);
}

TEST(cuda_works_in_smaller_parts_where_memory_is_short) {
  const Turned turned;
  const Case c = randomCase(300, 12, 50, 60, 6);
  const Answer expected = solveOnDevice(c);
  emulated().trim();
  bool ran = false, refused = false;
  for (int64_t bytes = int64_t{1} << 25; bytes >= 1024; bytes /= 2) {
    emulation::options.memoryBytes = bytes;
    const Answer answer = solveOnDevice(c);
    if (answer.result == 0) {
      CHECK(!refused);
      CHECK(identical(answer, expected));
      ran = true;
    } else {
      CHECK_EQ(answer.result, static_cast<int32_t>(Result::outOfMemory));
      refused = true;
    }
    emulated().trim();
  }
  CHECK(ran && refused);
  emulation::options.memoryBytes = int64_t{1} << 31;
  CHECK(identical(solveOnDevice(c), expected));
}

TEST(cuda_forgets_memory_of_a_device_that_was_reset) {
  const Turned turned;
  const Case c = randomCase(10, 1, 4, 3, 2);
  void* memory = nullptr;
  CHECK_EQ(emulated().allocate(0, 64, &memory), 0);
  emulation::options.failingCall = "kernel";
  emulation::options.failingCount = 1;
  CHECK_EQ(solveOnDevice(c).result, deviceFailure + static_cast<int32_t>(cudaErrorLaunchFailure));
  emulation::options.failingCall = nullptr;
  char host[64] = {};
  CHECK_EQ(emulated().upload(0, memory, host, 64),
           deviceFailure + static_cast<int32_t>(cudaErrorContextIsDestroyed));
  CHECK_EQ(emulated().release(0, memory), 0);
  CHECK_EQ(solveOnDevice(c).result, 0);
}

TEST(cuda_copies_device_memory_in_pieces) {
  const Turned turned;
  for (const int64_t bytes : {0, 1, 4 << 20, (4 << 20) + 1, (12 << 20) - 1, 12 << 20}) {
    std::vector<char> from(static_cast<size_t>(bytes)), to(static_cast<size_t>(bytes));
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<char>(i * 31 + i / 4096);
    void* memory = nullptr;
    CHECK_EQ(emulated().allocate(0, bytes, &memory), 0);
    CHECK_EQ(emulated().upload(0, memory, from.data(), bytes), 0);
    CHECK_EQ(emulated().download(0, to.data(), memory, bytes), 0);
    CHECK(from == to);
    CHECK_EQ(emulated().release(0, memory), 0);
  }
}

TEST(cuda_serves_several_threads) {
  const Turned turned;
  const Case c = randomCase(40, 4, 9, 12, 31);
  const Answer expected = solveOnDevice(c);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 10; ++k) {
        const Where where = (i + k) % 2 == 0 ? Where::host : Where::device;
        if (!identical(solveOnDevice(c, where), expected)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(cuda_frees_what_is_released_while_others_work) {
  const Turned turned;
  emulated().trim();
  const int64_t before = emulation::deviceBytes();
  const Case c = randomCase(40, 2, 9, 12, 31);
  const Answer expected = solveOnDevice(c);
  std::atomic<int> wrong{0};
  std::thread worker([&] {
    for (int i = 0; i < 20; ++i) wrong += identical(solveOnDevice(c), expected) ? 0 : 1;
  });
  for (int i = 0; i < 200; ++i) {
    void* memory = nullptr;
    CHECK_EQ(emulated().allocate(0, 1 << 12, &memory), 0);
    CHECK_EQ(emulated().release(0, memory), 0);
  }
  worker.join();
  CHECK_EQ(wrong.load(), 0);
  emulated().trim();
  CHECK_EQ(emulation::deviceBytes(), before);
}

TEST(cuda_tells_why_a_device_is_unusable) {
  const Turned turned;
  char reason[256] = {};
  CHECK_EQ(emulated().deviceCount(reason, sizeof reason), 1);
  emulation::options.devices = 0;
  CHECK_EQ(emulated().deviceCount(reason, sizeof reason), 0);
  CHECK_EQ(std::string(reason), std::string("no NVIDIA GPU: no CUDA-capable device is detected"));
  emulation::options.devices = 1;
  emulation::options.failingCall = "cudaGetDeviceCount";
  emulation::options.failingCount = 1;
  emulation::options.failure = cudaErrorInsufficientDriver;
  CHECK_EQ(emulated().deviceCount(reason, sizeof reason), 0);
  CHECK_EQ(std::string(reason),
           std::string("the NVIDIA driver is too old: it knows CUDA 13.0 at most"));
  emulation::options.failingCall = nullptr;
  BackendDevice device;
  const auto reasonOf = [&](int major, int minor) {
    emulation::options.major = major;
    emulation::options.minor = minor;
    emulated().describe(0, &device);
    return std::string(device.reason);
  };
  const std::string built = "; this library is built for 7.5, 8.0, 9.0";
  CHECK_EQ(reasonOf(6, 1), "its compute capability is 6.1" + built);
  CHECK_EQ(reasonOf(7, 0), "its compute capability is 7.0" + built);
  // Later ones of a generation, and cards that are newer than the library.
  for (const auto& [major, minor] : {std::pair{7, 5}, {8, 0}, {8, 9}, {9, 0}, {12, 1}}) {
    CHECK_EQ(reasonOf(major, minor), std::string());
  }
}

}  // namespace
}  // namespace ctc::test
