// A batch in chunks: up, three kernels, down.
#include "cuda/loss.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ctc/lattice.h"
#include "cuda/batches.h"
#include "cuda/turns.h"

namespace ctc {
namespace cuda {
namespace {

// float32 scales gradients in float32; beyond this they are formed in float64, as on the CPU.
constexpr double narrowScale = 1e30;

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
        const bool empty = problem_.targets.count(n) == 0;
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
  bool trivial(int64_t n) const {
    const int64_t frames = problem_.inputLengths[n];
    return frames == 0 || framesNeeded(problem_.targets.of(n), problem_.targets.count(n)) > frames;
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
    constexpr bool doubles = sizeof(R) == 8;
    int64_t labels = 0;
    for (const int64_t n : list) labels = std::max(labels, problem_.targets.count(n));
    const Mapping mapping = mappingFor(labels, doubles);
    // What the device already holds takes one chain of launches.
    const int pipes = place_.inputStaged || place_.gradientStaged ? 2 : 1;
    inChunks(
        list, pipes, *lease_, problem_.execution,
        [&] { return BatchChunk(problem_, place_, mapping, sizeof(R), budget_); },
        [&](BatchChunk& chunk, int64_t n) {
          return chunk.add(n, trivial(n) ? 0 : problem_.inputLengths[n]);
        },
        [&](Pipe& pipe, const BatchChunk& chunk) { enqueue<R>(pipe, chunk); },
        [&](Pipe& pipe, const BatchChunk& chunk) { collect<R>(pipe, chunk, wide); });
  }

  template <class R>
  void enqueue(Pipe& pipe, const BatchChunk& chunk) const {
    auto memory = provide<BatchMemory<R>>(pipe, chunk, source_);
    Batch<R>& batch = memory.batch;
    batch.logProbs = problem_.inputKind == Input::logProbs;
    batch.softmaxGradient = problem_.gradientOf == GradientOf::softmax;
    batch.gradient = gradient_;
    if (place_.gradientStaged) batch.gradient = pipe.gradient.reserve(chunk.packed() * size_);
    const DType dtype = problem_.input.dtype;
    launchChain(batch, chunk, dtype, problem_.execution, pipe.stream, [&](int32_t back) {
      return launchGradient(batch, dtype, chunk.extent(), back, pipe.stream);
    });
    if (place_.gradientStaged) download(pipe, chunk);
    pipe.bringBack(batch.outcomes, memory.resultBytes);
  }

  void download(Pipe& pipe, const BatchChunk& chunk) const {
    const int64_t rowBytes = problem_.input.classes * size_;
    if (chunk.packed() == 0) return;
    if (!gradientPinned_) {
      const int64_t bytes = chunk.packed() * size_;
      check(cudaMemcpyAsync(pipe.gradientStaging.reserve(bytes), pipe.gradient.data(),
                            static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, pipe.stream));
      return;
    }
    for (size_t i = 0; i < chunk.size(); ++i) {
      const Utterance& u = chunk.items()[i];
      if (u.frames == 0) continue;
      check(cudaMemcpy2DAsync(gradientRow(chunk.number(i), 0),
                              pitchOf(rowBytes, problem_.gradient.frameStride * size_, u.frames),
                              pipe.gradient.data() + u.gradient * size_,
                              static_cast<size_t>(rowBytes), static_cast<size_t>(rowBytes),
                              static_cast<size_t>(u.frames), cudaMemcpyDeviceToHost, pipe.stream));
    }
  }

  // Waits for a chunk and hands out what it brought.
  template <class R>
  void collect(Pipe& pipe, const BatchChunk& chunk, std::vector<int64_t>* wide) const {
    const BatchMemory<R> memory(chunk, nullptr, pipe.broughtBack());
    const Outcome* const outcomes = memory.batch.outcomes;
    const int64_t rowBytes = problem_.input.classes * size_;
    for (size_t i = 0; i < chunk.size(); ++i) {
      const Utterance& u = chunk.items()[i];
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
  Place place_;
  char* gradient_ = nullptr;
  bool gradientPinned_ = false;
};

}  // namespace

void computeLoss(int32_t device, const LossProblem& problem, Placement placement) {
  inSmallerParts([&](Budget budget) { Loss(device, problem, placement, budget).run(); });
}

int64_t estimateWorkspace(const LossProblem& problem, Placement placement) {
  Place place;
  place.gradient = problem.gradient.data != nullptr;
  place.inputStaged = placement.inputOnDevice == 0;
  place.gradientStaged = place.gradient && placement.gradientOnDevice == 0;
  const bool wide = problem.input.dtype == DType::float64;
  int64_t labels = 0;
  for (int64_t n = 0; n < problem.input.utterances; ++n) {
    labels = std::max(labels, problem.targets.count(n));
  }
  const Mapping mapping = mappingFor(labels, wide);
  int64_t most = 0;
  for (int64_t n = 0; n < problem.input.utterances;) {
    BatchChunk chunk(problem, place, mapping, wide ? 8 : 4, budgetAt(0));
    while (n < problem.input.utterances && chunk.add(n, problem.inputLengths[n])) ++n;
    const auto bytesFor = [&](auto memory) { return memory.bytes + memory.resultBytes; };
    const int64_t computed = wide ? bytesFor(BatchMemory<double>(chunk, nullptr, nullptr))
                                  : bytesFor(BatchMemory<float>(chunk, nullptr, nullptr));
    const int64_t packed = chunk.packed() * static_cast<int64_t>(bytesOf(problem.input.dtype));
    most = std::max(most, computed + packed * (place.inputStaged + place.gradientStaged));
  }
  return place.inputStaged || place.gradientStaged ? 2 * most : most;
}

}  // namespace cuda
}  // namespace ctc
