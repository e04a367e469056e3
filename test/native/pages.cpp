#if defined(__linux__)
#include <sys/mman.h>

#include <cinttypes>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "check.h"
#include "core/pages.h"

namespace {

// Whether the kernel has been asked for large pages at an address: "hg" among the flags of its
// mapping.
bool advisedAt(const char* address) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
      inside = begin <= wanted && wanted < end;
    } else if (inside && line.rfind("VmFlags:", 0) == 0) {
      std::istringstream flags(line);
      for (std::string flag; flags >> flag;) {
        if (flag == "hg") return true;
      }
      return false;
    }
  }
  return false;
}

// A kernel without large pages takes no such advice.
bool kernelHasLargePages() {
  return std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled").good();
}

struct Mapping {
  static constexpr size_t bytes = size_t{64} << 20;
  char* data = static_cast<char*>(
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ~Mapping() { munmap(data, bytes); }
};

}  // namespace

TEST(pages_of_large_arrays_are_asked_for) {
  if (!kernelHasLargePages()) return;
  const Mapping memory;
  CHECK(!advisedAt(memory.data + memory.bytes / 2));
  // An array as malloc places it: neither end is that of a page, and what lies around is not its
  // own.
  ctc::adviseLargePages(memory.data + 16, memory.bytes - 1000);
  CHECK(advisedAt(memory.data + memory.bytes / 2));
  CHECK(!advisedAt(memory.data));
  CHECK(!advisedAt(memory.data + memory.bytes - 1));
  for (const size_t i : {size_t{0}, memory.bytes / 2, memory.bytes - 1}) memory.data[i] = 1;
}

TEST(pages_of_small_arrays_are_left_alone) {
  const Mapping memory;
  ctc::adviseLargePages(memory.data, size_t{8 << 20} - 1);
  CHECK(!advisedAt(memory.data + 4096));
  ctc::adviseLargePages(nullptr, 0);
}
#endif
