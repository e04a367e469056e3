// Large pages for memory that is about to be written for the first time.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ctc {

// A fresh array of some hundred megabytes has no pages yet, and to get them one by one takes
// several times as long as to compute what they are filled with. Linux gives 2 MiB at a time where
// it is asked to ("madvise", the usual setting); advice that it cannot take changes nothing.
inline void adviseLargePages(void* data, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = uintptr_t{64} << 10;  // the largest small page of any processor
  constexpr size_t worthwhile = size_t{8} << 20;
  if (bytes < worthwhile) return;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) & ~(page - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) & ~(page - 1);
  static_cast<void>(madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE));
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
#endif
}

}  // namespace ctc
