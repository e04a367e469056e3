// Greedy decoding, alignment and posteriors under the emulation of grid, block and warp: labels,
// frames and statuses equal the CPU's, also where paths tie; numbers but for rounding.
#include <cmath>
#include <limits>
#include <string>

#include "check.h"
#include "ctc/lattice.h"
#include "cuda/emulation/runtime.h"
#include "cuda/plan.h"
#include "cuda_path_case.h"

namespace ctc::test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Restores what a test turned.
struct Turned {
  ~Turned() {
    cuda::tuning = {};
    emulation::options = {};
    emulation::clearProblem();
    emulated().trim();
  }
};

// Log-sum-exps of float32 and narrower input are formed in float32, but for posteriors.
double toleranceOf(Call call, const Case& c) {
  const bool wide = call == Call::posteriors || call == Call::recursions;
  return wide || c.dtype == DType::float64 ? 1e-11 : 1e-6;
}

void checkCall(Call call, const Case& c, const std::string& what, Where where = Where::host) {
  checkSame(findOnDevice(call, c, where), findOnCpu(call, c), toleranceOf(call, c),
            std::string(nameOf(call)) + ", " + what);
  if (*emulation::lastProblem() != '\0') fail(__FILE__, __LINE__, emulation::lastProblem());
}

void checkAll(const Case& c, const std::string& what, Where where = Where::host) {
  for (const Call call : allCalls) checkCall(call, c, what, where);
}

// Whole numbers: many classes and many paths tie.
Case tied(Case c) {
  for (double& value : c.values) value = std::round(value / 2);
  return c;
}

TEST(cuda_paths_match_the_definition) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    const int64_t T = 1 + random.below(6), C = 2 + random.below(3);
    const Case c = randomCase(T, 1, C, random.below(T + 1), seed);
    // Every one of the C^T paths: the best that reads as the target, and the sum of all.
    double best = 0, total = 0;
    std::vector<int32_t> path(static_cast<size_t>(T), 0);
    for (size_t end = 0; end < path.size();) {
      std::vector<int32_t> read;
      double weight = 1;
      for (int64_t t = 0; t < T; ++t) {
        const int32_t label = path[static_cast<size_t>(t)];
        const auto row = c.values.begin() + t * C;
        double sum = 0;
        for (int64_t k = 0; k < C; ++k) sum += std::exp(row[k]);
        weight *= std::exp(row[label]) / sum;
        const bool repeated = t > 0 && path[static_cast<size_t>(t - 1)] == label;
        if (label != c.blank && !repeated) read.push_back(label);
      }
      if (read == c.targets[0]) {
        best = std::fmax(best, weight);
        total += weight;
      }
      for (end = 0; end < path.size() && ++path[end] == C; ++end) path[end] = 0;
    }
    const Found aligned = findOnDevice(Call::align, c);
    CHECK_NEAR(aligned.rounded.back(), std::log(best), 1e-6);
    const Found posteriors = findOnDevice(Call::posteriors, c);
    CHECK_NEAR(posteriors.rounded.front(), -std::log(total), 1e-6);
    checkAll(c, "seed " + std::to_string(seed));
    checkAll(tied(c), "ties, seed " + std::to_string(seed));
  }
}

TEST(cuda_paths_agree_around_every_tile_boundary) {
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
          const Case c = randomCase(labels + labels / 3 + 20, 1, 9, labels, seed);
          const std::string what = std::to_string(pairs) + " pairs, " + std::to_string(warps) +
                                   " warps, " + std::to_string(labels) + " labels";
          checkCall(Call::align, tied(c), what);
          checkCall(Call::alignStar, tied(c), what);
          // Posteriors have one lane a thread.
          if (pairs == 1) checkCall(Call::recursions, c, what);
        }
      }
    }
  }
}

// With few frames to spare a path has to hurry: tiles have nothing to do before its earliest and
// after its latest time. Memory that was never written is NaN.
TEST(cuda_paths_agree_with_few_frames_to_spare) {
  const Turned turned;
  for (const int32_t pairs : {1, 2, 4}) {
    for (const int32_t warps : {1, 2, 3}) {
      const int64_t lanes = int64_t{32} * pairs * warps;
      for (const int64_t labels : {lanes - 1, lanes, 2 * lanes + 17}) {
        for (const int64_t spare : {0, 1, 15, 16, 17, 40}) {
          cuda::tuning.pairs = pairs;
          cuda::tuning.warps = warps;
          cuda::tuning.blockFrames = spare % 2 == 0 ? 32 : 0;
          const auto seed = static_cast<uint64_t>(labels * 3 + spare);
          emulation::options.seed = seed;
          Case c = randomCase(labels, 1, 9, labels, seed);
          const auto needed = framesNeeded(c.targets[0].data(), labels);
          const std::vector<int32_t> target = c.targets[0];
          c = randomCase(needed + spare, 1, 9, labels, seed);
          c.targets[0] = target;
          emulated().trim();
          const std::string what = std::to_string(pairs) + " pairs, " + std::to_string(warps) +
                                   " warps, " + std::to_string(labels) + " labels, " +
                                   std::to_string(spare) + " frames to spare";
          checkCall(Call::align, tied(c), what);
          checkCall(Call::alignStar, tied(c), what);
        }
      }
    }
  }
}

TEST(cuda_paths_agree_on_long_targets_with_their_own_mapping) {
  for (const int64_t labels : {255, 256, 257, 639, 640, 1023, 1024, 1300}) {
    const Case c = randomCase(labels + labels / 4, 1, 40, labels, 5);
    checkCall(Call::align, tied(c), std::to_string(labels) + " labels");
    if (labels < 300) checkCall(Call::posteriors, c, std::to_string(labels) + " labels");
  }
}

TEST(cuda_paths_agree_around_every_row_width) {
  for (const int64_t classes : {1, 2, 31, 32, 33, 127, 128, 129, 511, 512, 513, 2047, 2048, 2049,
                                8191, 8192, 8193, 10000}) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      Case c = randomCase(7, 2, classes, 3, 11);
      c.dtype = dtype;
      const std::string what = std::to_string(classes) + " classes";
      for (const Call call : {Call::greedy, Call::align, Call::alignStarLabel}) {
        checkCall(call, c, what);
        checkCall(call, tied(c), what + ", ties");
      }
      checkCall(Call::posteriors, c, what);
    }
  }
}

TEST(cuda_paths_agree_for_every_type_kind_and_layout) {
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
          for (const Where where : {Where::host, Where::device, Where::pinned}) {
            checkAll(c, "seed " + std::to_string(seed), where);
            checkAll(tied(c), "ties, seed " + std::to_string(seed), where);
          }
        }
      }
    }
  }
}

TEST(cuda_paths_agree_on_status) {
  for (const Input kind : {Input::logits, Input::logProbs}) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      for (const Where where : {Where::host, Where::device}) {
        Case c = randomCase(12, 10, 5, 4, 3);
        c.dtype = dtype;
        c.kind = kind;
        c.blank = 0;
        const std::vector<int32_t> target{1, 2, 2, 3};
        c.targets.assign(10, target);
        c.lengths.assign(10, 12);
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
        for (int64_t k = 1; k < 5; ++k) c.at(4, 9, k) = -infinity;  // nothing but the blank
        checkAll(c, "statuses", where);
      }
    }
  }
}

TEST(cuda_paths_agree_on_extreme_numbers) {
  Case c = randomCase(40, 5, 7, 9, 8);
  for (int64_t t = 0; t < c.T; ++t) {
    for (int64_t k = 0; k < c.C; ++k) {
      c.at(t, 1, k) *= 1e3;
      c.at(t, 2, k) *= 1e6;
      c.at(t, 3, k) *= 1e12;
      c.at(t, 4, k) += 1e4;
    }
  }
  checkAll(c, "extreme logits");
  c.kind = Input::logProbs;
  for (double& value : c.values) value = -std::fabs(value);
  checkAll(c, "extreme log-probabilities");
}

TEST(cuda_paths_keep_their_bits_in_any_batch_mapping_and_order) {
  const Turned turned;
  const Case c = tied(randomCase(90, 5, 33, 50, 21));
  for (const Call call : allCalls) {
    cuda::tuning = {};
    emulation::options.seed = 1;
    const Found whole = findOnDevice(call, c);
    CHECK_EQ(whole.result, 0);
    for (const Where where : {Where::device, Where::pinned}) {
      CHECK(identical(findOnDevice(call, c, where), whole));
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
    // Alone as in the batch.
    for (int64_t n = 0; n < c.N; ++n) {
      checkSame(findOnDevice(call, c.part({n})), findOnCpu(call, c.part({n})), toleranceOf(call, c),
                nameOf(call));
    }
  }
}

TEST(cuda_paths_are_followed_through_checkpoints) {
  const Turned turned;
  cuda::tuning.blockFrames = 32;
  for (const int64_t T : {31, 32, 33, 63, 64, 65, 96, 97, 200}) {
    for (const int64_t labels : {int64_t{0}, int64_t{1}, T / 3, T / 2}) {
      const auto seed = static_cast<uint64_t>(T + labels);
      emulation::options.seed = seed;
      const Case c = randomCase(T, 2, 5, labels, seed);
      const std::string what = std::to_string(T) + " frames, " + std::to_string(labels) + " labels";
      checkCall(Call::align, tied(c), what);
      checkCall(Call::alignStar, tied(c), what);
      cuda::tuning.warps = 2;
      cuda::tuning.pairs = 1;
      checkCall(Call::align, tied(c), what + ", two warps");
      cuda::tuning.warps = cuda::tuning.pairs = 0;
    }
  }
  for (const int32_t blockFrames : {1, 2, 7, 16}) {
    cuda::tuning.blockFrames = blockFrames;
    checkCall(Call::recursions, randomCase(41, 2, 5, 15, 3), std::to_string(blockFrames));
  }
}

TEST(cuda_paths_take_batches_of_nothing) {
  for (const auto& [T, N] : {std::pair<int64_t, int64_t>{0, 3}, {4, 0}, {0, 0}}) {
    const Case c = randomCase(T, N, 3, 0, 1);
    checkAll(c, "nothing");
    checkAll(c, "nothing on the device", Where::device);
  }
}

TEST(cuda_paths_take_long_utterances) {
  const Case c = randomCase(12000, 1, 5, 40, 77, 1);
  checkCall(Call::greedy, c, "12000 frames");
  checkCall(Call::align, tied(c), "12000 frames");
  // One label held for long.
  Case held = randomCase(3000, 1, 5, 1, 7);
  for (int64_t t = 10; t < held.T - 10; ++t) held.at(t, 0, held.targets[0][0]) = 9;
  checkAll(held, "one label");
}

TEST(cuda_paths_survive_the_failure_of_any_call) {
  const Turned turned;
  const Case c = randomCase(20, 3, 7, 5, 2);
  for (const Call function : {Call::greedy, Call::align, Call::recursions}) {
    const Found expected = findOnDevice(function, c);
    emulated().trim();
    const int64_t before = emulation::deviceBytes() + emulation::pinnedBytes();
    for (const char* call :
         {"cudaMalloc", "cudaMallocHost", "cudaEventRecord", "cudaEventSynchronize",
          "cudaMemcpyAsync", "cudaLaunchKernelEx", "kernel"}) {
      int failed = 0;
      for (const int nth : {1, 2, 3, 4}) {
        for (const cudaError_t error : {cudaErrorLaunchFailure, cudaErrorMemoryAllocation}) {
          if (std::string(call) == "kernel" && error == cudaErrorMemoryAllocation) continue;
          emulated().trim();
          emulation::options.failingCall = call;
          emulation::options.failingCount = nth;
          emulation::options.failure = error;
          const Found found = findOnDevice(function, c);
          const bool came = emulation::options.failingCount <= 0;
          emulation::options.failingCall = nullptr;
          failed += found.result != 0;
          if (found.result == 0) {
            CHECK(!came || error == cudaErrorMemoryAllocation);
            CHECK(identical(found, expected));
          } else {
            CHECK_EQ(found.result, error == cudaErrorMemoryAllocation
                                       ? static_cast<int32_t>(Result::outOfMemory)
                                       : deviceFailure + static_cast<int32_t>(error));
          }
          if (!identical(findOnDevice(function, c), expected)) {
            fail(__FILE__, __LINE__, std::string("the next call fails after ") + call);
          }
        }
      }
      if (failed == 0) fail(__FILE__, __LINE__, std::string(call) + " never failed");
    }
    emulated().trim();
    CHECK_EQ(emulation::deviceBytes() + emulation::pinnedBytes(), before);
  }
}

TEST(cuda_paths_work_in_smaller_parts_where_memory_is_short) {
  const Turned turned;
  const Case c = randomCase(300, 6, 50, 60, 6);
  for (const Call call : {Call::greedy, Call::align, Call::posteriors}) {
    emulation::options.memoryBytes = int64_t{1} << 31;
    const Found expected = findOnDevice(call, c);
    bool ran = false, refused = false;
    for (int64_t bytes = int64_t{1} << 24; bytes >= 1024; bytes /= 2) {
      emulated().trim();
      emulation::options.memoryBytes = bytes;
      const Found found = findOnDevice(call, c);
      ran = ran || found.result == 0;
      refused = refused || found.result != 0;
      if (found.result == 0) {
        CHECK(!refused);
        CHECK(identical(found, expected));
      } else {
        CHECK_EQ(found.result, static_cast<int32_t>(Result::outOfMemory));
      }
    }
    CHECK(ran && refused);
    emulated().trim();
  }
}

}  // namespace
}  // namespace ctc::test
