// What a call takes from a device while it runs: streams, and memory that grows to what is asked
// and stays for the next call. A session is one caller's at a time; several run side by side.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "ctc/problem.h"
#include "cuda/runtime.h"

namespace ctc {
namespace cuda {

// Thrown inside the backend only; becomes a result code at its border.
struct Failure {
  cudaError_t error;
};
struct Cancelled {};

inline void throwIfCancelled(const Execution& execution) {
  const std::atomic<bool>* const flag = execution.cancelled;
  if (flag != nullptr && flag->load(std::memory_order_relaxed)) throw Cancelled{};
}

inline void check(cudaError_t error) {
  if (error != cudaSuccess) throw Failure{error};
}

// Memory that is kept between uses.
class Memory {
 public:
  enum class Kind { device, pinned };

  explicit Memory(Kind kind) : kind_(kind) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { release(); }

  // At least `bytes`, contents undefined. Nothing that was enqueued may still use the old ones.
  char* reserve(int64_t bytes);
  void release();
  char* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  Kind kind_;
  char* data_ = nullptr;
  int64_t bytes_ = 0;
};

// One chain of copies and kernels after another.
struct Pipe {
  Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe();

  // Waits for everything enqueued; ignores failures. For leaving early.
  void drain();

  // Enqueues the copy of a chunk's results to the host, its last work.
  void bringBack(const void* from, int64_t bytes);
  // Waits for it; where they are now.
  char* broughtBack();

  cudaStream_t stream = nullptr;
  cudaEvent_t done = nullptr;
  Memory input{Memory::Kind::device}, gradient{Memory::Kind::device};
  Memory workspace{Memory::Kind::device};
  Memory tables{Memory::Kind::pinned}, results{Memory::Kind::pinned};
  Memory inputStaging{Memory::Kind::pinned}, gradientStaging{Memory::Kind::pinned};
};

struct Session {
  Pipe pipes[2];
  int64_t bytes() const;  // of the device
};

// A session for as long as the lease lives. Throws Failure. After a failure that leaves the device
// unusable, say so by lost(): the next to use it, when nobody does any more, resets it first.
class Lease {
 public:
  explicit Lease(int32_t device);
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

  Session& operator*() { return *session_; }
  Session* operator->() { return session_.get(); }

 private:
  int32_t device_;
  std::unique_ptr<Session> session_;
};

// Whether a kernel's failure has left the device's context unusable.
bool breaksDevice(cudaError_t error);
void lost(int32_t device, cudaError_t error);

// Frees the memory of all sessions that nobody uses.
void trimSessions();

// Memory of a caller, on a device. It dies with a reset of the device; its owner does not.
struct DeviceMemory {
  int32_t device;
  int64_t bytes;
  uint64_t resets;  // of the device, when it was allocated
  void* data;
};
DeviceMemory* allocateMemory(int32_t device, int64_t bytes);
void releaseMemory(DeviceMemory* memory);
// Throws Failure (cudaErrorContextIsDestroyed) when the device was reset since. Under a lease only.
void* addressOf(const DeviceMemory* memory, int32_t device);

}  // namespace cuda
}  // namespace ctc
