#include "cuda/align.h"

#include <algorithm>
#include <limits>

#include "cuda/sequences.h"
#include "cuda/turns.h"

namespace ctc {
namespace cuda {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

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
      labels = std::max(labels, problem_.targets.count(n));
      list.push_back(n);
    }
    const Mapping mapping = mappingFor(labels, false);
    inChunks(
        list, 2, *lease_, problem_.execution,
        [&] { return SequenceChunk(problem_.input, problem_.blank, source_, budget_, &mapping); },
        [&](SequenceChunk& chunk, int64_t n) {
          const auto count = static_cast<int32_t>(problem_.targets.count(n));
          const Target target = {problem_.targets.of(n), count, star()};
          return chunk.add(n, problem_.inputLengths[n], &target);
        },
        [&](Pipe& pipe, const SequenceChunk& chunk) { enqueue(pipe, chunk); },
        [&](Pipe& pipe, const SequenceChunk& chunk) { collect(pipe, chunk); });
  }

 private:
  int32_t star() const {
    return problem_.star == Star::none ? -1 : static_cast<int32_t>(problem_.input.classes);
  }

  // Whether there are enough frames for the labels and the blanks between repeated ones; stars
  // need none.
  bool fits(int64_t n) const {
    const int32_t* const labels = problem_.targets.of(n);
    const int64_t count = problem_.targets.count(n);
    int64_t needed = count;
    for (int64_t i = 1; i < count; ++i) {
      needed += labels[i] == labels[i - 1] && labels[i] != star();
    }
    return needed <= problem_.inputLengths[n];
  }

  // An infeasible utterance's results.
  void clear(int64_t n) const {
    const int64_t frames = problem_.input.frames;
    const int64_t first = problem_.targets.offsets[n];
    const int64_t count = problem_.targets.count(n);
    std::fill_n(problem_.labels + n * frames, frames, problem_.blank);
    std::fill_n(problem_.logProbs + n * frames, frames, 0.0);
    std::fill_n(problem_.starts + first, count, int64_t{0});
    std::fill_n(problem_.ends + first, count, int64_t{0});
    std::fill_n(problem_.scores + first, count, 0.0);
    problem_.status[n] = Status::infeasible;
    problem_.totals[n] = -infinity;
  }

  void enqueue(Pipe& pipe, const SequenceChunk& chunk) const {
    auto memory = provide<SequenceMemory>(pipe, chunk, source_);
    SequenceBatch& batch = memory.batch;
    batch.blank = problem_.blank;
    batch.inputIsLogProbs = problem_.inputKind == Input::logProbs;
    batch.star = static_cast<int32_t>(problem_.star);
    check(launchFrames(batch, problem_.input.dtype, chunk.longest(), pipe.stream));
    check(launchPaths(batch, chunk.mapping(), pipe.stream));
    check(launchSpans(batch, pipe.stream));
    pipe.bringBack(batch.found, memory.resultBytes);
  }

  void collect(Pipe& pipe, const SequenceChunk& chunk) const {
    const SequenceMemory memory(chunk, nullptr, pipe.broughtBack());
    const SequenceBatch& b = memory.batch;
    for (size_t i = 0; i < chunk.size(); ++i) {
      const Sequence& u = chunk.items()[i];
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
