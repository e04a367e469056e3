// Posteriors take the loss's kernels in float64; what these leave of each frame becomes the result.
#include "cuda/posteriors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "ctc/lattice.h"
#include "cuda/lattice.cuh"
#include "cuda/occupancy.cuh"
#include "cuda/plan.h"
#include "cuda/slices.h"
#include "cuda/turns.h"

namespace ctc {
namespace cuda {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

// The memory of a chunk: sizes it when both are null, else slices what is given. The host fills the
// start of `base`, and reads the results.
struct PosteriorMemory {
  Utterance* utterances;
  int32_t* tables;
  Batch<double> batch = {};
  int64_t uploaded;  // bytes from the start
  int64_t bytes;     // at base
  int64_t resultBytes;

  PosteriorMemory(const Chunk& chunk, bool recursions, char* base, char* results) {
    const auto count = static_cast<int64_t>(chunk.size());
    Slices work(base);
    work.take(utterances, count);
    work.take(tables, static_cast<int64_t>(chunk.tables().size()));
    uploaded = work.bytes();
    work.take(batch.pathExponent, count);
    work.take(batch.inverse, chunk.frames());
    work.take(batch.lowest, chunk.frames());
    work.take(batch.emissions, chunk.emissions());
    work.take(batch.cells, chunk.cells());
    work.take(batch.columns, chunk.columns());
    bytes = work.bytes();

    Slices back(results);
    back.take(batch.outcomes, count);
    back.take(batch.norm, chunk.frames());
    back.take(batch.stateFrames, chunk.states());
    back.take(batch.occupancy, chunk.results());
    if (recursions) {
      back.take(batch.alpha, chunk.results());
      back.take(batch.beta, chunk.results());
    }
    resultBytes = back.bytes();

    batch.utterances = utterances;
    batch.tables = tables;
    batch.count = static_cast<int32_t>(count);
  }
};

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
    place_.cellBytes = recursions_ ? 24 : 8;
  }

  void run() {
    std::vector<int64_t> list;
    int64_t labels = 0;
    for (int64_t n = 0; n < problem_.input.utterances; ++n) {
      const int64_t first = problem_.targets.offsets[n];
      const int64_t count = problem_.targets.offsets[n + 1] - first;
      clear(n);
      if (framesNeeded(problem_.targets.labels + first, count) > problem_.inputLengths[n]) continue;
      if (problem_.inputLengths[n] == 0) {
        problem_.status[n] = Status::ok;
        problem_.losses[n] = 0;
        continue;
      }
      labels = std::max(labels, count);
      list.push_back(n);
    }
    Mapping mapping = mappingFor(static_cast<int32_t>(labels), true);
    if (tuning.warps > 0) mapping.warps = tuning.warps;
    std::optional<Chunk> chunks[2];
    const auto put = [&](int which, int64_t at) {
      Chunk& chunk = chunks[which].emplace(asLoss_, place_, mapping,
                                           static_cast<int64_t>(sizeof(double)), budget_);
      for (; at < static_cast<int64_t>(list.size()); ++at) {
        const int64_t n = list[static_cast<size_t>(at)];
        if (!chunk.add(n, problem_.inputLengths[n])) break;
      }
      enqueue(lease_->pipes[which], chunk, mapping);
      return at;
    };
    takeTurns(static_cast<int64_t>(list.size()), 2, problem_.execution, put,
              [&](int which) { collect(lease_->pipes[which], *chunks[which]); });
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
    const int64_t labels = problem_.targets.offsets[n + 1] - first;
    std::fill_n(problem_.starts + first, labels, 0.0);
    std::fill_n(problem_.ends + first, labels, 0.0);
    problem_.status[n] = Status::infeasible;
    problem_.losses[n] = infinite;
  }

  void enqueue(Pipe& pipe, const Chunk& chunk, const Mapping& mapping) const {
    const PosteriorMemory sized(chunk, recursions_, nullptr, nullptr);
    char* const device = pipe.workspace.reserve(sized.bytes + sized.resultBytes);
    const PosteriorMemory work(chunk, recursions_, device, device + sized.bytes);
    char* const tables = pipe.tables.reserve(sized.uploaded);
    const PosteriorMemory host(chunk, recursions_, tables, nullptr);
    std::memcpy(host.utterances, chunk.utterances().data(), chunk.size() * sizeof(Utterance));
    std::memcpy(host.tables, chunk.tables().data(), chunk.tables().size() * sizeof(int32_t));
    check(cudaMemcpyAsync(device, tables, static_cast<size_t>(sized.uploaded),
                          cudaMemcpyHostToDevice, pipe.stream));

    Batch<double> batch = work.batch;
    batch.classes = static_cast<int32_t>(problem_.input.classes);
    batch.classStride = source_.classStride();
    batch.logProbs = problem_.inputKind == Input::logProbs;
    batch.input = source_.provide(pipe, chunk.pieces(), chunk.staged());
    const Extent& extent = chunk.extent();
    check(launchRows(batch, problem_.input.dtype, extent, pipe.stream));
    check(launchLattice(batch, mapping, inwardPhase | outwardPhase, 0, pipe.stream));
    check(launchOccupancy(batch, extent, 0, pipe.stream));
    for (int32_t back = 1; back < extent.blocks; ++back) {
      throwIfCancelled(problem_.execution);
      check(launchLattice(batch, mapping, outwardPhase, back, pipe.stream));
      check(launchOccupancy(batch, extent, back, pipe.stream));
    }
    check(launchStateFrames(batch, extent, pipe.stream));
    check(cudaMemcpyAsync(pipe.outcomes.reserve(sized.resultBytes), batch.outcomes,
                          static_cast<size_t>(sized.resultBytes), cudaMemcpyDeviceToHost,
                          pipe.stream));
    check(cudaEventRecord(pipe.done, pipe.stream));
  }

  static cudaError_t launchOccupancy(const Batch<double>& batch, const Extent& extent, int32_t back,
                                     cudaStream_t stream) {
    const int64_t rows = int64_t{2} * extent.blockFrames;
    const dim3 grid(static_cast<unsigned>((rows + gradientWarps - 1) / gradientWarps),
                    static_cast<unsigned>(extent.count));
    return launch(occupancyKernel<double>, grid, gradientWarps * warpSize32, stream, batch, back);
  }
  static cudaError_t launchStateFrames(const Batch<double>& batch, const Extent& extent,
                                       cudaStream_t stream) {
    constexpr int threads = gradientWarps * warpSize32;
    const int64_t states = stateCount(extent.labels);
    const dim3 grid(static_cast<unsigned>((states + threads - 1) / threads),
                    static_cast<unsigned>(extent.count));
    return launch(stateFramesKernel<double>, grid, threads, stream, batch);
  }

  void collect(Pipe& pipe, const Chunk& chunk) const {
    check(cudaEventSynchronize(pipe.done));
    const PosteriorMemory host(chunk, recursions_, nullptr, pipe.outcomes.data());
    const Batch<double>& b = host.batch;
    for (size_t i = 0; i < chunk.size(); ++i) {
      const Utterance& u = chunk.utterances()[i];
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
  Place place_ = {};
  Lease lease_;
  const Source source_;
};

}  // namespace

void computePosteriors(int32_t device, const PosteriorProblem& problem, Placement placement) {
  inSmallerParts([&](Budget budget) { PosteriorRun(device, problem, placement, budget).run(); });
}

}  // namespace cuda
}  // namespace ctc
