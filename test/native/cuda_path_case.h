// Greedy decoding, alignment and posteriors of a case, by the CPU and by the emulated device.
#pragma once

#include <string>
#include <vector>

#include "ctc/align.h"
#include "ctc/decode.h"
#include "cuda_case.h"

namespace ctc::test {

// All results of a call, in one form for every function: what must be equal, and what may differ by
// rounding. In the order in which the function's header lists them.
struct Found {
  int32_t result = 0;
  std::vector<int64_t> exact;
  std::vector<double> rounded;
};

enum class Call {
  greedy,
  greedyUnmerged,
  align,
  alignStar,
  alignStarLabel,
  posteriors,
  recursions
};
constexpr Call allCalls[] = {Call::greedy,    Call::greedyUnmerged, Call::align,
                             Call::alignStar, Call::alignStarLabel, Call::posteriors,
                             Call::recursions};
const char* nameOf(Call call);

Found findOnCpu(Call call, const Case& c);
Found findOnDevice(Call call, const Case& c, Where where = Where::host);

// Exact results equal; others within tolerance * max(1, |expected|).
void checkSame(const Found& actual, const Found& expected, double tolerance,
               const std::string& what);
bool identical(const Found& a, const Found& b);

}  // namespace ctc::test
