#include "cuda/session.h"

#include <mutex>
#include <vector>

namespace ctc {
namespace cuda {
namespace {

constexpr int32_t mostDevices = 64;
// What an idle session may keep; more is freed at once.
constexpr int64_t keptBytes = int64_t{256} << 20;

struct Device {
  std::vector<std::unique_ptr<Session>> idle;
  // Memory of callers who let go of it while somebody was at work: cudaFree waits for all work of
  // the device, and must not keep a JavaScript thread waiting.
  std::vector<void*> released;
  int32_t busy = 0;
  uint64_t resets = 0;
  cudaError_t broken = cudaSuccess;
};

// Never destroyed: the driver may be gone before static destructors run.
struct Devices {
  std::mutex mutex;
  Device all[mostDevices];
};
Devices& devices() {
  static auto* const the = new Devices;
  return *the;
}

// With the lock held, the device being this thread's.
void freeReleased(Device& the) {
  for (void* const memory : the.released) cudaFree(memory);
  the.released.clear();
}

// With the lock held: makes the device this thread's. One that a failure has left unusable is reset
// first, once nobody is at work on it: everything that was allocated on it is gone then.
Device& entered(int32_t device) {
  if (device < 0 || device >= mostDevices) throw Failure{cudaErrorInvalidDevice};
  Device& the = devices().all[device];
  if (the.broken != cudaSuccess) {
    if (the.busy > 0) throw Failure{the.broken};
    cudaSetDevice(device);
    the.idle.clear();
    check(cudaDeviceReset());
    cudaGetLastError();
    the.released.clear();
    the.broken = cudaSuccess;
    ++the.resets;
  }
  check(cudaSetDevice(device));
  return the;
}

}  // namespace

char* Memory::reserve(int64_t bytes) {
  if (bytes <= bytes_) return data_;
  release();
  void* fresh = nullptr;
  const auto size = static_cast<size_t>(bytes);
  const cudaError_t error =
      kind_ == Kind::device ? cudaMalloc(&fresh, size) : cudaMallocHost(&fresh, size);
  if (error != cudaSuccess) {
    cudaGetLastError();
    throw Failure{error};
  }
  data_ = static_cast<char*>(fresh);
  bytes_ = bytes;
  return data_;
}

void Memory::release() {
  if (data_ != nullptr && kind_ == Kind::device) cudaFree(data_);
  if (data_ != nullptr && kind_ == Kind::pinned) cudaFreeHost(data_);
  data_ = nullptr;
  bytes_ = 0;
}

Pipe::Pipe() {
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  // Who waits sleeps instead of spinning: several jobs at once leave the cores to others.
  const cudaError_t error =
      cudaEventCreateWithFlags(&done, cudaEventDisableTiming | cudaEventBlockingSync);
  if (error != cudaSuccess) {
    cudaStreamDestroy(stream);
    throw Failure{error};
  }
}

Pipe::~Pipe() {
  cudaEventDestroy(done);
  cudaStreamDestroy(stream);
}

void Pipe::drain() {
  cudaStreamSynchronize(stream);
  cudaGetLastError();
}

void Pipe::bringBack(const void* from, int64_t bytes) {
  check(cudaMemcpyAsync(results.reserve(bytes), from, static_cast<size_t>(bytes),
                        cudaMemcpyDeviceToHost, stream));
  check(cudaEventRecord(done, stream));
}

char* Pipe::broughtBack() {
  check(cudaEventSynchronize(done));
  return results.data();
}

int64_t Session::bytes() const {
  int64_t total = 0;
  for (const Pipe& pipe : pipes) {
    total += pipe.input.bytes() + pipe.gradient.bytes() + pipe.workspace.bytes();
  }
  return total;
}

Lease::Lease(int32_t device) : device_(device) {
  const std::lock_guard<std::mutex> lock(devices().mutex);
  Device& the = entered(device);
  if (the.idle.empty()) {
    session_ = std::make_unique<Session>();
  } else {
    session_ = std::move(the.idle.back());
    the.idle.pop_back();
  }
  ++the.busy;
}

Lease::~Lease() {
  // After a failure something may still be on its way to memory that is about to go.
  for (Pipe& pipe : session_->pipes) pipe.drain();
  const std::lock_guard<std::mutex> lock(devices().mutex);
  Device& the = devices().all[device_];
  if (--the.busy == 0 && the.broken == cudaSuccess) freeReleased(the);
  if (the.broken == cudaSuccess && session_->bytes() <= keptBytes) {
    the.idle.push_back(std::move(session_));
  }
  session_.reset();
}

bool breaksDevice(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
    case cudaErrorInvalidValue:
    case cudaErrorMemoryAllocation:
    case cudaErrorInvalidConfiguration:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorContextIsDestroyed:
      return false;
    default:
      return true;
  }
}

void lost(int32_t device, cudaError_t error) {
  const std::lock_guard<std::mutex> lock(devices().mutex);
  devices().all[device].broken = error;
}

void trimSessions() {
  const std::lock_guard<std::mutex> lock(devices().mutex);
  for (int32_t i = 0; i < mostDevices; ++i) {
    Device& the = devices().all[i];
    if ((the.idle.empty() && the.released.empty()) || cudaSetDevice(i) != cudaSuccess) continue;
    the.idle.clear();
    if (the.broken == cudaSuccess) freeReleased(the);
  }
}

DeviceMemory* allocateMemory(int32_t device, int64_t bytes) {
  const std::lock_guard<std::mutex> lock(devices().mutex);
  Device& the = entered(device);
  auto memory = std::make_unique<DeviceMemory>(DeviceMemory{device, bytes, the.resets, nullptr});
  const cudaError_t error = cudaMalloc(&memory->data, static_cast<size_t>(bytes > 0 ? bytes : 1));
  if (error != cudaSuccess) {
    cudaGetLastError();
    throw Failure{error};
  }
  return memory.release();
}

void releaseMemory(DeviceMemory* memory) {
  const std::unique_ptr<DeviceMemory> owned(memory);
  const std::lock_guard<std::mutex> lock(devices().mutex);
  Device& the = devices().all[memory->device];
  if (the.resets != memory->resets) return;
  the.released.push_back(memory->data);
  if (the.busy > 0 || the.broken != cudaSuccess || cudaSetDevice(memory->device) != cudaSuccess) {
    return;
  }
  freeReleased(the);
}

void* addressOf(const DeviceMemory* memory, int32_t device) {
  if (memory->device != device) throw Failure{cudaErrorInvalidDevice};
  const std::lock_guard<std::mutex> lock(devices().mutex);
  if (devices().all[device].resets != memory->resets) throw Failure{cudaErrorContextIsDestroyed};
  return memory->data;
}

}  // namespace cuda
}  // namespace ctc
