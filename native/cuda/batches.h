// Utterances that go through the kernels of the loss or of posteriors together, their memory, and
// the chain of launches.
#pragma once

#include <cstdint>
#include <vector>

#include "ctc/loss.h"
#include "cuda/chunk.h"
#include "cuda/plan.h"

namespace ctc {
namespace cuda {

// What is wanted of a call, and where it is read and written.
struct Place {
  bool inputStaged = false;  // packed for the chunk: rows of C, only those within the lengths
  bool gradientStaged = false;
  bool gradient = false;
  bool occupancy = false;   // posteriors instead
  bool recursions = false;  // and alpha and beta

  // Whether the lattice's rows are kept.
  bool outward() const { return gradient || occupancy; }
  // Bytes of results for each frame and state.
  int64_t cellBytes() const { return recursions ? 24 : occupancy ? 8 : 0; }
};

// Add utterances in order; a chunk always takes one.
class BatchChunk {
 public:
  using Item = Utterance;

  // elementBytes: of the type that is computed with.
  BatchChunk(const LossProblem& problem, Place place, Mapping mapping, int64_t elementBytes,
             Budget budget);

  // False, with nothing changed, when the utterance would make the chunk too large. Frames of 0
  // only zero the gradient.
  bool add(int64_t n, int64_t frames);

  const std::vector<Utterance>& items() const { return utterances_; }
  const std::vector<int32_t>& tables() const { return slots_.tables; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  int64_t number(size_t i) const { return pieces_[i].utterance; }  // in the problem
  size_t size() const { return pieces_.size(); }
  const Place& place() const { return place_; }
  const Mapping& mapping() const { return mapping_; }
  const Extent& extent() const { return extent_; }

  // Elements of the arrays of Batch.
  int64_t frames() const { return frames_; }
  int64_t emissions() const { return emissions_; }
  int64_t cells() const { return cells_; }
  int64_t columns() const { return columns_; }
  int64_t packed() const { return packed_; }  // elements of the packed input
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
  int64_t frames_ = 0, emissions_ = 0, cells_ = 0, columns_ = 0;
  int64_t packed_ = 0, results_ = 0, states_ = 0;
};

// Sizes a chunk's memory when both are null, else slices what is given. The host reads the results.
template <class R>
struct BatchMemory {
  Batch<R> batch = {};
  int64_t bytes;  // at base
  int64_t resultBytes;

  BatchMemory(const BatchChunk& chunk, char* base, char* results) {
    const bool posteriors = chunk.place().occupancy;
    const auto count = static_cast<int64_t>(chunk.size());
    Slices work(base);
    const Told<Utterance> told(&work, chunk);
    work.take(batch.pathExponent, count);
    work.take(batch.inverse, chunk.frames());
    work.take(batch.lowest, chunk.frames());
    if (!posteriors) work.take(batch.norm, chunk.frames());
    work.take(batch.emissions, chunk.emissions());
    work.take(batch.cells, chunk.cells());
    work.take(batch.columns, chunk.columns());
    bytes = work.bytes();

    Slices back(results);
    back.take(batch.outcomes, count);
    if (posteriors) {
      back.take(batch.norm, chunk.frames());
      back.take(batch.stateFrames, chunk.states());
      back.take(batch.occupancy, chunk.results());
    }
    if (chunk.place().recursions) {
      back.take(batch.alpha, chunk.results());
      back.take(batch.beta, chunk.results());
    }
    resultBytes = back.bytes();

    batch.utterances = told.items;
    batch.tables = told.tables;
    batch.count = static_cast<int32_t>(count);
  }
};

// Rows, then the lattice; and for each block of kept rows, from the last one back, what
// finish(back) launches when the lattice has been through it.
template <class R, class Finish>
void launchChain(const Batch<R>& batch, const BatchChunk& chunk, DType dtype,
                 const Execution& execution, cudaStream_t stream, Finish finish) {
  const Extent& extent = chunk.extent();
  const bool outward = chunk.place().outward();
  if (extent.rows > 0) check(launchRows(batch, dtype, extent, stream));
  const int32_t phases = outward ? inwardPhase | outwardPhase : inwardPhase;
  check(launchLattice(batch, chunk.mapping(), phases, 0, stream));
  for (int32_t back = 0; outward && back < extent.blocks; ++back) {
    if (back > 0) {
      throwIfCancelled(execution);
      check(launchLattice(batch, chunk.mapping(), outwardPhase, back, stream));
    }
    check(finish(back));
  }
}

}  // namespace cuda
}  // namespace ctc
