// The loss of a batch against every path there is, and against a recursion over logarithms:
// element types, places in memory, threads, statuses, cancellation, refused arguments.
#include "ctc/loss.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "loss_case.h"

using namespace ctc;
using namespace ctc::test;

namespace {

constexpr DType dtypes[] = {DType::float32, DType::float64, DType::float16, DType::bfloat16};

double weightedLoss(const LossCase& c) {
  const Outcome out = runLoss(c, {}, 1, false);
  double sum = 0;
  for (int64_t n = 0; n < c.utterances(); ++n)
    sum += c.scale(n) * out.losses[static_cast<size_t>(n)];
  return sum;
}

}  // namespace

TEST(loss_equals_the_sum_over_every_path) {
  std::mt19937 random(11);
  for (int i = 0; i < 600; ++i) {
    const auto frames = static_cast<int64_t>(random() % 6);
    const auto classes = 1 + static_cast<int64_t>(random() % 4);
    LossCase c = randomCase(random, frames, static_cast<int64_t>(random() % 4), classes, 3,
                            dtypes[i % 4], i % 3 == 0 ? 5 : 1);
    if (i % 5 == 0 && !c.values.empty()) c.values[random() % c.values.size()] = -infinity;
    if (i % 7 == 0 && !c.values.empty()) c.values[random() % c.values.size()] = std::nan("");
    checkOutcome(runLoss(c), enumerated(c), c);
  }
}

TEST(loss_oracles_agree) {
  std::mt19937 random(12);
  for (int i = 0; i < 100; ++i) {
    const LossCase c = randomCase(random, 5, 3, 3, 3, DType::float64, 3);
    const Expected a = enumerated(c);
    const Expected b = recursive(c);
    for (size_t n = 0; n < a.losses.size(); ++n) CHECK_NEAR(a.losses[n], b.losses[n], 1e-13);
    for (size_t k = 0; k < a.gradient.size(); ++k) CHECK_NEAR(a.gradient[k], b.gradient[k], 1e-13);
  }
}

// Every class a slot and few of them, tables in registers or not, rows of odd lengths.
TEST(loss_equals_the_recursion) {
  std::mt19937 random(13);
  for (int i = 0; i < 48; ++i) {
    const int64_t classes[] = {2, 3, 7, 16, 29, 32, 33, 64, 65, 100, 257};
    const auto frames = 1 + static_cast<int64_t>(random() % 90);
    const LossCase c = randomCase(random, frames, 1 + static_cast<int64_t>(random() % 3),
                                  classes[i % 11], frames / 2, dtypes[i % 4], i % 3 == 0 ? 6 : 2);
    checkOutcome(runLoss(c, {}, 1 + i % 3), recursive(c), c);
  }
}

TEST(loss_reads_any_placement_in_place) {
  std::mt19937 random(14);
  for (int i = 0; i < 64; ++i) {
    const LossCase c = randomCase(random, 13, 3, i % 2 ? 70 : 9, 5, dtypes[i / 2 % 4], 2);
    const Outcome dense = runLoss(c);
    Placement p;
    p.batchMajor = random() % 2 == 0;
    for (bool& reversed : p.reversed) reversed = random() % 2 == 0;
    p.classStep = 1 + static_cast<int64_t>(random() % 3);
    p.padding = static_cast<int64_t>(random() % 4);
    CHECK(sameBits(runLoss(c, p), dense));
    CHECK(sameBits(runLoss(c, p, 3), dense));
  }
}

TEST(loss_broadcasts_over_strides_of_zero) {
  const double row[] = {0.5, -1, 2, 0.25};
  LossCase c;
  c.frames = 6;
  c.classes = 4;
  c.targets = {{1, 2}, {3, 3}};
  c.lengths = {6, 5};
  for (int64_t i = 0; i < 12; ++i) c.values.insert(c.values.end(), row, row + 4);
  const Outcome dense = runLoss(c);

  const int32_t labels[] = {1, 2, 3, 3};
  const int64_t offsets[] = {0, 2, 4};
  Outcome out;
  out.losses.resize(2);
  out.status.resize(2);
  out.bytes.resize(dense.bytes.size());
  LossProblem p;
  p.input = {row, DType::float64, 6, 2, 4, 0, 0, 1};
  p.targets = {labels, offsets};
  p.inputLengths = c.lengths.data();
  p.gradient = {out.bytes.data(), 8, 4};
  p.losses = out.losses.data();
  p.status = out.status.data();
  CHECK(loss(p) == Result::ok);
  CHECK(sameBits(out, dense));

  p.input.classStride = 0;  // one number: every class is as likely
  CHECK(loss(p) == Result::ok);
  // 6 over 2 paths of T = 6 and L = 2: binomial(T + L, 2 L) = 70.
  CHECK_NEAR(out.losses[0], 6 * std::log(4.0) - std::log(70.0), 1e-12);
}

TEST(loss_writes_strided_gradients_and_nothing_between) {
  std::mt19937 random(15);
  for (const DType dtype : dtypes) {
    const LossCase c = randomCase(random, 9, 2, 11, 3, dtype, 2);
    const Outcome dense = runLoss(c);
    const std::vector<uint8_t> input = encode(c.values, dtype);
    const size_t size = bytesOf(dtype);
    constexpr int64_t row = 14;
    std::vector<uint8_t> out(static_cast<size_t>(9 * 2 * row) * size, 0xAB);
    Labels labels;
    std::vector<int64_t> offsets{0};
    for (const Labels& target : c.targets) {
      labels.insert(labels.end(), target.begin(), target.end());
      offsets.push_back(static_cast<int64_t>(labels.size()));
    }
    std::vector<double> losses(2);
    std::vector<Status> status(2);
    LossProblem p;
    p.input = {input.data(), dtype, 9, 2, 11, 22, 11, 1};
    p.targets = {labels.data(), offsets.data()};
    p.inputLengths = c.lengths.data();
    p.blank = c.blank;
    p.inputKind = c.kind;
    p.gradientOf = c.gradientOf;
    p.gradientScale = c.scales.data();
    p.gradient = {out.data(), row, 9 * row};
    p.losses = losses.data();
    p.status = status.data();
    CHECK(loss(p) == Result::ok);
    for (int64_t n = 0; n < 2; ++n) {
      for (int64_t t = 0; t < 9; ++t) {
        const uint8_t* const at = out.data() + static_cast<size_t>((n * 9 + t) * row) * size;
        CHECK(std::equal(at, at + 11 * size, dense.bytes.data() + c.place(t, n, 0) * size));
        CHECK(std::all_of(at + 11 * size, at + row * size, [](uint8_t b) { return b == 0xAB; }));
      }
    }
  }
}

TEST(loss_is_the_same_for_any_threads_and_batch) {
  std::mt19937 random(16);
  for (int i = 0; i < 12; ++i) {
    // Long ones are split between two threads.
    const LossCase c =
        randomCase(random, i % 2 ? 900 : 60, 1 + i % 5, i % 3 ? 20 : 90, 40, dtypes[i % 4], 3);
    const Outcome one = runLoss(c);
    for (const int threads : {2, 3, 7, 64}) CHECK(sameBits(runLoss(c, {}, threads), one));
    for (int64_t n = 0; n < c.utterances(); ++n) {
      LossCase alone = c;
      alone.targets = {c.targets[static_cast<size_t>(n)]};
      alone.lengths = {c.lengths[static_cast<size_t>(n)]};
      alone.scales = {c.scale(n)};
      alone.values.clear();
      for (int64_t t = 0; t < c.frames; ++t) {
        const double* const x = &c.values[c.place(t, n, 0)];
        alone.values.insert(alone.values.end(), x, x + c.classes);
      }
      const Outcome got = runLoss(alone, {}, 2);
      const double expected = one.losses[static_cast<size_t>(n)];
      CHECK(got.losses[0] == expected || (std::isnan(got.losses[0]) && std::isnan(expected)));
      for (int64_t t = 0; t < c.frames; ++t) {
        CHECK(std::equal(&got.gradient[alone.place(t, 0, 0)],
                         &got.gradient[alone.place(t, 0, 0)] + c.classes,
                         &one.gradient[c.place(t, n, 0)]));
      }
    }
  }
}

TEST(loss_without_a_gradient_is_the_same_loss) {
  std::mt19937 random(17);
  for (int i = 0; i < 16; ++i) {
    const LossCase c = randomCase(random, 40, 3, i % 2 ? 12 : 80, 12, dtypes[i % 4], 3);
    CHECK(runLoss(c, {}, 2, false).losses == runLoss(c).losses);
  }
}

TEST(loss_gradients_are_derivatives) {
  std::mt19937 random(18);
  for (int i = 0; i < 12; ++i) {
    LossCase c = randomCase(random, 7, 2, 5, 3, DType::float64, 1.5);
    c.gradientOf = GradientOf::input;
    const Outcome out = runLoss(c);
    for (size_t k = 0; k < c.values.size(); ++k) {
      const double x = c.values[k];
      constexpr double h = 1e-5;
      c.values[k] = x + h;
      const double above = weightedLoss(c);
      c.values[k] = x - h;
      const double below = weightedLoss(c);
      c.values[k] = x;
      // Infeasible utterances have no derivative, and say so with 0.
      if (std::isfinite(above)) CHECK_NEAR(out.gradient[k], (above - below) / (2 * h), 1e-8);
    }
  }
}

// A confident model against another text, and scores as large as float16 holds.
TEST(loss_holds_its_digits_where_linear_sums_underflow) {
  std::mt19937 random(19);
  for (const DType dtype : dtypes) {
    for (const double height : {20.0, 300.0, 6e4}) {
      if (height > 1e3 && dtype == DType::float64) continue;  // beyond the oracle's own digits
      LossCase c = randomCase(random, 200, 1, 12, 60, dtype, 1);
      c.kind = Input::logits;
      c.lengths = {200};
      for (int64_t t = 0; t < 200; ++t) {
        double& x = c.at(t, 0, static_cast<int64_t>(random() % 12));
        x = rounded(x + height, dtype);
      }
      checkOutcome(runLoss(c), recursive(c), c);
    }
  }
}

TEST(loss_of_a_long_utterance) {
  std::mt19937 random(20);
  for (const DType dtype : {DType::float32, DType::float64}) {
    LossCase c = randomCase(random, 1500, 1, 8, 0, dtype, 4);
    c.lengths = {1500};
    for (int i = 0; i < 400; ++i) {
      const int32_t label = static_cast<int32_t>(random() % 7);
      c.targets[0].push_back(label < c.blank ? label : label + 1);
    }
    checkOutcome(runLoss(c, {}, 2), recursive(c), c);
  }
}

TEST(loss_scales_gradients_before_rounding) {
  std::mt19937 random(21);
  for (const DType dtype : dtypes) {
    for (const double scale : {0.0, 1e-40, -1e-6, 1e30, 3e33}) {
      if (scale > 1e4 && bytesOf(dtype) == 2) continue;  // beyond float16
      LossCase c = randomCase(random, 12, 2, 70, 4, dtype, 2);
      c.scales = {scale, 1};
      checkOutcome(runLoss(c), recursive(c), c);
    }
  }
}

TEST(loss_tells_what_is_wrong_with_an_utterance) {
  LossCase c;
  c.frames = 3;
  c.classes = 3;
  c.targets = {{1, 1, 2}, {1}, {1}, {1}, {}, {1}, {2}, {2}};
  c.lengths = {3, 3, 3, 3, 0, 0, 3, 3};
  c.values.assign(72, 0);
  c.at(1, 1, 2) = std::nan("");
  c.at(0, 2, 0) = infinity;
  for (int64_t k = 0; k < 3; ++k) c.at(2, 3, k) = -infinity;
  for (int64_t t = 0; t < 3; ++t) c.at(t, 6, 2) = -infinity;
  for (const DType dtype : dtypes) {
    c.dtype = dtype;
    const Status expected[] = {Status::infeasible, Status::nonfinite, Status::nonfinite,
                               Status::nonfinite,  Status::ok,        Status::infeasible,
                               Status::infeasible, Status::ok};
    for (const int threads : {1, 4}) {
      const Outcome out = runLoss(c, {}, threads);
      CHECK(std::equal(out.status.begin(), out.status.end(), expected));
      checkOutcome(out, recursive(c), c);
    }
  }
  c.kind = Input::logProbs;  // utterance 1 has no use for class 2
  CHECK(runLoss(c).status[1] == Status::ok);
}

TEST(loss_of_nothing) {
  LossCase c;
  c.classes = 3;
  Outcome out = runLoss(c);
  CHECK(out.result == Result::ok);
  c.targets = {{}, {1}};
  c.lengths = {0, 0};
  out = runLoss(c);
  CHECK_EQ(out.losses[0], 0.0);
  CHECK_EQ(out.losses[1], infinity);
}

TEST(loss_refuses_what_is_out_of_range_and_writes_nothing) {
  LossCase good;
  good.frames = 4;
  good.classes = 3;
  good.targets = {{1}, {1, 2}};
  good.lengths = {4, 4};
  good.values.assign(24, 0);
  const auto refused = [](const LossCase& c, int64_t utterance) {
    const Outcome out = runLoss(c);
    CHECK(out.result == Result::badArgument);
    CHECK_EQ(out.badUtterance, utterance);
    CHECK_EQ(out.losses[0], -7.0);
    CHECK(std::all_of(out.bytes.begin(), out.bytes.end(), [](uint8_t b) { return b == 0xEE; }));
  };
  CHECK(runLoss(good).result == Result::ok);
  for (const int32_t label : {-1, 0, 3, 0x7fffffff}) {
    LossCase c = good;
    c.targets[1][1] = label;
    refused(c, 1);
  }
  for (const int64_t length : {int64_t{-1}, int64_t{5}, int64_t{1} << 40}) {
    LossCase c = good;
    c.lengths[0] = length;
    refused(c, 0);
  }
  for (const int32_t blank : {-1, 3}) {
    LossCase c = good;
    c.blank = blank;
    refused(c, -1);
  }
  LossProblem p;
  const int32_t labels[] = {1};
  const int64_t decreasing[] = {0, 1, 0};
  const int64_t lengths[] = {0, 0};
  p.input.classes = 3;
  p.input.utterances = 2;
  p.targets = {labels, decreasing};
  p.inputLengths = lengths;
  CHECK(loss(p) == Result::badArgument);
  // The first offsets lead beyond the labels: a sanitizer would see one of those looked at.
  const std::vector<int32_t> one{1};
  const int64_t beyond[] = {0, 1000, 1};
  p.targets = {one.data(), beyond};
  int64_t bad = -1;
  CHECK(loss(p, &bad) == Result::badArgument);
  CHECK_EQ(bad, 1);
}

TEST(loss_of_a_shape_beyond_what_memory_could_hold) {
  // Strides of 0: one number stands for frames x utterances x classes, whose product is above 2^63.
  constexpr int64_t utterances = 1 << 13;
  constexpr int64_t classes = 1 << 20;
  const double some = 3;
  const std::vector<int64_t> offsets(utterances + 1, 0);
  std::vector<int64_t> lengths(utterances, 0);
  lengths.back() = 1;
  std::vector<double> losses(utterances, -7);
  std::vector<Status> status(utterances, Status::nonfinite);
  LossProblem p;
  p.input = {&some, DType::float64, INT32_MAX, utterances, classes, 0, 0, 0};
  p.targets = {nullptr, offsets.data()};
  p.inputLengths = lengths.data();
  p.losses = losses.data();
  p.status = status.data();
  CHECK(loss(p) == Result::ok);
  CHECK(losses.front() == 0 && status.front() == Status::ok);
  CHECK_NEAR(losses.back(), std::log(static_cast<double>(classes)), 1e-9);
}

TEST(loss_stops_when_it_is_cancelled) {
  std::mt19937 random(22);
  const LossCase c = randomCase(random, 3000, 4, 30, 200, DType::float32, 2);
  const std::vector<uint8_t> input = encode(c.values, c.dtype);
  std::vector<uint8_t> gradient(input.size());
  Labels labels;
  std::vector<int64_t> offsets{0};
  for (const Labels& target : c.targets) {
    labels.insert(labels.end(), target.begin(), target.end());
    offsets.push_back(static_cast<int64_t>(labels.size()));
  }
  std::vector<double> losses(4);
  std::vector<Status> status(4);
  LossProblem p;
  p.input = {input.data(), c.dtype, 3000, 4, 30, 120, 30, 1};
  p.targets = {labels.data(), offsets.data()};
  p.inputLengths = c.lengths.data();
  p.blank = c.blank;
  p.inputKind = c.kind;
  p.gradient = {gradient.data(), 120, 30};
  p.losses = losses.data();
  p.status = status.data();
  std::atomic<bool> cancelled{true};
  p.execution.cancelled = &cancelled;
  for (const int threads : {1, 3}) {
    p.execution.threads = threads;
    cancelled = true;
    CHECK(loss(p) == Result::cancelled);
    cancelled = false;
    CHECK(loss(p) == Result::ok);
    const std::vector<double> whole(losses.begin(), losses.end());
    // At some moment in between: either answer is right, and the next call works.
    for (int i = 0; i < 8; ++i) {
      cancelled = false;
      std::thread canceller([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(200 * i));
        cancelled = true;
      });
      const Result result = loss(p);
      canceller.join();
      CHECK(result == Result::cancelled || (result == Result::ok && losses == whole));
    }
  }
}

TEST(loss_calls_from_many_threads_share_the_pool) {
  std::mt19937 random(23);
  const LossCase c = randomCase(random, 120, 6, 25, 20, DType::float32, 2);
  const Outcome one = runLoss(c);
  std::vector<std::thread> callers;
  callers.reserve(6);
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([&, i] {
      for (int k = 0; k < 10; ++k) CHECK(sameBits(runLoss(c, {}, 1 + i), one));
    });
  }
  for (std::thread& caller : callers) caller.join();
}

TEST(loss_workspace_is_told_before) {
  for (const DType dtype : dtypes) {
    const int64_t small = workspaceBytes(100, 20, 30, dtype, true);
    CHECK(small > 0);
    CHECK(workspaceBytes(100, 20, 30, dtype, false) < small);
    CHECK(workspaceBytes(100, 40, 30, dtype, true) > small);
    // Rows beyond what a cache holds are recomputed from checkpoints, so memory grows far slower
    // than the lattice: 16 times the frames, less than 16 times the bytes.
    const int64_t longer = workspaceBytes(16000, 2000, 30, dtype, true);
    const int64_t longest = workspaceBytes(256000, 2000, 30, dtype, true);
    CHECK(longest < 8 * longer);
  }
}
