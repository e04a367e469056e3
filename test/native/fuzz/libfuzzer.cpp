// The entry of libFuzzer (clang's -fsanitize=fuzzer): runs the target that CTC_FUZZ_TARGET names.
// A failed check aborts, which is how libFuzzer learns of it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "../check.h"
#include "targets.h"

namespace ctc::test {

void fail(const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, message.c_str());
  std::abort();
}

}  // namespace ctc::test

namespace {

const ctc::test::FuzzTarget* findTarget() {
  const char* const name = std::getenv("CTC_FUZZ_TARGET");
  for (const ctc::test::FuzzTarget& target : ctc::test::fuzzTargets) {
    if (name != nullptr && std::strcmp(name, target.name) == 0) return &target;
  }
  std::fprintf(stderr, "CTC_FUZZ_TARGET names no target\n");
  std::exit(2);
}

}  // namespace

// libFuzzer's name. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ctc::test::FuzzTarget* const target = findTarget();
  target->run(data, size);
  return 0;
}
