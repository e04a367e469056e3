// Posteriors take the loss's kernels in float64; what these leave of each frame becomes the result.
#include "cuda/posteriors.h"

#include <algorithm>
#include <limits>

#include "ctc/lattice.h"
#include "cuda/batches.h"
#include "cuda/turns.h"

namespace ctc {
namespace cuda {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

class PosteriorRun {
 public:
  PosteriorRun(int32_t device, const PosteriorProblem& problem, Placement placement, Budget budget)
      : problem_(problem),
        budget_(budget),
        recursions_(problem.alpha != nullptr),
        lease_(device),
        source_(problem.input, placement.inputOnDevice != 0, device) {
    // What the plan of a chunk looks at.
    asLoss_.input = problem.input;
    asLoss_.targets = problem.targets;
    asLoss_.inputLengths = problem.inputLengths;
    asLoss_.blank = problem.blank;
    place_.inputStaged = source_.staged();
    place_.occupancy = true;
    place_.recursions = recursions_;
  }

  void run() {
    std::vector<int64_t> list;
    int64_t labels = 0;
    for (int64_t n = 0; n < problem_.input.utterances; ++n) {
      const int64_t count = problem_.targets.count(n);
      clear(n);
      if (framesNeeded(problem_.targets.of(n), count) > problem_.inputLengths[n]) continue;
      if (problem_.inputLengths[n] == 0) {
        problem_.status[n] = Status::ok;
        problem_.losses[n] = 0;
        continue;
      }
      labels = std::max(labels, count);
      list.push_back(n);
    }
    const Mapping mapping = mappingFor(labels, true);
    inChunks(
        list, 2, *lease_, problem_.execution,
        [&] { return BatchChunk(asLoss_, place_, mapping, sizeof(double), budget_); },
        [&](BatchChunk& chunk, int64_t n) { return chunk.add(n, problem_.inputLengths[n]); },
        [&](Pipe& pipe, const BatchChunk& chunk) { enqueue(pipe, chunk); },
        [&](Pipe& pipe, const BatchChunk& chunk) { collect(pipe, chunk); });
  }

 private:
  int64_t cells(int64_t n) const {
    return problem_.matrixOffsets[n + 1] - problem_.matrixOffsets[n];
  }

  // An infeasible utterance's results.
  void clear(int64_t n) const {
    const int64_t at = problem_.matrixOffsets[n];
    std::fill_n(problem_.occupancy + at, cells(n), 0.0);
    if (recursions_) std::fill_n(problem_.alpha + at, cells(n), -infinite);
    if (recursions_) std::fill_n(problem_.beta + at, cells(n), -infinite);
    const int64_t first = problem_.targets.offsets[n];
    const int64_t labels = problem_.targets.count(n);
    std::fill_n(problem_.starts + first, labels, 0.0);
    std::fill_n(problem_.ends + first, labels, 0.0);
    problem_.status[n] = Status::infeasible;
    problem_.losses[n] = infinite;
  }

  void enqueue(Pipe& pipe, const BatchChunk& chunk) const {
    auto memory = provide<BatchMemory<double>>(pipe, chunk, source_);
    Batch<double>& batch = memory.batch;
    batch.logProbs = problem_.inputKind == Input::logProbs;
    const DType dtype = problem_.input.dtype;
    launchChain(batch, chunk, dtype, problem_.execution, pipe.stream, [&](int32_t back) {
      return launchOccupancy(batch, chunk.extent(), back, pipe.stream);
    });
    check(launchStateFrames(batch, chunk.extent(), pipe.stream));
    pipe.bringBack(batch.outcomes, memory.resultBytes);
  }

  void collect(Pipe& pipe, const BatchChunk& chunk) const {
    const BatchMemory<double> memory(chunk, nullptr, pipe.broughtBack());
    const Batch<double>& b = memory.batch;
    for (size_t i = 0; i < chunk.size(); ++i) {
      const Utterance& u = chunk.items()[i];
      const int64_t n = chunk.number(i);
      problem_.status[n] = static_cast<Status>(b.outcomes[i].status);
      problem_.losses[n] = b.outcomes[i].loss;
      if (problem_.status[n] != Status::ok) continue;
      std::copy_n(b.occupancy + u.occupancy, cells(n),
                  problem_.occupancy + problem_.matrixOffsets[n]);
      if (recursions_) writeRecursions(b, u, n);
      writeBoundaries(b.stateFrames + u.stateFrames, u.labels, problem_.targets.offsets[n]);
    }
  }

  // Gives alpha and beta back what the frames' references took away.
  void writeRecursions(const Batch<double>& b, const Utterance& u, int64_t n) const {
    const int64_t states = stateCount(u.labels);
    const int64_t from = u.occupancy;
    const int64_t to = problem_.matrixOffsets[n];
    double before = 0;
    double after = 0;
    for (int64_t t = 0; t < u.frames; ++t) {
      before -= b.norm[u.frame + t];
      for (int64_t k = t * states; k < (t + 1) * states; ++k) {
        problem_.alpha[to + k] = b.alpha[from + k] + before;
      }
    }
    for (int64_t t = u.frames - 1; t >= 0; --t) {
      for (int64_t k = t * states; k < (t + 1) * states; ++k) {
        problem_.beta[to + k] = b.beta[from + k] + after;
      }
      after -= b.norm[u.frame + t];
    }
  }

  // A path is in states before s for as many frames as it takes to reach s.
  void writeBoundaries(const double* stateFrames, int32_t labels, int64_t firstLabel) const {
    double reached = stateFrames[0];
    for (int64_t i = 0; i < labels; ++i) {
      problem_.starts[firstLabel + i] = reached;
      reached += stateFrames[2 * i + 1];
      problem_.ends[firstLabel + i] = reached;
      reached += stateFrames[2 * i + 2];
    }
  }

  const PosteriorProblem& problem_;
  const Budget budget_;
  const bool recursions_;
  LossProblem asLoss_;
  Place place_;
  Lease lease_;
  const Source source_;
};

}  // namespace

void computePosteriors(int32_t device, const PosteriorProblem& problem, Placement placement) {
  inSmallerParts([&](Budget budget) { PosteriorRun(device, problem, placement, budget).run(); });
}

}  // namespace cuda
}  // namespace ctc
