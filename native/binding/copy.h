// A private copy of an input that JavaScript may write to meanwhile.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "core/pages.h"
#include "core/pool.h"

namespace ctc {

// Null when there is no memory for it. The JavaScript thread waits for this, so that a large one is
// shared by `threads`: most of the time goes to new pages.
inline std::unique_ptr<char[]> copyOf(const void* data, size_t bytes, int threads) {
  std::unique_ptr<char[]> copy(new (std::nothrow) char[bytes]);
  if (copy == nullptr) return copy;
  adviseLargePages(copy.get(), bytes);
  constexpr size_t part = size_t{4} << 20;
  parallelFor(threads, static_cast<int64_t>((bytes + part - 1) / part), [&](int64_t i, int) {
    const size_t begin = static_cast<size_t>(i) * part;
    std::memcpy(copy.get() + begin, static_cast<const char*>(data) + begin,
                std::min(part, bytes - begin));
  });
  return copy;
}

}  // namespace ctc
