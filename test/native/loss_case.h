// A batch for the loss in float64, the arrays that the core reads it from, and oracles for it.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "ctc/loss.h"

namespace ctc::test {

constexpr double infinity = std::numeric_limits<double>::infinity();

using Labels = std::vector<int32_t>;

struct LossCase {
  int64_t frames = 0;
  int64_t classes = 0;
  DType dtype = DType::float64;
  Input kind = Input::logits;
  GradientOf gradientOf = GradientOf::input;
  int32_t blank = 0;
  std::vector<double> values;  // T x N x C, each one exact in dtype
  std::vector<Labels> targets;
  std::vector<int64_t> lengths;
  std::vector<double> scales;  // empty: all 1

  int64_t utterances() const { return static_cast<int64_t>(targets.size()); }
  size_t place(int64_t t, int64_t n, int64_t c) const {
    return static_cast<size_t>((t * utterances() + n) * classes + c);
  }
  double& at(int64_t t, int64_t n, int64_t c) { return values[place(t, n, c)]; }
  double at(int64_t t, int64_t n, int64_t c) const { return values[place(t, n, c)]; }
  double scale(int64_t n) const { return scales.empty() ? 1 : scales[static_cast<size_t>(n)]; }
};

// How a case lies in memory. Padding is in elements after each step of a dimension.
struct Placement {
  bool batchMajor = false;
  bool reversed[3] = {false, false, false};  // frames, utterances, classes: negative strides
  int64_t classStep = 1;
  int64_t padding = 0;
};

// A case's values in memory, with NaN between the elements and not a byte beyond the last one.
struct Placed {
  std::vector<uint8_t> bytes;
  Tensor tensor;  // points into `bytes`
};

struct Outcome {
  Result result = Result::ok;
  int64_t badUtterance = -1;
  std::vector<double> losses;
  std::vector<Status> status;
  std::vector<uint8_t> bytes;    // the gradient as written, T x N x C
  std::vector<double> gradient;  // the same as numbers
  bool handedOver = false;       // the narrow kernel declined, the wide one answered
};

struct Expected {
  std::vector<double> losses;
  std::vector<Status> status;
  std::vector<double> gradient;  // T x N x C
};

// The number of dtype next to x.
double rounded(double x, DType dtype);

// Distance between x and the next number of a 16-bit dtype; 0 for the others.
double unitInLastPlace(double x, DType dtype);

std::vector<uint8_t> encode(const std::vector<double>& values, DType dtype);
std::vector<double> decode(const std::vector<uint8_t>& bytes, DType dtype);

Placed place(const LossCase& c, const Placement& placement);

Outcome runLoss(const LossCase& c, const Placement& placement = {}, int threads = 1,
                bool gradient = true);

// Sums over every path of classes that reads as the target: C^T of them.
Expected enumerated(const LossCase& c);

// Forward-backward over logarithms: O(T L) time, relative errors of about T * 1e-16.
Expected recursive(const LossCase& c);

// Loss, status and gradient within the tolerances of the case's dtype, one unit in the last place
// on top for 16 bits.
void checkOutcome(const Outcome& got, const Expected& expected, const LossCase& c);

// Equal losses, NaN included, statuses and gradient bytes.
bool sameBits(const Outcome& a, const Outcome& b);

// Random targets (repeats are common), lengths, scales and values of about `spread`.
LossCase randomCase(std::mt19937& random, int64_t frames, int64_t utterances, int64_t classes,
                    int64_t mostLabels, DType dtype, double spread);

}  // namespace ctc::test
