// The C ABI of ctc/backend.h. Nothing throws past here.
#include "ctc/backend.h"

#include <cstdio>
#include <cstring>
#include <new>

#include "cuda/align.h"
#include "cuda/greedy.h"
#include "cuda/loss.h"
#include "cuda/posteriors.h"
#include "cuda/session.h"

namespace ctc {
namespace cuda {
namespace {

// The architectures that this library has code for, as 750 for 7.5; the newest also as PTX, which
// newer cards compile.
#if defined(__CUDA_ARCH_LIST__)
constexpr int codeFor[] = {__CUDA_ARCH_LIST__};
#else
constexpr int codeFor[] = {750, 800, 900};
#endif

// Code runs on its own architecture and on later ones of the same generation.
bool hasCodeFor(int major, int minor) {
  int newest = 0;
  for (const int built : codeFor) {
    if (built / 100 == major && built % 100 / 10 <= minor) return true;
    newest = built > newest ? built : newest;
  }
  return major * 100 + minor * 10 >= newest;
}

int32_t resultOf(int32_t device, cudaError_t error) {
  cudaGetLastError();
  if (error == cudaErrorMemoryAllocation) return static_cast<int32_t>(Result::outOfMemory);
  if (breaksDevice(error)) lost(device, error);
  return deviceFailure + static_cast<int32_t>(error);
}

template <class Body>
int32_t guarded(int32_t device, Body body) {
  try {
    body();
    return static_cast<int32_t>(Result::ok);
  } catch (const Failure& failure) {
    return resultOf(device, failure.error);
  } catch (const Cancelled&) {
    return static_cast<int32_t>(Result::cancelled);
  } catch (const std::bad_alloc&) {
    return static_cast<int32_t>(Result::outOfMemory);
  }
}

int32_t deviceCount(char* reason, int32_t reasonBytes) {
  const auto size = static_cast<size_t>(reasonBytes);
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    cudaGetLastError();
    std::snprintf(reason, size, "no NVIDIA driver is installed");
    return 0;
  }
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (error == cudaErrorInsufficientDriver) {
    std::snprintf(reason, size, "the NVIDIA driver is too old: it knows CUDA %d.%d at most",
                  driver / 1000, driver % 1000 / 10);
    return 0;
  }
  if (error != cudaSuccess || count < 1) {
    std::snprintf(reason, size, "no NVIDIA GPU: %s",
                  cudaGetErrorString(error == cudaSuccess ? cudaErrorNoDevice : error));
    return 0;
  }
  return count;
}

void describe(int32_t device, BackendDevice* description) {
  *description = {};
  cudaDeviceProp properties;
  const cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error != cudaSuccess) {
    cudaGetLastError();
    std::snprintf(description->reason, sizeof description->reason, "%s", cudaGetErrorString(error));
    return;
  }
  std::snprintf(description->name, sizeof description->name, "%.127s", properties.name);
  description->memoryBytes = static_cast<int64_t>(properties.totalGlobalMem);
  description->major = properties.major;
  description->minor = properties.minor;
  if (hasCodeFor(properties.major, properties.minor)) return;
  size_t length = static_cast<size_t>(
      std::snprintf(description->reason, sizeof description->reason,
                    "its compute capability is %d.%d; this library is built for", properties.major,
                    properties.minor));
  const char* before = " ";
  for (const int built : codeFor) {
    if (length >= sizeof description->reason) return;
    length += static_cast<size_t>(std::snprintf(description->reason + length,
                                                sizeof description->reason - length, "%s%d.%d",
                                                before, built / 100, built % 100 / 10));
    before = ", ";
  }
}

int32_t loss(int32_t device, const LossProblem* problem, Placement placement) {
  return guarded(device, [&] { computeLoss(device, *problem, placement); });
}

int32_t greedy(int32_t device, const DeviceGreedy* problem, Placement placement) {
  return guarded(device, [&] { decodeGreedily(device, *problem, placement); });
}

int32_t alignPaths(int32_t device, const AlignProblem* problem, Placement placement) {
  return guarded(device, [&] { computeAlignment(device, *problem, placement); });
}

int32_t latticePosteriors(int32_t device, const PosteriorProblem* problem, Placement placement) {
  return guarded(device, [&] { computePosteriors(device, *problem, placement); });
}

int64_t workspaceBytes(int32_t, const LossProblem* problem, Placement placement) {
  try {
    return estimateWorkspace(*problem, placement);
  } catch (const std::bad_alloc&) {
    return -1;
  }
}

int32_t allocate(int32_t device, int64_t bytes, void** memory) {
  *memory = nullptr;
  const auto attempt = [&] {
    return guarded(device, [&] { *memory = allocateMemory(device, bytes); });
  };
  const int32_t first = attempt();
  if (first != static_cast<int32_t>(Result::outOfMemory)) return first;
  trimSessions();
  return attempt();
}

int32_t release(int32_t device, void* memory) {
  return guarded(device, [&] { releaseMemory(static_cast<DeviceMemory*>(memory)); });
}

// Through pinned staging in pieces, by turns of two buffers: one is copied while the other moves.
constexpr int64_t pieceBytes = int64_t{4} << 20;

int32_t upload(int32_t device, void* to, const void* from, int64_t bytes) {
  return guarded(device, [&] {
    Lease lease(device);
    char* const target = static_cast<char*>(addressOf(static_cast<DeviceMemory*>(to), device));
    const char* const source = static_cast<const char*>(from);
    for (int64_t at = 0, turn = 0; at < bytes; at += pieceBytes, ++turn) {
      Pipe& pipe = lease->pipes[turn % 2];
      const int64_t piece = bytes - at < pieceBytes ? bytes - at : pieceBytes;
      if (turn > 1) check(cudaEventSynchronize(pipe.done));
      char* const staging = pipe.inputStaging.reserve(piece);
      std::memcpy(staging, source + at, static_cast<size_t>(piece));
      check(cudaMemcpyAsync(target + at, staging, static_cast<size_t>(piece),
                            cudaMemcpyHostToDevice, pipe.stream));
      check(cudaEventRecord(pipe.done, pipe.stream));
    }
    for (Pipe& pipe : lease->pipes) check(cudaStreamSynchronize(pipe.stream));
  });
}

int32_t download(int32_t device, void* to, const void* from, int64_t bytes) {
  return guarded(device, [&] {
    Lease lease(device);
    const char* const source =
        static_cast<const char*>(addressOf(static_cast<const DeviceMemory*>(from), device));
    char* const target = static_cast<char*>(to);
    int64_t left[2] = {0, 0};
    const auto finish = [&](int64_t turn, int64_t at) {
      Pipe& pipe = lease->pipes[turn % 2];
      if (left[turn % 2] == 0) return;
      check(cudaEventSynchronize(pipe.done));
      std::memcpy(target + at, pipe.gradientStaging.data(), static_cast<size_t>(left[turn % 2]));
      left[turn % 2] = 0;
    };
    int64_t turn = 0;
    for (int64_t at = 0; at < bytes; at += pieceBytes, ++turn) {
      finish(turn, at - 2 * pieceBytes);
      Pipe& pipe = lease->pipes[turn % 2];
      const int64_t piece = bytes - at < pieceBytes ? bytes - at : pieceBytes;
      check(cudaMemcpyAsync(pipe.gradientStaging.reserve(piece), source + at,
                            static_cast<size_t>(piece), cudaMemcpyDeviceToHost, pipe.stream));
      check(cudaEventRecord(pipe.done, pipe.stream));
      left[turn % 2] = piece;
    }
    finish(turn, (turn - 2) * pieceBytes);
    finish(turn + 1, (turn - 1) * pieceBytes);
  });
}

// Whole pages, of any machine: no two registrations have one in common.
constexpr std::align_val_t pinnedAlignment{size_t{64} << 10};

// Ordinary memory, registered: it outlives a reset of the device.
int32_t allocatePinned(int64_t bytes, void** memory) {
  *memory = nullptr;
  const auto page = static_cast<size_t>(pinnedAlignment);
  const size_t size = (static_cast<size_t>(bytes > 0 ? bytes : 1) + page - 1) / page * page;
  void* const block = ::operator new(size, pinnedAlignment, std::nothrow);
  if (block == nullptr) return static_cast<int32_t>(Result::outOfMemory);
  const cudaError_t error = cudaHostRegister(block, size, cudaHostRegisterPortable);
  if (error != cudaSuccess) {
    ::operator delete(block, pinnedAlignment);
    cudaGetLastError();
    return error == cudaErrorMemoryAllocation ? static_cast<int32_t>(Result::outOfMemory)
                                              : deviceFailure + static_cast<int32_t>(error);
  }
  *memory = block;
  return static_cast<int32_t>(Result::ok);
}

int32_t releasePinned(void* memory) {
  cudaHostUnregister(memory);
  cudaGetLastError();
  ::operator delete(memory, pinnedAlignment);
  return static_cast<int32_t>(Result::ok);
}

void errorText(int32_t code, char* text, int32_t textBytes) {
  const auto error = static_cast<cudaError_t>(code - deviceFailure);
  std::snprintf(text, static_cast<size_t>(textBytes), "%s", cudaGetErrorString(error));
}

#if defined(CTC_EMULATED)
constexpr const char* backendName = "emulated";
#else
constexpr const char* backendName = "cuda";
#endif

constexpr Backend theBackend = {
    backendAbi, backendStructBytes, backendName,       deviceCount,    describe,     loss,
    greedy,     alignPaths,         latticePosteriors, workspaceBytes, allocate,     release,
    upload,     download,           allocatePinned,    releasePinned,  trimSessions, errorText,
};

}  // namespace
}  // namespace cuda
}  // namespace ctc

#if defined(_WIN32)
#define CTC_EXPORT __declspec(dllexport)
#else
#define CTC_EXPORT __attribute__((visibility("default")))
#endif

extern "C" CTC_EXPORT const ctc::Backend* ctc_backend(int32_t abi) {
  return abi == ctc::backendAbi ? &ctc::cuda::theBackend : nullptr;
}
