// Batches for the CUDA backend's tests, solved by the CPU engine and by the emulated device.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ctc/backend.h"

namespace ctc::test {

// A generator whose numbers are the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 1) {}
  uint64_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ >> 11;
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  double uniform() { return static_cast<double>(bits() % (1ULL << 50)) / (1ULL << 50); }

 private:
  uint64_t state_;
};

// A whole problem with its memory.
struct Case {
  DType dtype = DType::float32;
  Input kind = Input::logits;
  GradientOf gradientOf = GradientOf::input;
  int64_t T = 0, N = 0, C = 0;
  int32_t blank = 0;
  bool batchMajor = false;
  int64_t classStride = 1;
  bool gradient = true;
  std::vector<std::vector<int32_t>> targets;
  std::vector<int64_t> lengths;
  std::vector<double> scales;
  std::vector<double> values;  // T x N x C, before they are stored as dtype

  double& at(int64_t t, int64_t n, int64_t c) {
    return values[static_cast<size_t>((t * N + n) * C + c)];
  }
  // The utterances of these numbers alone.
  Case part(const std::vector<int64_t>& numbers) const;
};

// Logits or log-probabilities of about +-spread; targets of L labels, some of them repeated.
Case randomCase(int64_t T, int64_t N, int64_t C, int64_t L, uint64_t seed, double spread = 3);

// A case in memory, as its dtype, strides and layout say.
struct Laid {
  Tensor tensor;
  std::vector<char> memory;
  std::vector<int32_t> labels;
  std::vector<int64_t> offsets{0};

  explicit Laid(const Case& c);
  Laid(const Laid&) = delete;
  Laid& operator=(const Laid&) = delete;
  Targets targets() const { return {labels.data(), offsets.data()}; }
};

struct Answer {
  int32_t result = 0;
  std::vector<double> losses;
  std::vector<Status> status;
  std::vector<double> gradient;  // T x N x C, as stored
};

Answer solveOnCpu(const Case& c);
enum class Where { host, device, pinned };
Answer solveOnDevice(const Case& c, Where where = Where::host);

// Losses within 1e-6 * max(1, |loss|), gradients within 2e-5 * max(1, |g|) and, for 16-bit types,
// one unit in the last place.
void checkAgrees(const Answer& actual, const Answer& expected, const Case& c,
                 const std::string& what);
bool identical(const Answer& a, const Answer& b);

const Backend& emulated();

}  // namespace ctc::test
