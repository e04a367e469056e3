// Batches for the CUDA backend's tests.
#pragma once

#include <cstdint>
#include <vector>

#include "ctc/problem.h"

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

// A batch with its memory, for any call.
struct Case {
  DType dtype = DType::float32;
  Input kind = Input::logits;
  GradientOf gradientOf = GradientOf::input;
  int64_t T = 0, N = 0, C = 0;
  int32_t blank = 0;
  bool batchMajor = false;
  int64_t classStride = 1;
  std::vector<std::vector<int32_t>> targets;
  std::vector<int64_t> lengths;
  std::vector<double> scales;  // of the gradients; empty: 1
  std::vector<double> values;  // T x N x C, before they are stored as dtype

  double& at(int64_t t, int64_t n, int64_t c) {
    return values[static_cast<size_t>((t * N + n) * C + c)];
  }
  // The utterances of these numbers alone.
  Case part(const std::vector<int64_t>& numbers) const;
  // With whole numbers: many classes and many paths tie.
  Case tied() const;
};

// Logits or log-probabilities of about +-spread; targets of L labels, some of them repeated, the
// first of L exactly.
Case randomCase(int64_t T, int64_t N, int64_t C, int64_t L, uint64_t seed, double spread = 3);
// One utterance of as many frames as its L labels need, and some to spare.
Case tightCase(int64_t spare, int64_t C, int64_t L, uint64_t seed, bool repeats);
// Utterances of every status, for many reasons.
Case statusCase(DType dtype, Input kind);
// Peaky and confident outputs, and offsets that cost digits.
Case extremeCase(Input kind);

// Of the first utterance, by writing out every one of the C^T paths: the probability of the best
// one that reads as the target, and of all of them.
struct Enumerated {
  double best = 0, total = 0;
};
Enumerated enumeratePaths(const Case& c);

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

// An element of memory like that.
double loaded(DType dtype, const char* memory, int64_t at);

}  // namespace ctc::test
