// Utterances that go through the kernels of greedy decoding or alignment together, and their
// memory.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/chunk.h"
#include "cuda/plan.h"

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
  using Item = Sequence;

  // For greedy decoding; with a mapping for alignment.
  SequenceChunk(const Tensor& input, int32_t blank, const Source& source, Budget budget,
                const Mapping* mapping = nullptr);

  // An utterance of at least one frame; alignment with its target, greedy decoding without. False,
  // with nothing changed, when it would make the chunk too large.
  bool add(int64_t n, int64_t frames, const Target* target);

  const std::vector<Sequence>& items() const { return sequences_; }
  const std::vector<int32_t>& tables() const { return slots_.tables; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  size_t size() const { return pieces_.size(); }
  bool greedy() const { return greedy_; }
  const Mapping& mapping() const { return mapping_; }
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
  const bool greedy_;
  const Mapping mapping_;
  std::vector<Sequence> sequences_;
  std::vector<Piece> pieces_;
  SlotTables slots_;
  int64_t longest_ = 0, packed_ = 0;
  int64_t frames_ = 0, labels_ = 0, scores_ = 0, steps_ = 0, checkpoints_ = 0, columns_ = 0;
};

// Sizes a chunk's memory when both are null, else slices what is given. The host reads the results.
struct SequenceMemory {
  SequenceBatch batch = {};
  int64_t bytes;  // at base
  int64_t resultBytes;

  SequenceMemory(const SequenceChunk& chunk, char* base, char* results);
};

}  // namespace cuda
}  // namespace ctc
