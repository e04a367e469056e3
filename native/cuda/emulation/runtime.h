// The part of the CUDA runtime that this package uses, on the host, so that kernels and launches
// are tested on machines without a GPU. Included in place of cuda_runtime.h (CTC_EMULATED).
//
// A block's threads are fibers of one host thread. Each runs until it must wait, at a barrier or
// for its warp; who goes next is drawn by chance, so that a missing barrier shows as a wrong result
// in some order. A barrier that a thread does not reach, a shuffle that a lane is missing from, and
// threads that meet at different places are errors. Device memory starts as NaN. Streams do their
// work only when somebody waits for them: what is used too early is not there yet.
//
// Not emulated: speed, races between warps that run at the same instant, memory ordering, and
// registers. A GPU decides about those.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static thread_local

using std::max;
using std::min;

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's.

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3() = default;
  dim3(unsigned width, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth) {}
};

// Of the thread that is running.
extern thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

enum cudaError_t : int {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorIllegalAddress = 700,
  cudaErrorContextIsDestroyed = 709,
  cudaErrorLaunchFailure = 719,
};

enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };
enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeHost = 1,
  cudaMemoryTypeDevice = 2,
};
enum {
  cudaStreamNonBlocking = 1,
  cudaEventBlockingSync = 1,
  cudaEventDisableTiming = 2,
  cudaHostRegisterPortable = 1,
};

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor;
};
struct cudaPointerAttributes {
  cudaMemoryType type;
};

using cudaStream_t = struct EmulatedStream*;
using cudaEvent_t = struct EmulatedEvent*;

cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceReset();
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaHostRegister(void* memory, size_t bytes, unsigned flags);
cudaError_t cudaHostUnregister(void* memory);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemcpy2DAsync(void* to, size_t toPitch, const void* from, size_t fromPitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream);
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t error);

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  void* attrs = nullptr;
  unsigned numAttrs = 0;
};

// NOLINTEND(readability-identifier-naming)

namespace ctc {
namespace emulation {

// What tests can turn.
struct Options {
  uint64_t seed = 1;               // of the order in which threads and blocks run
  const char* skipFile = nullptr;  // a barrier that is left out: as if it were missing
  int skipLine = 0;
  const char* failingCall = nullptr;  // a runtime function, or "kernel"
  int failingCount = 0;               // its call that fails, from 1; only that one
  cudaError_t failure = cudaErrorLaunchFailure;
  int64_t memoryBytes = int64_t{1} << 28;
  int devices = 1;
  int major = 7, minor = 5;  // compute capability
};
extern Options options;

// What went wrong in the last kernel that failed; empty if none did.
const char* lastProblem();
void clearProblem();

// Barriers that threads have met since the start: their places in the source.
struct Place {
  const char* file;
  int line;
};
int barrierCount();
Place barrierAt(int i);

int64_t deviceBytes();  // in use
int64_t pinnedBytes();  // allocated or registered

cudaError_t enqueueLaunch(const cudaLaunchConfig_t& config, std::function<void()> thread);
void blockBarrier(const char* file, int line);
// Posts a value and returns that of lane `source` (itself where that is no lane of the warp).
uint64_t exchange(const char* file, int line, unsigned mask, uint64_t value, int source);
int laneOfThread();

template <class V>
V shuffle(const char* file, int line, unsigned mask, V value, int source) {
  static_assert(sizeof(V) <= sizeof(uint64_t), "one register pair at most");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(file, line, mask, bits, source);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace emulation
}  // namespace ctc

#define __syncthreads() ::ctc::emulation::blockBarrier(__FILE__, __LINE__)
#define __shfl_sync(mask, value, source) \
  ::ctc::emulation::shuffle(__FILE__, __LINE__, (mask), (value), (source))
#define __shfl_up_sync(mask, value, distance)                    \
  ::ctc::emulation::shuffle(__FILE__, __LINE__, (mask), (value), \
                            ::ctc::emulation::laneOfThread() - (distance))
#define __shfl_xor_sync(mask, value, distance)                   \
  ::ctc::emulation::shuffle(__FILE__, __LINE__, (mask), (value), \
                            ::ctc::emulation::laneOfThread() ^ (distance))

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments... arguments) {
  return ctc::emulation::enqueueLaunch(*config, [=] { kernel(arguments...); });
}
