// Which utterances go through the kernels together, and where their parts of the workspace lie.
#pragma once

#include <cstdint>
#include <vector>

#include "ctc/loss.h"
#include "cuda/launch.h"
#include "cuda/source.h"

namespace ctc {
namespace cuda {

// What limits the memory of a chunk, in bytes.
struct Budget {
  int64_t workspace;  // of one chunk
  int64_t kept;       // kept rows of one utterance; more are computed again from checkpoints
  int64_t staged;     // input of one chunk when it comes from the host
};
// `level` 0 is the usual one; each further one takes an eighth.
Budget budgetAt(int level);
constexpr int budgetLevels = 4;

// A grid's second extent ends at 65535.
constexpr size_t mostUtterances = 32768;

// Where in the tables a target's distinct labels are.
struct Slots {
  int32_t count;      // the blank, which is slot 0, included
  int64_t laneSlot;   // [labels] the slot of each label
  int64_t slotClass;  // [count] the class of each slot
};

// Distinct labels of targets, in the order in which they come.
class SlotTables {
 public:
  std::vector<int32_t> tables;
  // Every label below `classes`.
  Slots add(const int32_t* labels, int32_t count, int32_t blank, int64_t classes);

 private:
  std::vector<int32_t> slotOf_;  // [classes] room, only entries of the labels at hand are valid
};

// Where a chunk's arrays are read and written.
struct Place {
  bool inputStaged;  // packed for the chunk: rows of C, only those within the lengths
  bool gradientStaged;
  bool gradient;  // wanted at all
  // Posteriors instead: bytes of results for each frame and state; 0: none are wanted.
  int64_t cellBytes = 0;

  // Whether the lattice's rows are kept.
  bool outward() const { return gradient || cellBytes > 0; }
};

// Utterances of one launch chain. Add them in order; a chunk always takes one.
class Chunk {
 public:
  // elementBytes: of the type that is computed with.
  Chunk(const LossProblem& problem, Place place, Mapping mapping, int64_t elementBytes,
        Budget budget);

  // False, with nothing changed, when the utterance would make the chunk too large. Frames of 0
  // only zero the gradient.
  bool add(int64_t n, int64_t frames);

  const std::vector<Utterance>& utterances() const { return utterances_; }
  const std::vector<int32_t>& tables() const { return slots_.tables; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  int64_t number(size_t i) const { return pieces_[i].utterance; }  // in the problem
  size_t size() const { return pieces_.size(); }
  const Extent& extent() const { return extent_; }

  // Elements of the arrays of Batch.
  int64_t frames() const { return frames_; }
  int64_t emissions() const { return emissions_; }
  int64_t cells() const { return cells_; }
  int64_t columns() const { return columns_; }
  int64_t staged() const { return staged_; }  // elements of the packed input
  int64_t results() const { return results_; }
  int64_t states() const { return states_; }

 private:
  void addTables(int64_t n, Utterance* u);

  const LossProblem& problem_;
  const Place place_;
  const Mapping mapping_;
  const int64_t elementBytes_;
  const Budget budget_;
  std::vector<Utterance> utterances_;
  SlotTables slots_;
  std::vector<Piece> pieces_;
  Extent extent_;
  int64_t frames_ = 0;
  int64_t emissions_ = 0;
  int64_t cells_ = 0;
  int64_t columns_ = 0;
  int64_t staged_ = 0;
  int64_t results_ = 0;
  int64_t states_ = 0;
};

// For tests: values other than 0 replace what would be chosen. Never changes a result.
struct Tuning {
  int32_t pairs = 0;
  int32_t warps = 0;
  int32_t blockFrames = 0;
  int32_t chunk = 0;  // utterances
};
extern Tuning tuning;

}  // namespace cuda
}  // namespace ctc
