// Every instruction set of this machine, through its table of kernels: the two halves of a phase
// apart or together, narrow and wide.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "cpu/dispatch.h"
#include "ctc/lattice.h"
#include "loss_case.h"

using namespace ctc;
using namespace ctc::test;

namespace {

constexpr DType dtypes[] = {DType::float32, DType::float64, DType::float16, DType::bfloat16};

// A case of one utterance that has enough frames.
Outcome runKernel(const Kernels& kernels, const LossCase& c, bool wide, bool apart) {
  const std::vector<uint8_t> input = encode(c.values, c.dtype);
  Outcome out;
  out.bytes.assign(input.size(), 0);
  UtteranceProblem p;
  p.data = input.data();
  p.dtype = c.dtype;
  p.frames = c.lengths[0];
  p.classes = c.classes;
  p.frameStride = c.classes;
  p.labels = c.targets[0].data();
  p.labelCount = static_cast<int32_t>(c.targets[0].size());
  p.blank = c.blank;
  p.inputKind = c.kind;
  p.gradientOf = c.gradientOf;
  p.gradientScale = c.scale(0);
  p.gradient = out.bytes.data();
  p.gradientFrameStride = c.classes;
  Arena arena;
  arena.startCounting();
  CHECK(kernels.make(p, wide, arena) == nullptr);
  arena.reserve(arena.stopCounting());
  UtteranceKernel* const kernel = kernels.make(p, wide, arena);
  if (apart) {
    kernel->inward(1);
    kernel->inward(0);
  } else {
    kernel->inward();
  }
  const Meeting meeting = kernel->meet();
  // The narrow kernel may decline; the batch then asks the wide one, which must not.
  if (meeting.needsWide) {
    CHECK(!wide && c.dtype != DType::float64);
    Outcome again = runKernel(kernels, c, true, apart);
    again.handedOver = true;
    return again;
  }
  out.losses = {meeting.loss};
  out.status = {meeting.status};
  if (meeting.status == Status::ok) {
    if (apart) {
      kernel->outward(1);
      kernel->outward(0);
    } else {
      kernel->outward();
    }
  }
  out.gradient = decode(out.bytes, c.dtype);
  return out;
}

template <class Body>
void forEveryIsa(Body body) {
  const IsaList isas = availableIsas();
  CHECK(isas.count >= 1);
  for (int i = 0; i < isas.count; ++i) body(*findKernels(isas.names[i]));
}

// Whether x lies halfway between two neighbours of a 16-bit type, among its normal or subnormal
// numbers.
bool isHalfway(double x, DType dtype) {
  const bool half = dtype == DType::float16;
  const double spacing =
      std::ldexp(1, half ? std::max(std::ilogb(x), -14) - 10 : std::ilogb(x) - 7);
  const double places = std::fabs(x) / spacing;
  return places - std::floor(places) == 0.5;
}

// 16-bit rounding: every finite number comes back from the lattice-free part of a gradient.
void checkRounding(DType dtype, bool halfway) {
  int up = 0;
  int down = 0;
  forEveryIsa([&](const Kernels& kernels) {
    // exp(logProb) - posterior: at classes that the target leaves alone just exp(logProb), which
    // a scale turns into any number wanted.
    LossCase c;
    c.dtype = dtype;
    c.kind = Input::logProbs;
    c.gradientOf = GradientOf::softmax;
    c.frames = 1;
    c.classes = 40;
    c.targets = {{}};
    c.lengths = {1};
    c.values.assign(40, 0);
    for (int exponent = -30; exponent <= 14; ++exponent) {
      for (int step = 0; step < 64; ++step) {
        const double x = std::ldexp(1 + step / 4096.0 + (step % 3 == 2 ? 1 : 0) / 8192.0, exponent);
        if (isHalfway(x, dtype) != halfway) continue;
        for (const double sign : {1.0, -1.0}) {
          c.scales = {sign * x};
          const Outcome out = runKernel(kernels, c, false, false);
          CHECK_EQ(out.gradient[7], rounded(sign * x, dtype));
          CHECK_EQ(out.gradient[39], rounded(sign * x, dtype));
          CHECK_EQ(out.gradient[0], 0.0);
          ++(rounded(x, dtype) > x ? up : down);
        }
      }
    }
  });
  CHECK(up >= 90 && down >= 90);
}

}  // namespace

TEST(kernels_are_found_by_name) {
  const IsaList isas = availableIsas();
  for (int i = 0; i < isas.count; ++i) {
    CHECK_EQ(std::string(findKernels(isas.names[i])->name), std::string(isas.names[i]));
  }
  CHECK(findKernels("baseline") != nullptr);
  CHECK(findKernels("mmx") == nullptr);
}

TEST(kernels_of_every_isa_equal_the_recursion) {
  std::mt19937 random(31);
  for (int i = 0; i < 60; ++i) {
    const int64_t classes[] = {2, 5, 8, 9, 16, 17, 31, 32, 33, 63, 64, 65, 130};
    const auto frames = 1 + static_cast<int64_t>(random() % 70);
    LossCase c = randomCase(random, frames, 1, classes[i % 13], frames * 2 / 3, dtypes[i % 4],
                            i % 5 == 0 ? 12 : 2);
    c.lengths = {frames};
    if (framesNeeded(c.targets[0].data(), static_cast<int64_t>(c.targets[0].size())) > frames) {
      c.targets[0].resize(static_cast<size_t>(frames / 2));
    }
    if (i % 6 == 0) c.values[random() % c.values.size()] = -infinity;
    if (i % 11 == 0) c.values[random() % c.values.size()] = std::nan("");
    if (framesNeeded(c.targets[0].data(), static_cast<int64_t>(c.targets[0].size())) > frames) {
      continue;
    }
    const Expected expected = recursive(c);
    forEveryIsa([&](const Kernels& kernels) {
      for (const bool wide : {false, true}) {
        const Outcome together = runKernel(kernels, c, wide, false);
        checkOutcome(together, expected, c);
        const Outcome apart = runKernel(kernels, c, wide, true);
        CHECK(sameBits(apart, together));
      }
    });
  }
}

// Where float32's exponents would end.
TEST(kernels_of_every_isa_hand_over_to_the_wide_ones) {
  std::mt19937 random(32);
  LossCase c = randomCase(random, 40, 1, 6, 0, DType::float32, 1);
  c.kind = Input::logits;
  c.lengths = {40};
  c.blank = 0;
  c.targets = {{1, 2, 3}};
  for (int64_t t = 0; t < 40; ++t) c.at(t, 0, 4) = 3e4;  // class 4 is not in the target
  const Expected expected = recursive(c);
  forEveryIsa([&](const Kernels& kernels) {
    const Outcome out = runKernel(kernels, c, false, false);
    CHECK(out.handedOver);
    checkOutcome(out, expected, c);
  });
}

// Down to where float32 ends, and with several classes that equal the maximum.
TEST(kernels_of_every_isa_keep_classes_far_below_the_maximum) {
  LossCase c;
  c.frames = 2;
  c.classes = 1500;
  c.dtype = DType::float32;
  c.targets = {{7}};
  c.lengths = {2};
  c.values.resize(static_cast<size_t>(c.frames * c.classes));
  double sum = 0;
  for (int64_t k = 0; k < c.classes; ++k) {
    const bool top = k == 7 || k == 700 || k == c.classes - 1;
    const double x = top ? 0 : k % 11 == 5 ? -infinity : -static_cast<double>(k) / 16;
    c.at(0, 0, k) = c.at(1, 0, k) = x;
    sum += std::exp(x);
  }
  forEveryIsa([&](const Kernels& kernels) {
    const Outcome out = runKernel(kernels, c, false, false);
    CHECK(!out.handedOver);
    // Three paths: the label twice, and before or after the blank, which is as probable.
    const double loss = 2 * std::log(sum) - std::log(3.0);
    CHECK(std::fabs(out.losses[0] - loss) <= 2e-7 * loss);
    for (int64_t k = 0; k < c.classes; ++k) {
      if (k == c.blank || k == 7) continue;
      const double x = c.at(0, 0, k);
      const double softmax = std::exp(x) / sum;
      const double gradient = out.gradient[c.place(0, 0, k)];
      // float32's rounding of x / ln 2, and of the rest; subnormal numbers have fewer digits.
      const double relative = std::isfinite(x) ? 1e-6 - x * 0x1p-24 : 0;
      CHECK(std::fabs(gradient - softmax) <= relative * softmax + 1.2e-38);
      CHECK(std::isfinite(x) || gradient == 0);
    }
  });
}

TEST(kernels_of_every_isa_round_16_bits_to_nearest) {
  checkRounding(DType::float16, false);
  checkRounding(DType::bfloat16, false);
}

TEST(kernels_of_every_isa_round_halfway_bfloat16_to_even) { checkRounding(DType::bfloat16, true); }

TEST(kernels_of_every_isa_round_halfway_float16_to_even) { checkRounding(DType::float16, true); }
