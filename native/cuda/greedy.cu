#include "cuda/greedy.h"

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
    inChunks(
        list, 2, *lease_, problem_.execution,
        [&] { return SequenceChunk(problem_.input, problem_.blank, source_, budget_); },
        [&](SequenceChunk& chunk, int64_t n) {
          return chunk.add(n, problem_.inputLengths[n], nullptr);
        },
        [&](Pipe& pipe, const SequenceChunk& chunk) { enqueue(pipe, chunk); },
        [&](Pipe& pipe, const SequenceChunk& chunk) { collect(pipe, chunk); });
  }

 private:
  void enqueue(Pipe& pipe, const SequenceChunk& chunk) const {
    auto memory = provide<SequenceMemory>(pipe, chunk, source_);
    SequenceBatch& batch = memory.batch;
    batch.blank = problem_.blank;
    batch.inputIsLogProbs = problem_.inputKind == Input::logProbs;
    batch.mergeRepeated = problem_.mergeRepeated;
    check(launchFrames(batch, problem_.input.dtype, chunk.longest(), pipe.stream));
    check(launchCollapse(batch, pipe.stream));
    pipe.bringBack(batch.found, memory.resultBytes);
  }

  void collect(Pipe& pipe, const SequenceChunk& chunk) const {
    const SequenceMemory memory(chunk, nullptr, pipe.broughtBack());
    const SequenceBatch& b = memory.batch;
    for (size_t i = 0; i < chunk.size(); ++i) {
      const int64_t n = chunk.pieces()[i].utterance;
      const Found& found = b.found[i];
      problem_.status[n] = static_cast<Status>(found.status);
      if (problem_.status[n] != Status::ok) continue;
      problem_.logProbs[n] = found.logProb;
      problem_.blankFrames[n] = found.blankFrames;
      problem_.counts[n] = found.labels;
      const int64_t from = chunk.items()[i].frame;
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
