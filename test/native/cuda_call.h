// Every function of the CUDA backend on a case: by the CPU, and by the emulated device.
#pragma once

#include <string>
#include <vector>

#include "ctc/backend.h"
#include "cuda_case.h"

namespace ctc::test {

enum class Call {
  loss,  // and gradient
  lossAlone,
  greedy,
  greedyUnmerged,
  align,
  alignStar,  // in place of every third label
  alignStarLabel,
  posteriors,
  recursions
};
constexpr Call allCalls[] = {Call::loss,           Call::lossAlone,  Call::greedy,
                             Call::greedyUnmerged, Call::align,      Call::alignStar,
                             Call::alignStarLabel, Call::posteriors, Call::recursions};
const char* nameOf(Call call);

// An utterance's results in one form for every call, in the order in which the function's header
// lists them: what must be equal, and what may differ by rounding.
struct Found {
  std::vector<int64_t> exact;  // the status first
  std::vector<double> rounded;
  std::vector<double> gradient;  // T x C, as stored
};
struct Answer {
  int32_t result = 0;
  std::vector<Found> utterances;
};

// Where the input is, and the gradient.
enum class Where { host, device, pinned };

Answer findOnCpu(Call call, const Case& c);
Answer findOnDevice(Call call, const Case& c, Where where = Where::host);

// Exact results are equal, gradients within 2e-5 * max(1, |g|) and, of 16-bit types, one unit in
// the last place, other numbers within 1e-6 * max(1, |x|); where all is float64, within 1e-11.
void checkAgrees(Call call, const Case& c, const std::string& what, Where where = Where::host);

bool identical(const Found& a, const Found& b);
bool identical(const Answer& a, const Answer& b);

const Backend& emulated();

// Puts back what a test has turned.
struct Turned {
  Turned() = default;
  Turned(const Turned&) = delete;
  Turned& operator=(const Turned&) = delete;
  ~Turned();
};

}  // namespace ctc::test
