#include "ctc/align.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <new>
#include <vector>

#include "core/align_utterance.h"
#include "core/check.h"
#include "core/pool.h"

namespace ctc {
namespace {

using namespace aligner;

void alignUtterance(const AlignProblem& problem, int64_t n, int threads) {
  const int64_t stride = problem.input.frames;
  const int64_t frames = problem.inputLengths[n];
  const int64_t firstLabel = problem.targets.offsets[n];
  const int64_t labels = problem.targets.offsets[n + 1] - firstLabel;
  const Output out{problem.labels + n * stride, problem.logProbs + n * stride,
                   problem.starts + firstLabel, problem.ends + firstLabel,
                   problem.scores + firstLabel};
  std::fill_n(out.labels, stride, problem.blank);
  std::fill_n(out.logProbs, stride, 0.0);
  std::fill_n(out.starts, labels, int64_t{0});
  std::fill_n(out.ends, labels, int64_t{0});
  std::fill_n(out.scores, labels, 0.0);
  problem.status[n] = Status::infeasible;
  problem.totals[n] = minusInfinity;

  Utterance u;
  u.problem = &problem;
  u.index = n;
  u.frames = frames;
  u.labels = labels;
  u.target = problem.targets.labels + firstLabel;
  u.star = static_cast<int32_t>(problem.input.classes);
  u.sweep = activeSweep();
  if (!fits(u)) return;
  if (!prepare(u, threads)) {
    problem.status[n] = Status::nonfinite;
    problem.totals[n] = std::numeric_limits<double>::quiet_NaN();
    return;
  }
  double score = minusInfinity;
  if (!findPath(u, threads, out, &score)) return;  // the whole call is cancelled
  if (score == minusInfinity) return;
  double total = 0;
  for (int64_t t = 0; t < frames; ++t) total += out.logProbs[t];
  for (int64_t i = 0; i < labels; ++i) {
    out.scores[i] /= static_cast<double>(out.ends[i] - out.starts[i]);
  }
  problem.totals[n] = total;
  problem.status[n] = Status::ok;
}

// Utterances of more cells than this use all threads one after another; smaller ones share them.
constexpr int64_t largeCells = 8 * blockFrames * tilePositions;

Result alignBatch(const AlignProblem& problem) {
  const int64_t* offsets = problem.targets.offsets;
  std::vector<int64_t> small, large;
  for (int64_t n = 0; n < problem.input.utterances; ++n) {
    const int64_t cells = problem.inputLengths[n] * (offsets[n + 1] - offsets[n] + 1);
    (cells > largeCells ? large : small).push_back(n);
  }
  std::atomic<bool> outOfMemory{false};
  const auto run = [&](int64_t n, int threads) {
    if (isCancelled(problem) || outOfMemory) return;
    try {
      alignUtterance(problem, n, threads);
    } catch (const std::bad_alloc&) {
      outOfMemory = true;
    }
  };
  parallelFor(problem.execution.threads, static_cast<int64_t>(small.size()),
              [&](int64_t task, int) { run(small[static_cast<size_t>(task)], 1); });
  for (const int64_t n : large) run(n, problem.execution.threads);
  if (outOfMemory) return Result::outOfMemory;
  return isCancelled(problem) ? Result::cancelled : Result::ok;
}

}  // namespace

Result align(const AlignProblem& problem, int64_t* badUtterance) {
  if (!alignable(problem, badUtterance)) return Result::badArgument;
  try {
    return alignBatch(problem);
  } catch (const std::bad_alloc&) {
    return Result::outOfMemory;
  }
}

}  // namespace ctc
