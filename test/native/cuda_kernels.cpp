// Every function's kernels under the emulation of grid, block and warp: every result against the
// CPU engine's, and small ones against the definition.
#include <cmath>
#include <string>

#include "check.h"
#include "cuda/emulation/runtime.h"
#include "cuda/plan.h"
#include "cuda_call.h"

namespace ctc::test {
namespace {

void checkAll(const Case& c, const std::string& what, Where where = Where::host) {
  for (const Call call : allCalls) checkAgrees(call, c, what, where);
}

// What depends on how lanes are spread over threads. Posteriors have one lane a thread.
void checkLattices(const Case& c, const std::string& what) {
  checkAgrees(Call::loss, c, what);
  checkAgrees(Call::align, c.tied(), what);
  checkAgrees(Call::alignStar, c.tied(), what);
  if (cuda::tuning.pairs <= 1) checkAgrees(Call::recursions, c, what);
}

TEST(cuda_matches_the_definition) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    const int64_t T = 1 + random.below(6), C = 2 + random.below(3);
    Case c = randomCase(T, 1, C, random.below(T + 1), seed);
    c.dtype = seed % 2 == 0 ? DType::float64 : DType::float32;
    const double tolerance = seed % 2 == 0 ? 1e-11 : 1e-6;
    const Enumerated paths = enumeratePaths(c);
    const Found loss = findOnDevice(Call::loss, c).utterances[0];
    const Found posteriors = findOnDevice(Call::posteriors, c).utterances[0];
    const Found path = findOnDevice(Call::align, c).utterances[0];
    CHECK_NEAR(loss.rounded[0], -std::log(paths.total), tolerance);
    CHECK_NEAR(posteriors.rounded[0], -std::log(paths.total), tolerance);
    CHECK_NEAR(path.rounded[0], std::log(paths.best), tolerance);
    checkAll(c, "seed " + std::to_string(seed));
    checkAll(c.tied(), "ties, seed " + std::to_string(seed));
    // Central differences of the definition.
    if (loss.exact[0] != static_cast<int64_t>(Status::ok)) continue;
    for (size_t i = 0; i < c.values.size(); i += 3) {
      Case up = c, down = c;
      up.values[i] += 1e-5;
      down.values[i] -= 1e-5;
      const double change = std::log(enumeratePaths(down).total / enumeratePaths(up).total);
      CHECK_NEAR(loss.gradient[i], change / 2e-5, 2e-5);
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
          const auto seed = static_cast<uint64_t>(labels * 3 + warps);
          emulation::options.seed = seed;
          checkLattices(randomCase(labels + labels / 3 + 20, 1, 9, labels, seed),
                        std::to_string(pairs) + " pairs, " + std::to_string(warps) + " warps, " +
                            std::to_string(labels) + " labels");
        }
      }
    }
  }
}

// With few frames to spare a path has to hurry: tiles have nothing to do before its earliest and
// after its latest time. Memory that was never written is NaN.
TEST(cuda_agrees_with_few_frames_to_spare) {
  const Turned turned;
  for (const auto& [pairs, warps] : {std::pair{1, 2}, {1, 3}, {2, 1}, {4, 2}}) {
    const int64_t lanes = int64_t{32} * pairs * warps;
    for (const int64_t labels : {lanes, 2 * lanes + 17}) {
      for (const int64_t spare : {0, 1, 16, 17, 40}) {
        cuda::tuning.pairs = pairs;
        cuda::tuning.warps = warps;
        cuda::tuning.blockFrames = spare % 2 == 1 ? 0 : spare == 40 ? 32 : 64;
        const auto seed = static_cast<uint64_t>(labels * 3 + spare);
        emulation::options.seed = seed;
        const std::string what = std::to_string(pairs) + " pairs, " + std::to_string(warps) +
                                 " warps, " + std::to_string(labels) + " labels, " +
                                 std::to_string(spare) + " frames to spare";
        for (const bool repeats : {false, true}) {
          const Case c = tightCase(spare, 9, labels, seed, repeats);
          for (const Call call : {Call::loss, Call::align}) {
            emulated().trim();
            checkAgrees(call, c.tied(), what);
          }
        }
      }
    }
  }
}

TEST(cuda_agrees_on_long_targets_with_its_own_mapping) {
  for (const int64_t labels : {255, 256, 257, 639, 640, 1023, 1024, 1300}) {
    const Case c = randomCase(labels + labels / 4, 1, 40, labels, 5);
    const std::string what = std::to_string(labels) + " labels";
    checkAgrees(Call::loss, c, what);
    checkAgrees(Call::align, c.tied(), what);
    if (labels <= 640) checkAgrees(Call::posteriors, c, what);
  }
}

TEST(cuda_agrees_around_every_row_width) {
  for (const int64_t classes : {1, 2, 31, 32, 33, 127, 128, 129, 511, 512, 513, 2047, 2048, 2049,
                                8191, 8192, 8193, 10000}) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      Case c = randomCase(7, 2, classes, 3, 11);
      c.dtype = dtype;
      const std::string what = std::to_string(classes) + " classes";
      for (const Call call : {Call::loss, Call::greedy, Call::align, Call::alignStarLabel}) {
        checkAgrees(call, c, what);
        checkAgrees(call, c.tied(), what + ", ties");
      }
      checkAgrees(Call::posteriors, c, what);
    }
  }
}

TEST(cuda_agrees_for_every_type_kind_and_layout) {
  uint64_t seed = 100;
  for (const DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16}) {
    for (const Input kind : {Input::logits, Input::logProbs}) {
      for (const bool batchMajor : {false, true}) {
        for (const int64_t stride : {1, 3}) {
          ++seed;
          Case c = randomCase(23, 5, 6 + static_cast<int64_t>(seed % 40), 7, seed);
          c.dtype = dtype;
          c.kind = kind;
          c.batchMajor = batchMajor;
          c.classStride = stride;
          for (int64_t n = 0; n < c.N; ++n) c.scales.push_back(0.5 + static_cast<double>(n));
          const std::string what = "seed " + std::to_string(seed);
          checkAll(c, what);
          for (const Call call : {Call::greedy, Call::greedyUnmerged, Call::align}) {
            checkAgrees(call, c.tied(), "ties, " + what);
          }
          Case other = c;
          other.gradientOf = GradientOf::softmax;
          checkAgrees(Call::loss, other, "PyTorch's gradient, " + what);
          // Where the input is makes no difference beyond that.
          for (const Call call : {Call::loss, Call::greedy, Call::align, Call::recursions}) {
            checkAgrees(call, c, "on the device, " + what, Where::device);
            checkAgrees(call, c, "page-locked, " + what, Where::pinned);
          }
        }
      }
    }
  }
}

TEST(cuda_agrees_on_status) {
  for (const Input kind : {Input::logits, Input::logProbs}) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      const Case c = statusCase(dtype, kind);
      for (const Where where : {Where::host, Where::device}) checkAll(c, "statuses", where);
    }
  }
}

TEST(cuda_agrees_on_extreme_numbers) {
  checkAll(extremeCase(Input::logits), "extreme logits");
  checkAll(extremeCase(Input::logProbs), "extreme log-probabilities");
  // A misaligned, confident model: plain float32 in the log domain loses digits here.
  Case peaky = randomCase(500, 1, 30, 60, 9, 0.1);
  for (int64_t t = 0; t < peaky.T; ++t) peaky.at(t, 0, (t * 7) % 30) = 30;
  checkAll(peaky, "peaky");
}

// Also where an exponential is Infinity, as those of log-probabilities of any size may be.
TEST(cuda_writes_no_gradient_of_weight_0) {
  for (const DType dtype : {DType::float32, DType::float64, DType::float16}) {
    Case c = randomCase(9, 2, 6, 3, 61);
    c.dtype = dtype;
    c.kind = Input::logProbs;
    c.gradientOf = GradientOf::softmax;
    c.scales = {0, 1};
    c.at(2, 0, c.targets[0][1]) = 800;
    c.at(3, 0, 5) = 800;
    const Answer found = findOnDevice(Call::loss, c);
    for (const double g : found.utterances[0].gradient) CHECK(g == 0);
    checkAgrees(Call::loss, c, "weight 0");
  }
}

TEST(cuda_keeps_its_bits_in_any_batch_mapping_and_order) {
  const Turned turned;
  Case c = randomCase(90, 6, 33, 50, 21);
  for (int64_t n = 0; n < c.N; ++n) c.scales.push_back(1.0 / static_cast<double>(n + 3));
  for (const Call call : allCalls) {
    cuda::tuning = {};
    emulation::options.seed = 1;
    const Answer whole = findOnDevice(call, c);
    CHECK_EQ(whole.result, 0);
    for (const Where where : {Where::host, Where::device, Where::pinned}) {
      CHECK(identical(findOnDevice(call, c, where), whole));
    }
    for (int64_t n = 0; n < c.N; ++n) {
      const Found& inBatch = whole.utterances[static_cast<size_t>(n)];
      CHECK(identical(findOnDevice(call, c.part({n})).utterances[0], inBatch));
      const Answer three = findOnDevice(call, c.part({(n + 1) % c.N, n, (n + 4) % c.N}));
      CHECK(identical(three.utterances[1], inBatch));
    }
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      emulation::options.seed = seed;
      cuda::tuning.pairs = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 2 : 4;
      cuda::tuning.warps = 1 + static_cast<int32_t>(seed % 4);
      cuda::tuning.blockFrames = seed % 2 == 0 ? 0 : 1 + static_cast<int32_t>(seed * 3);
      cuda::tuning.chunk = static_cast<int32_t>(seed % 5);
      if (!identical(findOnDevice(call, c), whole)) {
        fail(__FILE__, __LINE__, std::string(nameOf(call)) + ", seed " + std::to_string(seed));
      }
    }
  }
}

TEST(cuda_recomputes_what_it_did_not_keep_from_checkpoints) {
  const Turned turned;
  for (const int64_t T : {1, 2, 3, 16, 17, 31, 32, 33, 64, 65}) {
    for (const int32_t blockFrames : {1, 2, 3, 7, 8, 16}) {
      cuda::tuning.blockFrames = blockFrames;
      const Case c = randomCase(T, 2, 5, T / 2, static_cast<uint64_t>(T));
      const std::string what =
          std::to_string(T) + " frames in blocks of " + std::to_string(blockFrames);
      checkAgrees(Call::loss, c, what);
      checkAgrees(Call::recursions, c, what);
    }
  }
  // Steps of a path are kept for whole windows of 32 frames.
  cuda::tuning.blockFrames = 32;
  for (const int64_t T : {31, 32, 33, 63, 64, 65, 96, 97, 200}) {
    for (const int64_t labels : {int64_t{0}, int64_t{1}, T / 3, T / 2}) {
      for (const int32_t warps : {0, 2}) {
        cuda::tuning.warps = warps;
        cuda::tuning.pairs = warps == 0 ? 0 : 1;
        const auto seed = static_cast<uint64_t>(T + labels);
        emulation::options.seed = seed;
        const Case c = randomCase(T, 2, 5, labels, seed).tied();
        const std::string what = std::to_string(T) + " frames, " + std::to_string(labels) +
                                 " labels, " + std::to_string(warps) + " warps";
        checkAgrees(Call::align, c, what);
        checkAgrees(Call::alignStar, c, what);
      }
    }
  }
}

TEST(cuda_takes_batches_of_nothing) {
  for (const auto& [T, N] : {std::pair<int64_t, int64_t>{0, 3}, {4, 0}, {0, 0}}) {
    const Case c = randomCase(T, N, 3, 0, 1);
    checkAll(c, "nothing");
    checkAll(c, "nothing on the device", Where::device);
  }
}

TEST(cuda_takes_long_utterances) {
  const Case c = randomCase(12000, 1, 5, 40, 77, 1);
  for (const Call call : {Call::loss, Call::greedy, Call::align, Call::posteriors}) {
    checkAgrees(call, call == Call::align ? c.tied() : c, "12000 frames");
  }
  // One label held for long.
  Case held = randomCase(3000, 1, 5, 1, 7);
  for (int64_t t = 10; t < held.T - 10; ++t) held.at(t, 0, held.targets[0][0]) = 9;
  checkAll(held, "one label");
}

}  // namespace
}  // namespace ctc::test
