// Posteriors against the enumeration of every path, and their invariants on long peaky inputs.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "check.h"
#include "ctc/posteriors.h"

namespace {

struct Solved {
  ctc::Result result = ctc::Result::ok;
  ctc::Status status = ctc::Status::ok;
  double loss = 0;
  std::vector<double> occupancy, alpha, beta, starts, ends;
};

Solved solve(const std::vector<float>& logits, int64_t frames, int64_t classes,
             const std::vector<int32_t>& target) {
  Solved out;
  const auto labels = static_cast<int64_t>(target.size());
  const int64_t offsets[] = {0, labels};
  const int64_t matrices[] = {0, frames * (2 * labels + 1)};
  const auto cells = static_cast<size_t>(matrices[1]);
  out.occupancy.resize(cells);
  out.alpha.resize(cells);
  out.beta.resize(cells);
  out.starts.resize(target.size());
  out.ends.resize(target.size());
  ctc::PosteriorProblem p;
  p.input.data = logits.data();
  p.input.frames = frames;
  p.input.utterances = 1;
  p.input.classes = classes;
  p.input.frameStride = classes;
  p.targets = {target.data(), offsets};
  p.inputLengths = &frames;
  p.matrixOffsets = matrices;
  p.occupancy = out.occupancy.data();
  p.alpha = out.alpha.data();
  p.beta = out.beta.data();
  p.starts = out.starts.data();
  p.ends = out.ends.data();
  p.losses = &out.loss;
  p.status = &out.status;
  out.result = ctc::posteriors(p);
  return out;
}

// Walks every path of the lattice, adding its probability to what it touches.
struct Enumeration {
  const std::vector<float>& logits;
  int64_t frames, classes;
  const std::vector<int32_t>& target;
  std::vector<double> occupancy, starts, ends;
  std::vector<int64_t> path;
  double total = 0;

  int64_t states() const { return static_cast<int64_t>(2 * target.size() + 1); }
  int32_t labelOf(int64_t s) const { return s % 2 ? target[static_cast<size_t>(s / 2)] : 0; }
  double probability(int64_t t, int64_t s) const {
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) {
      sum += std::exp(static_cast<double>(logits[static_cast<size_t>(t * classes + c)]));
    }
    return std::exp(static_cast<double>(logits[static_cast<size_t>(t * classes + labelOf(s))])) /
           sum;
  }
  void walk(double p) {
    const auto t = static_cast<int64_t>(path.size());
    if (t == frames) {
      if (t > 0 && path.back() < states() - 2) return;
      total += p;
      for (size_t k = 0; k < path.size(); ++k) {
        occupancy[k * static_cast<size_t>(states()) + static_cast<size_t>(path[k])] += p;
        if (path[k] % 2 == 0) continue;
        const auto i = static_cast<size_t>(path[k] / 2);
        if (k == 0 || path[k - 1] != path[k]) starts[i] += p * static_cast<double>(k);
        if (k + 1 == path.size() || path[k + 1] != path[k]) {
          ends[i] += p * static_cast<double>(k + 1);
        }
      }
      return;
    }
    for (int64_t s = 0; s < states(); ++s) {
      const int64_t before = t == 0 ? -1 : path.back();
      const int64_t step = s - before;
      const bool legal =
          t == 0 ? s < 2
                 : step == 0 || step == 1 || (step == 2 && s % 2 && labelOf(s) != labelOf(s - 2));
      if (!legal) continue;
      path.push_back(s);
      walk(p * probability(t, s));
      path.pop_back();
    }
  }
};

}  // namespace

TEST(posteriors_equal_enumeration) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 2);
  for (int i = 0; i < 300; ++i) {
    const int64_t frames = 1 + static_cast<int64_t>(random() % 7);
    const int64_t classes = 2 + static_cast<int64_t>(random() % 3);
    std::vector<int32_t> target(random() % static_cast<uint64_t>(frames + 1));
    for (int32_t& label : target) label = 1 + static_cast<int32_t>(random() % (classes - 1));
    std::vector<float> logits(static_cast<size_t>(frames * classes));
    for (float& x : logits) x = normal(random);
    if (i % 3 == 0) logits[random() % logits.size()] = -std::numeric_limits<float>::infinity();
    Enumeration all{logits, frames, classes, target, {}, {}, {}, {}, 0};
    all.occupancy.resize(static_cast<size_t>(frames * all.states()));
    all.starts.resize(target.size());
    all.ends.resize(target.size());
    all.walk(1);
    const Solved got = solve(logits, frames, classes, target);
    CHECK(got.result == ctc::Result::ok);
    CHECK(got.status == (all.total > 0 ? ctc::Status::ok : ctc::Status::infeasible));
    if (all.total == 0) continue;
    CHECK_NEAR(got.loss, -std::log(all.total), 1e-12);
    for (size_t k = 0; k < got.occupancy.size(); ++k) {
      CHECK_NEAR(got.occupancy[k], all.occupancy[k] / all.total, 1e-12);
      CHECK_NEAR(std::exp(got.alpha[k] + got.beta[k] + got.loss), got.occupancy[k], 1e-12);
    }
    for (size_t k = 0; k < target.size(); ++k) {
      CHECK_NEAR(got.starts[k], all.starts[k] / all.total, 1e-12);
      CHECK_NEAR(got.ends[k], all.ends[k] / all.total, 1e-12);
    }
  }
}

// A confident model and a wrong transcript, where linear sums underflow and float32 logs drift.
TEST(posteriors_hold_on_long_peaky_misaligned_input) {
  std::mt19937 random(2);
  const int64_t frames = 2000, classes = 12;
  std::vector<float> logits(static_cast<size_t>(frames * classes));
  std::normal_distribution<float> normal(0, 300);
  for (float& x : logits) x = normal(random);
  std::vector<int32_t> target(400);
  for (int32_t& label : target) label = 1 + static_cast<int32_t>(random() % (classes - 1));
  const Solved got = solve(logits, frames, classes, target);
  CHECK(got.status == ctc::Status::ok);
  const size_t states = 801;
  for (size_t t = 0; t < static_cast<size_t>(frames); ++t) {
    double sum = 0;
    double paths = -std::numeric_limits<double>::infinity();
    for (size_t s = 0; s < states; ++s) {
      sum += got.occupancy[t * states + s];
      paths = std::fmax(paths, got.alpha[t * states + s] + got.beta[t * states + s]);
    }
    CHECK_NEAR(sum, 1.0, 1e-12);
    CHECK(paths <= -got.loss + 1e-6 && paths >= -got.loss - std::log(801.0));
  }
  for (size_t i = 0; i < target.size(); ++i) {
    CHECK(got.ends[i] >= got.starts[i] + 1 - 1e-9);
    if (i > 0) CHECK(got.starts[i] >= got.ends[i - 1] - 1e-9);
  }
}

TEST(posteriors_of_nothing) {
  const Solved empty = solve({}, 0, 3, {});
  CHECK(empty.status == ctc::Status::ok);
  CHECK_EQ(empty.loss, 0.0);
  CHECK(solve({}, 0, 3, {1}).status == ctc::Status::infeasible);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Solved broken = solve({0, 0, nan}, 1, 3, {1});
  CHECK(broken.status == ctc::Status::nonfinite);
  CHECK(std::isnan(broken.loss));
}
