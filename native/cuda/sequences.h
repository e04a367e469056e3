// Utterances that go through the kernels of greedy decoding or alignment together, their memory,
// and the launches.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/launch.h"
#include "cuda/plan.h"
#include "cuda/sequence.cuh"
#include "cuda/slices.h"
#include "cuda/source.h"

namespace ctc {
namespace cuda {

// A target, and the class that is a star in it; below 0 where none is.
struct Target {
  const int32_t* labels;
  int32_t count;
  int32_t star;
};

class SequenceChunk {
 public:
  // `mapping` is for alignment.
  SequenceChunk(const Tensor& input, int32_t blank, const Source& source, Budget budget,
                Mapping mapping = {});

  // An utterance of at least one frame; alignment with its target, greedy decoding without. False,
  // with nothing changed, when it would make the chunk too large.
  bool add(int64_t n, int64_t frames, const Target* target);

  const std::vector<Sequence>& sequences() const { return sequences_; }
  const std::vector<int32_t>& tables() const { return slots_.tables; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  size_t size() const { return pieces_.size(); }
  int64_t longest() const { return longest_; }  // frames
  int64_t packed() const { return packed_; }    // elements of the packed input

  // Elements of the arrays of SequenceBatch.
  int64_t frames() const { return frames_; }
  int64_t labels() const { return labels_; }
  int64_t scores() const { return scores_; }
  int64_t steps() const { return steps_; }
  int64_t checkpoints() const { return checkpoints_; }
  int64_t columns() const { return columns_; }

 private:
  const Tensor& input_;
  const int32_t blank_;
  const Source& source_;
  const Budget budget_;
  const Mapping mapping_;
  std::vector<Sequence> sequences_;
  std::vector<Piece> pieces_;
  SlotTables slots_;
  int64_t longest_ = 0, packed_ = 0;
  int64_t frames_ = 0, labels_ = 0, scores_ = 0, steps_ = 0, checkpoints_ = 0, columns_ = 0;
};

// The memory of a chunk, of greedy decoding or of alignment: sizes it when both are null, else
// slices what is given. The host fills the start of `base`, and reads the results.
struct SequenceMemory {
  Sequence* sequences;
  int32_t* tables;
  SequenceBatch batch = {};
  int64_t uploaded;  // bytes from the start
  int64_t bytes;     // at base
  int64_t resultBytes;

  SequenceMemory(const SequenceChunk& chunk, bool greedy, char* base, char* results);
};

// Enqueues the chunk's tables and input; the batch is complete but for what differs by the call.
SequenceBatch provideSequences(Pipe& pipe, const SequenceChunk& chunk, bool greedy,
                               const Source& source, const Tensor& input);

// Enqueues the copy of the results to the host, the chunk's last work. Once it is done, they are
// where this batch has them.
void bringBack(Pipe& pipe, const SequenceChunk& chunk, bool greedy, const SequenceBatch& batch);
SequenceBatch broughtBack(Pipe& pipe, const SequenceChunk& chunk, bool greedy);

// The rows of all frames.
cudaError_t launchFrames(const SequenceBatch& batch, DType dtype, int64_t longest,
                         cudaStream_t stream);

}  // namespace cuda
}  // namespace ctc
