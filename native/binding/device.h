// Devices beside the CPU, and memory on them.
#pragma once

#include <node_api.h>

#include <memory>

#include "binding/arguments.h"
#include "binding/plan.h"
#include "ctc/backend.h"

namespace ctc {

// Memory on a device, shared by its JavaScript handle and the jobs that use it.
class DeviceMemory {
 public:
  DeviceMemory(int32_t device, int64_t bytes, void* memory)
      : device_(device), bytes_(bytes), memory_(memory) {}
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() { openedBackend()->release(device_, memory_); }

  int32_t device() const { return device_; }
  int64_t bytes() const { return bytes_; }
  void* memory() const { return memory_; }

 private:
  int32_t device_;
  int64_t bytes_;
  void* memory_;
};

// The memory behind a handle of allocateDevice(); null for anything else.
std::shared_ptr<DeviceMemory> deviceMemoryOf(napi_env env, napi_value value);

// A typed array, undefined, or such a handle, whose span has its size and no address.
bool readMemory(napi_env env, napi_value value, Span* span, std::shared_ptr<DeviceMemory>* memory);

// Adds to the exports:
//
// openBackend(path): undefined, or why there is none. The first call decides for the process.
// backendDevices(): why there are no devices, or for each [name, reason, bytes, capability].
// backendErrorText(code): what a Code from deviceFailure on means.
// allocateDevice(device, bytes): a handle, or a Code.
// releaseDevice(handle): lets go of the memory; jobs that use it keep it until they end.
// uploadSync(handle, array), downloadSync(handle, array): a Code. The array's bytes go to or come
//   from the start of the memory.
// upload(handle, array), download(handle, array): promises of it. The array must stay as it is.
// allocatePinned(bytes): an ArrayBuffer, or a Code.
void registerDevice(napi_env env, napi_value exports);

}  // namespace ctc
