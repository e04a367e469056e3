// Memory, streams, events and launches of the emulated runtime.
#if !defined(_WIN32)
#include "cuda/emulation/runtime.h"

#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "cuda/emulation/fibers.h"

struct EmulatedStream {
  std::deque<std::function<void()>> work;
  uint64_t queued = 0;
  uint64_t done = 0;
};
struct EmulatedEvent {
  EmulatedStream* stream = nullptr;
  uint64_t place = 0;
};

namespace ctc {
namespace emulation {

Options options;

namespace {

// Everything that host threads share.
struct Machine {
  std::mutex mutex;
  std::map<const void*, size_t> device, pinned, registered;
  int64_t deviceBytes = 0, pinnedBytes = 0;
  std::vector<Place> barriers;
  std::string problem;
  cudaError_t broken = cudaSuccess;  // a failed kernel breaks everything until a reset
};

// Never destroyed: threads may outlive main().
Machine& machine() {
  static auto* const the = new Machine;
  return *the;
}

std::unique_lock<std::mutex> locked() { return std::unique_lock<std::mutex>(machine().mutex); }

// The error that a call of this name is to give.
cudaError_t faultOf(const char* call) {
  const auto lock = locked();
  if (machine().broken != cudaSuccess) return machine().broken;
  if (options.failingCall == nullptr || std::strcmp(options.failingCall, call) != 0) {
    return cudaSuccess;
  }
  return --options.failingCount == 0 ? options.failure : cudaSuccess;
}

cudaError_t allocate(void** memory, size_t bytes, std::map<const void*, size_t>* owned,
                     int64_t* total, int64_t most) {
  const auto lock = locked();
  *memory = nullptr;
  if (*total + static_cast<int64_t>(bytes) > most) return cudaErrorMemoryAllocation;
  void* const block = std::malloc(bytes > 0 ? bytes : 1);
  if (block == nullptr) return cudaErrorMemoryAllocation;
  std::memset(block, 0xFF, bytes);
  (*owned)[block] = bytes;
  *total += static_cast<int64_t>(bytes);
  *memory = block;
  return cudaSuccess;
}

cudaError_t release(void* memory, std::map<const void*, size_t>* owned, int64_t* total) {
  if (memory == nullptr) return cudaSuccess;
  const auto lock = locked();
  const auto found = owned->find(memory);
  if (found == owned->end()) return cudaErrorInvalidValue;
  *total -= static_cast<int64_t>(found->second);
  owned->erase(found);
  std::free(memory);
  return cudaSuccess;
}

// Whether [pointer, pointer + bytes) lies in one allocation.
bool inside(const std::map<const void*, size_t>& owned, const void* pointer, size_t bytes) {
  auto next = owned.upper_bound(pointer);
  if (next == owned.begin()) return false;
  --next;
  const auto offset = static_cast<size_t>(static_cast<const char*>(pointer) -
                                          static_cast<const char*>(next->first));
  return offset + bytes <= next->second;
}

void breakDevice(cudaError_t error, const std::string& why) {
  const auto lock = locked();
  machine().broken = error;
  machine().problem = why;
}

void runKernel(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
  uint64_t random = options.seed * 0x9E3779B97F4A7C15ULL + 1;
  std::vector<unsigned> order(static_cast<size_t>(config.gridDim.x) * config.gridDim.y);
  std::iota(order.begin(), order.end(), 0U);
  for (size_t i = order.size(); i > 1; --i) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    std::swap(order[i - 1], order[(random >> 8) % i]);
  }
  gridDim = config.gridDim;
  blockDim = config.blockDim;
  for (const unsigned block : order) {
    blockIdx = dim3(block % config.gridDim.x, block / config.gridDim.x);
    std::string problem;
    if (!runBlock(config.blockDim.x, thread, &random, &problem)) {
      breakDevice(cudaErrorLaunchFailure, problem);
      return;
    }
  }
}

void enqueue(EmulatedStream* stream, std::function<void()> work) {
  stream->work.push_back(std::move(work));
  ++stream->queued;
}

void runUntil(EmulatedStream* stream, uint64_t place) {
  while (stream->done < place) {
    const std::function<void()> work = std::move(stream->work.front());
    stream->work.pop_front();
    ++stream->done;
    if (machine().broken == cudaSuccess) work();
  }
}

}  // namespace

const char* lastProblem() { return machine().problem.c_str(); }
void clearProblem() {
  machine().problem.clear();
  machine().broken = cudaSuccess;
}
int barrierCount() { return static_cast<int>(machine().barriers.size()); }
Place barrierAt(int i) { return machine().barriers[static_cast<size_t>(i)]; }
int64_t deviceBytes() { return machine().deviceBytes; }
int64_t pinnedBytes() {
  int64_t total = machine().pinnedBytes;
  for (const auto& block : machine().registered) total += static_cast<int64_t>(block.second);
  return total;
}

// Notes a barrier that was not met before.
static void note(Place place) {
  const auto lock = locked();
  for (const Place& known : machine().barriers) {
    if (known.line == place.line && std::strcmp(known.file, place.file) == 0) return;
  }
  machine().barriers.push_back(place);
}

void blockBarrier(const char* file, int line) {
  static thread_local Place last{nullptr, 0};
  if (last.file != file || last.line != line) note(last = {file, line});
  const bool skipped = options.skipFile != nullptr && options.skipLine == line &&
                       std::strcmp(options.skipFile, file) == 0;
  if (!skipped) waitAtBarrier({file, line});
}

cudaError_t enqueueLaunch(const cudaLaunchConfig_t& config, std::function<void()> thread) {
  if (const cudaError_t fault = faultOf("cudaLaunchKernelEx")) return fault;
  const dim3 grid = config.gridDim, block = config.blockDim;
  if (grid.x == 0 || grid.x > 0x7fffffffU || grid.y == 0 || grid.y > 65535 || grid.z != 1 ||
      block.x == 0 || block.x > 1024 || block.y != 1 || block.z != 1) {
    return cudaErrorInvalidConfiguration;
  }
  enqueue(config.stream, [config, thread = std::move(thread)] {
    if (const cudaError_t fault = faultOf("kernel")) {
      breakDevice(fault, "as the test wanted");
    } else {
      runKernel(config, thread);
    }
  });
  return cudaSuccess;
}

}  // namespace emulation
}  // namespace ctc

using namespace ctc::emulation;

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (const cudaError_t fault = faultOf("cudaGetDeviceCount")) return fault;
  if (options.devices < 1) return cudaErrorNoDevice;
  *count = options.devices;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= options.devices) return cudaErrorInvalidDevice;
  *properties = {};
  std::strcpy(properties->name, "emulated on the host");
  properties->totalGlobalMem = static_cast<size_t>(options.memoryBytes);
  properties->major = options.major;
  properties->minor = options.minor;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (const cudaError_t fault = faultOf("cudaSetDevice")) return fault;
  return device >= 0 && device < options.devices ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaDeviceReset() {
  const auto lock = locked();
  Machine& the = machine();
  for (const auto& block : the.device) std::free(const_cast<void*>(block.first));
  for (const auto& block : the.pinned) std::free(const_cast<void*>(block.first));
  the.device.clear();
  the.pinned.clear();
  the.registered.clear();
  the.deviceBytes = the.pinnedBytes = 0;
  the.broken = cudaSuccess;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  if (const cudaError_t fault = faultOf("cudaMemGetInfo")) return fault;
  const auto lock = locked();
  *total = static_cast<size_t>(options.memoryBytes);
  *free = static_cast<size_t>(max<int64_t>(0, options.memoryBytes - machine().deviceBytes));
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (const cudaError_t fault = faultOf("cudaMalloc")) return fault;
  Machine& the = machine();
  return allocate(memory, bytes, &the.device, &the.deviceBytes, options.memoryBytes);
}

cudaError_t cudaFree(void* memory) {
  return release(memory, &machine().device, &machine().deviceBytes);
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  if (const cudaError_t fault = faultOf("cudaMallocHost")) return fault;
  Machine& the = machine();
  return allocate(memory, bytes, &the.pinned, &the.pinnedBytes, INT64_MAX / 2);
}

cudaError_t cudaFreeHost(void* memory) {
  return release(memory, &machine().pinned, &machine().pinnedBytes);
}

cudaError_t cudaHostRegister(void* memory, size_t bytes, unsigned) {
  if (const cudaError_t fault = faultOf("cudaHostRegister")) return fault;
  const auto lock = locked();
  machine().registered[memory] = bytes;
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void* memory) {
  const auto lock = locked();
  return machine().registered.erase(memory) == 1 ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const auto lock = locked();
  attributes->type =
      inside(machine().device, pointer, 1) ? cudaMemoryTypeDevice
      : inside(machine().pinned, pointer, 1) || inside(machine().registered, pointer, 1)
          ? cudaMemoryTypeHost
          : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  if (const cudaError_t fault = faultOf("cudaStreamCreateWithFlags")) return fault;
  *stream = new EmulatedStream;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  runUntil(stream, stream->queued);
  return faultOf("cudaStreamSynchronize");
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = nullptr;
  if (const cudaError_t fault = faultOf("cudaEventCreateWithFlags")) return fault;
  *event = new EmulatedEvent;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t fault = faultOf("cudaEventRecord")) return fault;
  *event = {stream, stream->queued};
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->stream != nullptr) runUntil(event->stream, event->place);
  return faultOf("cudaEventSynchronize");
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t toPitch, const void* from, size_t fromPitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  if (const cudaError_t fault = faultOf("cudaMemcpyAsync")) return fault;
  const bool up = kind == cudaMemcpyHostToDevice;
  const size_t bytes = height == 0 ? 0 : (height - 1) * (up ? toPitch : fromPitch) + width;
  if (width > toPitch || width > fromPitch) return cudaErrorInvalidValue;
  {
    const auto lock = locked();
    if (bytes > 0 && !inside(machine().device, up ? to : from, bytes)) return cudaErrorInvalidValue;
  }
  enqueue(stream, [=] {
    for (size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<char*>(to) + row * toPitch,
                  static_cast<const char*>(from) + row * fromPitch, width);
    }
  });
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return "an error";
  }
}
#endif
