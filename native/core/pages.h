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
  constexpr size_t page = size_t{64} << 10;  // the largest small page of any processor
  constexpr size_t worthwhile = size_t{8} << 20;
  if (bytes < worthwhile) return;
  const size_t lead = (page - reinterpret_cast<uintptr_t>(data) % page) % page;
  const size_t length = (bytes - lead) / page * page;
  static_cast<void>(madvise(static_cast<char*>(data) + lead, length, MADV_HUGEPAGE));
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
#endif
}

}  // namespace ctc
