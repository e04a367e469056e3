// The loss and its gradient: against the recursion where float64 logarithms hold, and everywhere
// what must be so whatever the numbers are.
#include <algorithm>
#include <cmath>

#include "../check.h"
#include "fuzz_case.h"
#include "targets.h"

namespace ctc::test {
namespace {

constexpr Most most{300, 4, 40, 60};

void checkRows(const LossCase& c, const Outcome& got) {
  CHECK(got.result == Result::ok);
  const bool isPosterior = c.kind == Input::logProbs && c.gradientOf == GradientOf::input;
  for (int64_t n = 0; n < c.utterances(); ++n) {
    const auto at = static_cast<size_t>(n);
    const Status status = got.status[at];
    const double loss = got.losses[at];
    CHECK(status == Status::ok ? loss < infinity : !std::isfinite(loss));
    CHECK_EQ(std::isnan(loss), status == Status::nonfinite);
    if (status == Status::infeasible) CHECK_EQ(loss, infinity);
    if (c.kind == Input::logits && status == Status::ok) CHECK(loss >= 0);
    if (got.gradient.empty()) continue;
    const double scale = std::fabs(c.scale(n));
    for (int64_t t = 0; t < c.frames; ++t) {
      const bool counts = status == Status::ok && t < c.lengths[at];
      double sum = 0;
      double rounding = 1e-4 * scale;
      for (int64_t k = 0; k < c.classes; ++k) {
        const double g = got.gradient[c.place(t, n, k)];
        if (!counts) CHECK(g == 0 && !std::signbit(g));
        if (isPosterior) CHECK(std::fabs(g) <= scale * 1.01);
        if (isPosterior) CHECK(g == 0 || (g > 0) == (c.scale(n) < 0));
        if (c.kind == Input::logits) CHECK(std::fabs(g) <= scale * 1.01);
        // In PyTorch's convention exp(x) is in the gradient of columns that no path uses, too.
        const bool ownNumber = c.kind == Input::logProbs && c.gradientOf == GradientOf::softmax;
        CHECK(!std::isnan(g) || (ownNumber && counts && std::isnan(c.values[c.place(t, n, k)])));
        sum += g;
        rounding += unitInLastPlace(g, c.dtype);
      }
      // What all classes share of a row is 0 for logits and one frame's posterior for the other.
      if (!counts || c.gradientOf == GradientOf::softmax) continue;
      CHECK_NEAR(sum, isPosterior ? -c.scale(n) : 0, rounding);
    }
  }
}

LossCase alone(const LossCase& c, int64_t n) {
  const auto at = static_cast<size_t>(n);
  LossCase one = c;
  one.targets = {c.targets[at]};
  one.lengths = {c.lengths[at]};
  if (!c.scales.empty()) one.scales = {c.scales[at]};
  one.values.clear();
  for (int64_t t = 0; t < c.frames; ++t) {
    const auto row = c.values.begin() + static_cast<int64_t>(c.place(t, n, 0));
    one.values.insert(one.values.end(), row, row + c.classes);
  }
  return one;
}

void checkAlone(const LossCase& c, const Outcome& together) {
  for (int64_t n = 0; n < c.utterances(); ++n) {
    const Outcome one = runLoss(alone(c, n));
    const auto at = static_cast<size_t>(n);
    CHECK(one.status[0] == together.status[at]);
    CHECK(one.losses[0] == together.losses[at] || std::isnan(one.losses[0]));
    for (int64_t t = 0; t < c.frames; ++t) {
      const size_t row = static_cast<size_t>(c.classes) * bytesOf(c.dtype);
      const auto mine = one.bytes.begin() + static_cast<int64_t>(static_cast<size_t>(t) * row);
      const auto theirs =
          together.bytes.begin() + static_cast<int64_t>(c.place(t, n, 0) * bytesOf(c.dtype));
      CHECK(std::equal(mine, mine + static_cast<int64_t>(row), theirs));
    }
  }
}

// Labels, lengths and offsets that nobody checked.
void checkRefusal(const LossCase& c, Bytes& bytes) {
  RawTargets raw(c);
  raw.spoil(bytes);
  const Placed placed = place(c, {});
  std::vector<uint8_t> gradient(c.values.size() * bytesOf(c.dtype), 0xEE);
  std::vector<double> losses(c.targets.size());
  std::vector<Status> status(c.targets.size());
  LossProblem p;
  p.input = placed.tensor;
  p.targets = raw.targets();
  p.inputLengths = raw.lengths.data();
  p.blank = raw.blank;
  p.inputKind = c.kind;
  p.gradientOf = c.gradientOf;
  p.gradient = {gradient.data(), c.utterances() * c.classes, c.classes};
  p.losses = losses.data();
  p.status = status.data();
  CHECK_EQ(loss(p) == Result::ok, raw.inRange(c));
}

}  // namespace

void fuzzLoss(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  const LossCase c = readCase(bytes, most);
  if (bytes.oneIn(4)) return checkRefusal(c, bytes);
  const Placement placement = readPlacement(bytes);
  const int threads = static_cast<int>(bytes.between(2, 5));

  const Outcome got = runLoss(c, placement, 1);
  checkRows(c, got);
  if (isModerate(c)) checkOutcome(got, recursive(c), c);
  CHECK(sameBits(got, runLoss(c, placement, threads)));
  CHECK(sameBits(got, runLoss(c, {}, 1)));
  Outcome lossOnly = runLoss(c, placement, threads, false);
  lossOnly.bytes = got.bytes;
  CHECK(sameBits(got, lossOnly));
  checkAlone(c, got);
}

}  // namespace ctc::test
