// Failures of the device come out as codes, leak nothing, and leave the next call working; callers
// in several threads don't disturb each other.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "cuda/emulation/runtime.h"
#include "cuda_call.h"

namespace ctc::test {
namespace {

constexpr Call functions[] = {Call::loss, Call::greedy, Call::align, Call::recursions};

// Lets the nth of the calls of a function of the runtime fail with an error. Whether it came to
// that.
bool failsOnce(Call call, const Case& c, Where where, const char* name, int nth, cudaError_t error,
               const Answer& expected) {
  emulated().trim();
  emulation::options.failingCall = name;
  emulation::options.failingCount = nth;
  emulation::options.failure = error;
  const Answer answer = findOnDevice(call, c, where);
  const bool came = emulation::options.failingCount <= 0;
  emulation::options.failingCall = nullptr;
  const bool lacksMemory = error == cudaErrorMemoryAllocation;
  if (answer.result == 0) {
    // A lack of memory may be got over by smaller parts; a failure never goes unnoticed.
    CHECK(!came || lacksMemory || std::string(name) == "cudaStreamSynchronize" ||
          std::string(name) == "cudaSetDevice");
    CHECK(identical(answer, expected));
  } else {
    CHECK_EQ(answer.result, lacksMemory ? static_cast<int32_t>(Result::outOfMemory)
                                        : deviceFailure + static_cast<int32_t>(error));
  }
  if (!identical(findOnDevice(call, c), expected)) {
    fail(__FILE__, __LINE__,
         std::string("the next call of ") + nameOf(call) + " fails after " + name);
  }
  return answer.result != 0;
}

TEST(cuda_survives_the_failure_of_any_call) {
  const Turned turned;
  const Case c = randomCase(20, 3, 7, 5, 2);
  emulated().trim();
  const int64_t before = emulation::deviceBytes() + emulation::pinnedBytes();
  for (const char* name :
       {"cudaMalloc", "cudaMallocHost", "cudaHostRegister", "cudaStreamCreateWithFlags",
        "cudaEventCreateWithFlags", "cudaEventRecord", "cudaEventSynchronize", "cudaMemcpyAsync",
        "cudaStreamSynchronize", "cudaLaunchKernelEx", "kernel", "cudaSetDevice"}) {
    for (const Call call : functions) {
      const Answer expected = findOnDevice(call, c);
      int failed = 0;
      for (const int nth : {1, 2, 4}) {
        for (const Where where : {Where::host, Where::device, Where::pinned}) {
          failed += failsOnce(call, c, where, name, nth, cudaErrorLaunchFailure, expected);
          if (std::string(name) == "kernel") continue;
          failed += failsOnce(call, c, where, name, nth, cudaErrorMemoryAllocation, expected);
        }
      }
      if (failed == 0) fail(__FILE__, __LINE__, std::string(name) + " never failed");
    }
  }
  emulated().trim();
  CHECK_EQ(emulation::deviceBytes() + emulation::pinnedBytes(), before);
}

TEST(cuda_works_in_smaller_parts_where_memory_is_short) {
  const Turned turned;
  const Case c = randomCase(300, 6, 50, 60, 6);
  for (const Call call : functions) {
    emulation::options.memoryBytes = int64_t{1} << 28;
    const Answer expected = findOnDevice(call, c);
    bool ran = false, refused = false;
    for (int64_t bytes = int64_t{1} << 24; bytes >= 1024; bytes /= 2) {
      emulated().trim();
      emulation::options.memoryBytes = bytes;
      const Answer answer = findOnDevice(call, c);
      ran = ran || answer.result == 0;
      refused = refused || answer.result != 0;
      if (answer.result == 0) {
        CHECK(!refused);
        CHECK(identical(answer, expected));
      } else {
        CHECK_EQ(answer.result, static_cast<int32_t>(Result::outOfMemory));
      }
    }
    CHECK(ran && refused);
    emulated().trim();
  }
}

TEST(cuda_forgets_memory_of_a_device_that_was_reset) {
  const Turned turned;
  const Case c = randomCase(10, 1, 4, 3, 2);
  void* memory = nullptr;
  CHECK_EQ(emulated().allocate(0, 64, &memory), 0);
  emulation::options.failingCall = "kernel";
  emulation::options.failingCount = 1;
  CHECK_EQ(findOnDevice(Call::loss, c).result,
           deviceFailure + static_cast<int32_t>(cudaErrorLaunchFailure));
  emulation::options.failingCall = nullptr;
  char host[64] = {};
  CHECK_EQ(emulated().upload(0, memory, host, 64),
           deviceFailure + static_cast<int32_t>(cudaErrorContextIsDestroyed));
  CHECK_EQ(emulated().release(0, memory), 0);
  CHECK_EQ(findOnDevice(Call::loss, c).result, 0);
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
  const Answer expected = findOnDevice(Call::loss, c);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 10; ++k) {
        const Where where = (i + k) % 2 == 0 ? Where::host : Where::device;
        if (!identical(findOnDevice(Call::loss, c, where), expected)) ++wrong;
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
  const Answer expected = findOnDevice(Call::loss, c);
  std::atomic<int> wrong{0};
  std::thread worker([&] {
    for (int i = 0; i < 20; ++i) wrong += identical(findOnDevice(Call::loss, c), expected) ? 0 : 1;
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
