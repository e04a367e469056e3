// A batch in chunks: up, three kernels, down. Two chunks are under way at a time, on two streams,
// when the arrays are the host's; what the device already holds takes one chain of launches.
#include "cuda/loss.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <vector>

#include "ctc/lattice.h"
#include "cuda/lattice.cuh"
#include "cuda/plan.h"
#include "cuda/session.h"
#include "cuda/slices.h"
#include "cuda/source.h"
#include "cuda/turns.h"

namespace ctc {
namespace cuda {
namespace {

// float32 scales gradients in float32; beyond this they are formed in float64, as on the CPU.
constexpr double narrowScale = 1e30;

// The workspace of a chunk: sizes it when `base` is null, else slices it.
template <class R>
struct Workspace {
  Utterance* utterances;
  int32_t* tables;
  int64_t uploaded;  // bytes from the start that the host fills
  Outcome* outcomes;
  Batch<R> batch;
  int64_t bytes = 0;

  Workspace(const Chunk& chunk, char* base) : batch{} {
    Slices slices(base);
    const auto count = static_cast<int64_t>(chunk.size());
    slices.take(utterances, count);
    slices.take(tables, static_cast<int64_t>(chunk.tables().size()));
    uploaded = slices.bytes();
    slices.take(outcomes, count);
    slices.take(batch.pathExponent, count);
    slices.take(batch.inverse, chunk.frames());
    slices.take(batch.lowest, chunk.frames());
    slices.take(batch.norm, chunk.frames());
    slices.take(batch.emissions, chunk.emissions());
    slices.take(batch.cells, chunk.cells());
    slices.take(batch.columns, chunk.columns());
    bytes = slices.bytes();
    batch.utterances = utterances;
    batch.tables = tables;
    batch.outcomes = outcomes;
    batch.count = static_cast<int32_t>(count);
  }
};

class Loss {
 public:
  Loss(int32_t device, const LossProblem& problem, Placement placement, Budget budget)
      : problem_(problem),
        budget_(budget),
        size_(static_cast<int64_t>(bytesOf(problem.input.dtype))),
        lease_(device),
        source_(problem.input, placement.inputOnDevice != 0, device) {
    place_.gradient = problem.gradient.data != nullptr;
    place_.inputStaged = source_.staged();
    place_.gradientStaged = place_.gradient && placement.gradientOnDevice == 0;
    gradient_ = static_cast<char*>(problem.gradient.data);
    if (place_.gradient && !place_.gradientStaged) {
      gradient_ = static_cast<char*>(
          addressOf(static_cast<const DeviceMemory*>(problem.gradient.data), device));
    } else if (place_.gradient) {
      const OutputTensor& out = problem.gradient;
      gradientPinned_ =
          isPitch(out.frameStride * size_, problem.input.classes * size_, problem.input.frames) &&
          isPinned(gradient_);
    }
  }

  void run() {
    std::vector<int64_t> narrow, wide;
    for (int64_t n = 0; n < problem_.input.utterances; ++n) {
      if (trivial(n)) {
        const bool empty = labelCount(n) == 0;
        finish(n, empty ? Status::ok : Status::infeasible,
               empty ? 0.0 : std::numeric_limits<double>::infinity());
        if (place_.gradientStaged) clearRows(n, 0);
        // A gradient on the device is zeroed there.
        if (!place_.gradient || place_.gradientStaged) continue;
      }
      (startsWide(n) ? wide : narrow).push_back(n);
    }
    compute<float>(narrow, &wide);
    std::sort(wide.begin(), wide.end());
    compute<double>(wide, nullptr);
  }

 private:
  int64_t labelCount(int64_t n) const {
    return problem_.targets.offsets[n + 1] - problem_.targets.offsets[n];
  }
  bool trivial(int64_t n) const {
    const int64_t frames = problem_.inputLengths[n];
    const int32_t* const labels = problem_.targets.labels + problem_.targets.offsets[n];
    return frames == 0 || framesNeeded(labels, labelCount(n)) > frames;
  }
  bool startsWide(int64_t n) const {
    if (problem_.input.dtype == DType::float64) return true;
    if (!place_.gradient || problem_.gradientScale == nullptr) return false;
    const double scale = std::fabs(problem_.gradientScale[n]);
    return scale > narrowScale || (scale != 0 && scale < 1 / narrowScale);
  }
  void finish(int64_t n, Status status, double loss) const {
    problem_.status[n] = status;
    problem_.losses[n] = loss;
  }
  char* gradientRow(int64_t n, int64_t t) const {
    const OutputTensor& out = problem_.gradient;
    return gradient_ + (n * out.utteranceStride + t * out.frameStride) * size_;
  }
  // Of a gradient on the host.
  void clearRows(int64_t n, int64_t from) const {
    for (int64_t t = from; t < problem_.input.frames; ++t) {
      std::memset(gradientRow(n, t), 0, static_cast<size_t>(problem_.input.classes * size_));
    }
  }

  // Utterances that turn out to need float64 are added to `wide`.
  template <class R>
  void compute(const std::vector<int64_t>& list, std::vector<int64_t>* wide) {
    if (list.empty()) return;
    int64_t labels = 0;
    for (const int64_t n : list) labels = std::max(labels, labelCount(n));
    Mapping mapping = mappingFor(static_cast<int32_t>(labels), sizeof(R) == 8);
    if (tuning.pairs > 0 && sizeof(R) == 4) mapping.pairs = tuning.pairs;
    if (tuning.warps > 0) mapping.warps = tuning.warps;

    std::optional<Chunk> chunks[2];
    const auto put = [&](int which, int64_t at) {
      Chunk& chunk = chunks[which].emplace(problem_, place_, mapping,
                                           static_cast<int64_t>(sizeof(R)), budget_);
      for (; at < static_cast<int64_t>(list.size()); ++at) {
        const int64_t n = list[static_cast<size_t>(at)];
        if (!chunk.add(n, trivial(n) ? 0 : problem_.inputLengths[n])) break;
      }
      enqueue<R>(lease_->pipes[which], chunk, mapping);
      return at;
    };
    const bool staged = place_.inputStaged || place_.gradientStaged;
    takeTurns(static_cast<int64_t>(list.size()), staged ? 2 : 1, problem_.execution, put,
              [&](int which) { collect(lease_->pipes[which], *chunks[which], wide); });
  }

  template <class R>
  void enqueue(Pipe& pipe, const Chunk& chunk, const Mapping& mapping) {
    const Workspace<R> sized(chunk, nullptr);
    const Workspace<R> work(chunk, pipe.workspace.reserve(sized.bytes));
    // Laid out as on the device, so that one small copy takes it there.
    const Workspace<R> host(chunk, pipe.tables.reserve(sized.uploaded));
    std::memcpy(host.utterances, chunk.utterances().data(), chunk.size() * sizeof(Utterance));
    std::memcpy(host.tables, chunk.tables().data(), chunk.tables().size() * sizeof(int32_t));
    check(cudaMemcpyAsync(work.utterances, host.utterances, static_cast<size_t>(sized.uploaded),
                          cudaMemcpyHostToDevice, pipe.stream));

    Batch<R> batch = work.batch;
    batch.classes = static_cast<int32_t>(problem_.input.classes);
    batch.classStride = source_.classStride();
    batch.logProbs = problem_.inputKind == Input::logProbs;
    batch.softmaxGradient = problem_.gradientOf == GradientOf::softmax;
    batch.input = source_.provide(pipe, chunk.pieces(), chunk.staged());
    batch.gradient = gradient_;
    if (place_.gradientStaged) batch.gradient = pipe.gradient.reserve(chunk.staged() * size_);

    const Extent& extent = chunk.extent();
    const DType dtype = problem_.input.dtype;
    const int32_t phases = place_.gradient ? inwardPhase | outwardPhase : inwardPhase;
    if (extent.rows > 0) check(launchRows(batch, dtype, extent, pipe.stream));
    check(launchLattice(batch, mapping, phases, 0, pipe.stream));
    if (place_.gradient) {
      check(launchGradient(batch, dtype, extent, 0, pipe.stream));
      for (int32_t back = 1; back < extent.blocks; ++back) {
        throwIfCancelled(problem_.execution);
        check(launchLattice(batch, mapping, outwardPhase, back, pipe.stream));
        check(launchGradient(batch, dtype, extent, back, pipe.stream));
      }
    }
    const size_t outcomeBytes = chunk.size() * sizeof(Outcome);
    check(cudaMemcpyAsync(pipe.outcomes.reserve(static_cast<int64_t>(outcomeBytes)), work.outcomes,
                          outcomeBytes, cudaMemcpyDeviceToHost, pipe.stream));
    if (place_.gradientStaged) download(pipe, chunk);
    check(cudaEventRecord(pipe.done, pipe.stream));
  }

  void download(Pipe& pipe, const Chunk& chunk) {
    const int64_t rowBytes = problem_.input.classes * size_;
    if (chunk.staged() == 0) return;
    if (!gradientPinned_) {
      const int64_t bytes = chunk.staged() * size_;
      check(cudaMemcpyAsync(pipe.gradientStaging.reserve(bytes), pipe.gradient.data(),
                            static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, pipe.stream));
      return;
    }
    for (size_t i = 0; i < chunk.size(); ++i) {
      const Utterance& u = chunk.utterances()[i];
      if (u.frames == 0) continue;
      check(cudaMemcpy2DAsync(gradientRow(chunk.number(i), 0),
                              pitchOf(rowBytes, problem_.gradient.frameStride * size_, u.frames),
                              pipe.gradient.data() + u.gradient * size_,
                              static_cast<size_t>(rowBytes), static_cast<size_t>(rowBytes),
                              static_cast<size_t>(u.frames), cudaMemcpyDeviceToHost, pipe.stream));
    }
  }

  // Waits for a chunk and hands out what it brought.
  void collect(Pipe& pipe, const Chunk& chunk, std::vector<int64_t>* wide) {
    check(cudaEventSynchronize(pipe.done));
    const auto* const outcomes = reinterpret_cast<const Outcome*>(pipe.outcomes.data());
    const int64_t rowBytes = problem_.input.classes * size_;
    for (size_t i = 0; i < chunk.size(); ++i) {
      const Utterance& u = chunk.utterances()[i];
      const int64_t n = chunk.number(i);
      if (u.frames == 0) continue;
      if (outcomes[i].needsWide != 0 && wide != nullptr) {
        wide->push_back(n);
        continue;
      }
      finish(n, static_cast<Status>(outcomes[i].status), outcomes[i].loss);
      if (!place_.gradientStaged) continue;
      for (int64_t t = 0; t < u.frames && !gradientPinned_; ++t) {
        std::memcpy(gradientRow(n, t),
                    pipe.gradientStaging.data() + u.gradient * size_ + t * rowBytes,
                    static_cast<size_t>(rowBytes));
      }
      clearRows(n, u.frames);
    }
  }

  const LossProblem& problem_;
  const Budget budget_;
  const int64_t size_;  // bytes of an element
  Lease lease_;
  const Source source_;
  Place place_ = {};
  char* gradient_ = nullptr;
  bool gradientPinned_ = false;
};

}  // namespace

void computeLoss(int32_t device, const LossProblem& problem, Placement placement) {
  inSmallerParts([&](Budget budget) { Loss(device, problem, placement, budget).run(); });
}

int64_t estimateWorkspace(const LossProblem& problem, Placement placement) {
  const Budget budget = budgetAt(0);
  const Place place = {placement.inputOnDevice == 0,
                       problem.gradient.data != nullptr && placement.gradientOnDevice == 0,
                       problem.gradient.data != nullptr};
  const bool wide = problem.input.dtype == DType::float64;
  int64_t most = 0;
  int64_t labels = 0;
  for (int64_t n = 0; n < problem.input.utterances; ++n) {
    labels = std::max(labels, problem.targets.offsets[n + 1] - problem.targets.offsets[n]);
  }
  const Mapping mapping = mappingFor(static_cast<int32_t>(labels), wide);
  const int64_t element = wide ? 8 : 4;
  for (int64_t n = 0; n < problem.input.utterances;) {
    Chunk chunk(problem, place, mapping, element, budget);
    while (n < problem.input.utterances && chunk.add(n, problem.inputLengths[n])) ++n;
    const int64_t staged = chunk.staged() * static_cast<int64_t>(bytesOf(problem.input.dtype));
    const int64_t bytes =
        (wide ? Workspace<double>(chunk, nullptr).bytes : Workspace<float>(chunk, nullptr).bytes) +
        (place.inputStaged ? staged : 0) + (place.gradientStaged ? staged : 0);
    most = std::max(most, bytes);
  }
  return place.inputStaged || place.gradientStaged ? 2 * most : most;
}

}  // namespace cuda
}  // namespace ctc
