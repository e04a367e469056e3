#include "cuda/align.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "cuda/sequences.h"
#include "cuda/turns.h"
#include "cuda/viterbi.cuh"

namespace ctc {
namespace cuda {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

cudaError_t launchPaths(const SequenceBatch& batch, const Mapping& mapping, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(batch.count));
  const int threads = mapping.warps * warpSize32;
  if (mapping.pairs == 4) return launch(pathKernel<4>, grid, threads, stream, batch);
  if (mapping.pairs == 2) return launch(pathKernel<2>, grid, threads, stream, batch);
  return launch(pathKernel<1>, grid, threads, stream, batch);
}

class Align {
 public:
  Align(int32_t device, const AlignProblem& problem, Placement placement, Budget budget)
      : problem_(problem),
        budget_(budget),
        lease_(device),
        source_(problem.input, placement.inputOnDevice != 0, device) {}

  void run() {
    std::vector<int64_t> list;
    int64_t labels = 0;
    for (int64_t n = 0; n < problem_.input.utterances; ++n) {
      clear(n);
      if (!fits(n)) continue;
      if (problem_.inputLengths[n] == 0) {
        problem_.status[n] = Status::ok;
        problem_.totals[n] = 0;
        continue;
      }
      labels = std::max(labels, labelCount(n));
      list.push_back(n);
    }
    Mapping mapping = mappingFor(static_cast<int32_t>(labels), false);
    if (tuning.pairs > 0) mapping.pairs = tuning.pairs;
    if (tuning.warps > 0) mapping.warps = tuning.warps;
    std::optional<SequenceChunk> chunks[2];
    const auto put = [&](int which, int64_t at) {
      SequenceChunk& chunk =
          chunks[which].emplace(problem_.input, problem_.blank, source_, budget_, mapping);
      for (; at < static_cast<int64_t>(list.size()); ++at) {
        const int64_t n = list[static_cast<size_t>(at)];
        const Target target = {labelsOf(n), static_cast<int32_t>(labelCount(n)), star()};
        if (!chunk.add(n, problem_.inputLengths[n], &target)) break;
      }
      enqueue(lease_->pipes[which], chunk, mapping);
      return at;
    };
    takeTurns(static_cast<int64_t>(list.size()), 2, problem_.execution, put,
              [&](int which) { collect(lease_->pipes[which], *chunks[which]); });
  }

 private:
  int64_t labelCount(int64_t n) const {
    return problem_.targets.offsets[n + 1] - problem_.targets.offsets[n];
  }
  const int32_t* labelsOf(int64_t n) const {
    return problem_.targets.labels + problem_.targets.offsets[n];
  }
  int32_t star() const {
    return problem_.star == Star::none ? -1 : static_cast<int32_t>(problem_.input.classes);
  }

  // Whether there are enough frames for the labels and the blanks between repeated ones; stars
  // need none.
  bool fits(int64_t n) const {
    const int32_t* const labels = labelsOf(n);
    int64_t needed = labelCount(n);
    for (int64_t i = 1; i < labelCount(n); ++i) {
      needed += labels[i] == labels[i - 1] && labels[i] != star();
    }
    return needed <= problem_.inputLengths[n];
  }

  // An infeasible utterance's results.
  void clear(int64_t n) const {
    const int64_t frames = problem_.input.frames;
    const int64_t first = problem_.targets.offsets[n];
    std::fill_n(problem_.labels + n * frames, frames, problem_.blank);
    std::fill_n(problem_.logProbs + n * frames, frames, 0.0);
    std::fill_n(problem_.starts + first, labelCount(n), int64_t{0});
    std::fill_n(problem_.ends + first, labelCount(n), int64_t{0});
    std::fill_n(problem_.scores + first, labelCount(n), 0.0);
    problem_.status[n] = Status::infeasible;
    problem_.totals[n] = -infinity;
  }

  void enqueue(Pipe& pipe, const SequenceChunk& chunk, const Mapping& mapping) const {
    SequenceBatch batch = provideSequences(pipe, chunk, false, source_, problem_.input);
    batch.blank = problem_.blank;
    batch.inputIsLogProbs = problem_.inputKind == Input::logProbs;
    batch.star = static_cast<int32_t>(problem_.star);
    check(launchFrames(batch, problem_.input.dtype, chunk.longest(), pipe.stream));
    check(launchPaths(batch, mapping, pipe.stream));
    check(launch(spanKernel, dim3(static_cast<unsigned>(batch.count)), warpSize32, pipe.stream,
                 batch));
    bringBack(pipe, chunk, false, batch);
  }

  void collect(Pipe& pipe, const SequenceChunk& chunk) const {
    const SequenceBatch b = broughtBack(pipe, chunk, false);
    for (size_t i = 0; i < chunk.size(); ++i) {
      const Sequence& u = chunk.sequences()[i];
      const int64_t n = chunk.pieces()[i].utterance;
      const auto status = static_cast<Status>(b.found[i].status);
      problem_.status[n] = status;
      if (status == Status::nonfinite) {
        problem_.totals[n] = std::numeric_limits<double>::quiet_NaN();
      }
      if (status != Status::ok) continue;
      problem_.totals[n] = b.found[i].logProb;
      const int64_t frame = n * problem_.input.frames;
      const int64_t label = problem_.targets.offsets[n];
      std::copy_n(b.labels + u.frame, u.frames, problem_.labels + frame);
      std::copy_n(b.logProbs + u.frame, u.frames, problem_.logProbs + frame);
      std::copy_n(b.starts + u.label, u.labels, problem_.starts + label);
      std::copy_n(b.ends + u.label, u.labels, problem_.ends + label);
      std::copy_n(b.means + u.label, u.labels, problem_.scores + label);
    }
  }

  const AlignProblem& problem_;
  const Budget budget_;
  Lease lease_;
  const Source source_;
};

}  // namespace

void computeAlignment(int32_t device, const AlignProblem& problem, Placement placement) {
  inSmallerParts([&](Budget budget) { Align(device, problem, placement, budget).run(); });
}

}  // namespace cuda
}  // namespace ctc
