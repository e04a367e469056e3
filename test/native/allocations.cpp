#include "allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

// As large as it gets: never reached.
constexpr int64_t never = INT64_MAX;

std::atomic<int64_t> untilFailure{never};
std::atomic<bool> failed{false};
std::atomic<int64_t> live{0};

}  // namespace

namespace ctc::test {

void failAllocation(int64_t n) {
  failed = false;
  untilFailure = n < 0 ? never : n;
}

bool allocationFailed() { return failed; }

int64_t liveAllocations() { return live; }

}  // namespace ctc::test

// The library's other forms call these, but under valgrind its own stand in for the library's.
void* operator new(size_t bytes) {
  if (untilFailure.fetch_sub(1) == 0) {
    failed = true;
    throw std::bad_alloc();
  }
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  ++live;
  return memory;
}

void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  --live;
  std::free(memory);
}

void operator delete(void* memory, size_t) noexcept { operator delete(memory); }

void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return operator new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void* operator new[](size_t bytes) { return operator new(bytes); }

void* operator new[](size_t bytes, const std::nothrow_t&) noexcept {
  return operator new(bytes, std::nothrow);
}

void operator delete[](void* memory) noexcept { operator delete(memory); }

void operator delete[](void* memory, size_t) noexcept { operator delete(memory); }
