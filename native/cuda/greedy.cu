#include "cuda/greedy.h"

#include <limits>
#include <optional>

#include "cuda/collapse.cuh"
#include "cuda/sequences.h"
#include "cuda/turns.h"

namespace ctc {
namespace cuda {
namespace {

class Greedy {
 public:
  Greedy(int32_t device, const DeviceGreedy& problem, Placement placement, Budget budget)
      : problem_(problem),
        budget_(budget),
        lease_(device),
        source_(problem.input, placement.inputOnDevice != 0, device) {}

  void run() {
    std::vector<int64_t> list;
    for (int64_t n = 0; n < problem_.input.utterances; ++n) {
      problem_.status[n] = Status::ok;
      problem_.counts[n] = problem_.blankFrames[n] = 0;
      problem_.logProbs[n] = 0;
      if (problem_.inputLengths[n] > 0) list.push_back(n);
    }
    std::optional<SequenceChunk> chunks[2];
    const auto put = [&](int which, int64_t at) {
      SequenceChunk& chunk =
          chunks[which].emplace(problem_.input, problem_.blank, source_, budget_);
      for (; at < static_cast<int64_t>(list.size()); ++at) {
        const int64_t n = list[static_cast<size_t>(at)];
        if (!chunk.add(n, problem_.inputLengths[n], nullptr)) break;
      }
      enqueue(lease_->pipes[which], chunk);
      return at;
    };
    takeTurns(static_cast<int64_t>(list.size()), 2, problem_.execution, put,
              [&](int which) { collect(lease_->pipes[which], *chunks[which]); });
  }

 private:
  void enqueue(Pipe& pipe, const SequenceChunk& chunk) const {
    SequenceBatch batch = provideSequences(pipe, chunk, true, source_, problem_.input);
    batch.blank = problem_.blank;
    batch.inputIsLogProbs = problem_.inputKind == Input::logProbs;
    batch.mergeRepeated = problem_.mergeRepeated;
    check(launchFrames(batch, problem_.input.dtype, chunk.longest(), pipe.stream));
    check(launch(collapseKernel, dim3(static_cast<unsigned>(batch.count)), warpSize32, pipe.stream,
                 batch));
    bringBack(pipe, chunk, true, batch);
  }

  void collect(Pipe& pipe, const SequenceChunk& chunk) const {
    const SequenceBatch b = broughtBack(pipe, chunk, true);
    for (size_t i = 0; i < chunk.size(); ++i) {
      const int64_t n = chunk.pieces()[i].utterance;
      const Found& found = b.found[i];
      problem_.status[n] = static_cast<Status>(found.status);
      if (problem_.status[n] != Status::ok) continue;
      problem_.logProbs[n] = found.logProb;
      problem_.blankFrames[n] = found.blankFrames;
      problem_.counts[n] = found.labels;
      const int64_t from = chunk.sequences()[i].frame;
      const int64_t to = n * problem_.input.frames;
      for (int64_t k = 0; k < found.labels; ++k) {
        problem_.labels[to + k] = b.labels[from + k];
        problem_.starts[to + k] = b.starts[from + k];
        problem_.ends[to + k] = b.ends[from + k];
        problem_.confidences[to + k] = b.means[from + k];
      }
    }
  }

  const DeviceGreedy& problem_;
  const Budget budget_;
  Lease lease_;
  const Source source_;
};

}  // namespace

void decodeGreedily(int32_t device, const DeviceGreedy& problem, Placement placement) {
  inSmallerParts([&](Budget budget) { Greedy(device, problem, placement, budget).run(); });
}

}  // namespace cuda
}  // namespace ctc
