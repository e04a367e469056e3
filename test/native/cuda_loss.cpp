// The CUDA kernels under the emulation of grid, block and warp: every result against the CPU
// engine's, and small ones against the definition.
#include <cmath>
#include <limits>
#include <string>

#include "check.h"
#include "cuda/emulation/runtime.h"
#include "cuda/plan.h"
#include "cuda_case.h"

namespace ctc::test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Restores what a test turned.
struct Turned {
  ~Turned() {
    cuda::tuning = {};
    emulation::options = {};
    emulation::clearProblem();
  }
};

void checkBoth(const Case& c, const std::string& what, Where where = Where::host) {
  checkAgrees(solveOnDevice(c, where), solveOnCpu(c), c, what);
  if (*emulation::lastProblem() != '\0') fail(__FILE__, __LINE__, emulation::lastProblem());
}

// Every one of the C^T paths is written out and counted when it reads as the target.
double bruteForceLoss(const Case& c) {
  std::vector<int64_t> path(static_cast<size_t>(c.T), 0);
  double total = 0;
  for (;;) {
    std::vector<int32_t> read;
    double weight = 1;
    for (int64_t t = 0; t < c.T; ++t) {
      const auto label = static_cast<int32_t>(path[static_cast<size_t>(t)]);
      double sum = 0;
      for (int64_t k = 0; k < c.C; ++k) sum += std::exp(c.values[static_cast<size_t>(t * c.C + k)]);
      weight *= std::exp(c.values[static_cast<size_t>(t * c.C + label)]) / sum;
      const bool repeated = t > 0 && path[static_cast<size_t>(t - 1)] == label;
      if (label != c.blank && !repeated) read.push_back(label);
    }
    if (read == c.targets[0]) total += weight;
    size_t t = 0;
    while (t < path.size() && ++path[t] == c.C) path[t++] = 0;
    if (t == path.size()) return -std::log(total);
  }
}

TEST(cuda_matches_the_definition) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    const int64_t T = 1 + random.below(6), C = 2 + random.below(3);
    Case c = randomCase(T, 1, C, random.below(T + 1), seed);
    const Answer answer = solveOnDevice(c);
    CHECK_NEAR(answer.losses[0], bruteForceLoss(c), 1e-6);
    checkBoth(c, "seed " + std::to_string(seed));
    // Central differences of the definition.
    if (answer.status[0] != Status::ok) continue;
    for (size_t i = 0; i < c.values.size(); i += 3) {
      Case up = c, down = c;
      up.values[i] += 1e-5;
      down.values[i] -= 1e-5;
      const double slope = (bruteForceLoss(up) - bruteForceLoss(down)) / 2e-5;
      CHECK_NEAR(answer.gradient[i], slope, 2e-5);
    }
  }
}

TEST(cuda_agrees_around_every_tile_boundary) {
  const Turned turned;
  for (const int32_t pairs : {1, 2, 4}) {
    for (const int32_t warps : {1, 2, 3}) {
      const int64_t tile = int64_t{32} * pairs;
      for (const int64_t lanes : {tile, warps * tile, 2 * warps * tile}) {
        for (int64_t labels = lanes - 2; labels <= lanes; ++labels) {
          cuda::tuning.pairs = pairs;
          cuda::tuning.warps = warps;
          emulation::options.seed = static_cast<uint64_t>(labels * 3 + warps);
          const Case c =
              randomCase(labels + labels / 3 + 20, 1, 9, labels, static_cast<uint64_t>(labels));
          checkBoth(c, std::to_string(pairs) + " pairs, " + std::to_string(warps) + " warps, " +
                           std::to_string(labels) + " labels");
        }
      }
    }
  }
}

TEST(cuda_agrees_on_long_targets_with_its_own_mapping) {
  for (const int64_t labels : {255, 256, 257, 639, 640, 1023, 1024, 1300}) {
    checkBoth(randomCase(labels + labels / 4, 1, 40, labels, 5),
              std::to_string(labels) + " labels");
  }
}

TEST(cuda_agrees_around_every_row_width) {
  for (const int64_t classes : {1, 2, 31, 32, 33, 127, 128, 129, 511, 512, 513, 2047, 2048, 2049,
                                8191, 8192, 8193, 10000}) {
    checkBoth(randomCase(7, 2, classes, 3, 11), std::to_string(classes) + " classes");
    Case c = randomCase(7, 2, classes, 3, 11);
    c.dtype = DType::float64;
    checkBoth(c, std::to_string(classes) + " classes in float64");
  }
}

TEST(cuda_agrees_for_every_type_kind_and_layout) {
  uint64_t seed = 100;
  for (const DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16}) {
    for (const Input kind : {Input::logits, Input::logProbs}) {
      for (const GradientOf of : {GradientOf::input, GradientOf::softmax}) {
        for (const bool batchMajor : {false, true}) {
          for (const int64_t stride : {1, 3}) {
            for (const bool gradient : {true, false}) {
              ++seed;
              Case c = randomCase(23, 5, 6 + static_cast<int64_t>(seed % 40), 7, seed);
              c.dtype = dtype;
              c.kind = kind;
              c.gradientOf = of;
              c.batchMajor = batchMajor;
              c.classStride = stride;
              c.gradient = gradient;
              for (int64_t n = 0; n < c.N; ++n) {
                c.scales.push_back(0.5 + static_cast<double>(n));
              }
              checkBoth(c, "host, seed " + std::to_string(seed));
              checkBoth(c, "device, seed " + std::to_string(seed), Where::device);
              checkBoth(c, "pinned, seed " + std::to_string(seed), Where::pinned);
            }
          }
        }
      }
    }
  }
}

TEST(cuda_agrees_on_status) {
  for (const Input kind : {Input::logits, Input::logProbs}) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      for (const Where where : {Where::host, Where::device}) {
        Case c = randomCase(12, 9, 5, 4, 3);
        c.dtype = dtype;
        c.kind = kind;
        c.blank = 0;
        const std::vector<int32_t> target{1, 2, 2, 3};
        c.targets.assign(9, target);
        c.lengths.assign(9, 12);
        c.lengths[0] = 4;  // too short: needs 5
        c.lengths[1] = 0;
        c.targets[2] = {};
        c.lengths[2] = 0;
        c.at(5, 3, 2) = std::nan("");
        c.at(5, 4, 4) = infinity;  // a class that the lattice does not use
        for (int64_t k = 0; k < 5; ++k) c.at(6, 5, k) = -infinity;
        for (int64_t t = 0; t < 12; ++t) c.at(t, 6, 3) = -infinity;  // a label that never is
        c.at(2, 7, 1) = -infinity;
        c.at(3, 7, 4) = -infinity;
        c.targets[8] = {};
        checkBoth(c, "statuses", where);
        c.gradient = false;
        checkBoth(c, "statuses without a gradient", where);
      }
    }
  }
}

TEST(cuda_agrees_on_extreme_numbers) {
  Case c = randomCase(40, 6, 7, 9, 8);
  for (int64_t t = 0; t < c.T; ++t) {
    for (int64_t k = 0; k < c.C; ++k) {
      c.at(t, 1, k) *= 1e3;   // peaky: float32's exponents do
      c.at(t, 2, k) *= 1e6;   // float64 has to take over
      c.at(t, 3, k) *= 1e12;  // and no digit of a loss below 1e4 is left
      c.at(t, 4, k) += 1e4;   // digits lost to an offset
    }
  }
  c.scales.assign(6, 1);
  c.scales[5] = 1e-35;
  checkBoth(c, "extreme logits");
  c.kind = Input::logProbs;
  for (double& value : c.values) value = -std::fabs(value);
  checkBoth(c, "extreme log-probabilities");
  // A misaligned, confident model: plain float32 in the log domain loses digits here.
  Case peaky = randomCase(500, 1, 30, 60, 9, 0.1);
  for (int64_t t = 0; t < peaky.T; ++t) peaky.at(t, 0, (t * 7) % 30) = 30;
  checkBoth(peaky, "peaky");
}

TEST(cuda_keeps_its_bits_in_any_batch_mapping_and_order) {
  const Turned turned;
  Case c = randomCase(90, 7, 33, 50, 21);
  for (int64_t n = 0; n < c.N; ++n) c.scales.push_back(1.0 / static_cast<double>(n + 3));
  const Answer whole = solveOnDevice(c);
  for (const Where where : {Where::host, Where::device, Where::pinned}) {
    CHECK(identical(solveOnDevice(c, where), whole));
  }
  for (int64_t n = 0; n < c.N; ++n) {
    const Answer alone = solveOnDevice(c.part({n}));
    CHECK_EQ(alone.losses[0], whole.losses[static_cast<size_t>(n)]);
    for (int64_t t = 0; t < c.T; ++t) {
      for (int64_t k = 0; k < c.C; ++k) {
        CHECK_EQ(alone.gradient[static_cast<size_t>(t * c.C + k)],
                 whole.gradient[static_cast<size_t>((t * c.N + n) * c.C + k)]);
      }
    }
  }
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    emulation::options.seed = seed;
    cuda::tuning.pairs = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 2 : 4;
    cuda::tuning.warps = 1 + static_cast<int32_t>(seed % 4);
    cuda::tuning.blockFrames = seed % 2 == 0 ? 0 : 1 + static_cast<int32_t>(seed * 3);
    cuda::tuning.chunk = static_cast<int32_t>(seed % 5);
    CHECK(identical(solveOnDevice(c), whole));
  }
}

TEST(cuda_recomputes_kept_rows_from_checkpoints) {
  const Turned turned;
  for (const int64_t T : {1, 2, 3, 16, 17, 31, 32, 33, 64, 65}) {
    for (const int32_t blockFrames : {1, 2, 3, 7, 8, 16}) {
      cuda::tuning.blockFrames = blockFrames;
      checkBoth(randomCase(T, 2, 5, T / 2, static_cast<uint64_t>(T)),
                std::to_string(T) + " frames in blocks of " + std::to_string(blockFrames));
    }
  }
}

TEST(cuda_takes_batches_of_nothing) {
  for (const auto& [T, N] : {std::pair<int64_t, int64_t>{0, 3}, {4, 0}, {0, 0}}) {
    Case c = randomCase(T, N, 3, 0, 1);
    checkBoth(c, "nothing");
    checkBoth(c, "nothing on the device", Where::device);
  }
}

TEST(cuda_takes_long_utterances) {
  Case c = randomCase(12000, 1, 5, 40, 77, 1);
  checkBoth(c, "12000 frames");
}

}  // namespace
}  // namespace ctc::test
