// What the kernels are told: utterances of one launch chain, and where their parts of the workspace
// lie. The same struct is filled by the host and read on the device.
#pragma once

#include "ctc/problem.h"
#include "cuda/number.cuh"

namespace ctc {
namespace cuda {

constexpr int warpSize32 = 32;

// An utterance with at least one frame and enough frames for its labels, or (frames == 0) one whose
// gradient rows are only to be zeroed. Offsets are in elements of the array named.
//
// Two recursions run at the same time: number 0 is alpha; number 1 is beta, which is the same
// recursion over the reversed frames of the reversed labels. Each first walks its own half of the
// frames, keeping its rows, then the other's.
struct Utterance {
  int64_t input;     // its element (frame 0, class 0)
  int64_t gradient;  // the same
  int64_t inputFrameStride;
  int64_t gradientFrameStride;
  double scale;         // multiplied into the gradient
  int32_t frames;       // T
  int32_t rows;         // rows of the gradient; those from T on are zeroed
  int32_t labels;       // L
  int32_t slots;        // distinct labels and the blank, which is slot 0
  int64_t laneSlot;     // tables: [L] the slot of each label
  int64_t slotClass;    // tables: [slots] the class of each slot
  int64_t slotBegin;    // tables: [slots + 1] where each slot's labels begin, from slotLabels on
  int64_t slotLabels;   // tables: [L] labels by slot, ascending
  int64_t frame;        // frame arrays: [T]
  int64_t emission;     // emissions: [T][slots]
  int64_t kept;         // cells: [2][blockFrames][L + 1]
  int64_t checkpoint;   // cells: [2][blocks][L + 1] the row before each block of kept rows
  int64_t state;        // cells: [2][L + 1] where each recursion stands
  int64_t column;       // columns: [2][tiles][T / 2 + 2]
  int64_t occupancy;    // occupancy, alpha, beta: [T][2 L + 1]
  int64_t stateFrames;  // stateFrames: [2 L + 1]
  int32_t blockFrames;  // frames whose rows a recursion keeps at once
  int32_t blocks;       // ceil(frames of recursion 0 / blockFrames)

  // Frames that recursion r keeps: 0 has the odd one.
  CTC_INLINE int32_t own(int r) const { return r == 0 ? frames - frames / 2 : frames / 2; }
  CTC_INLINE int32_t columnFrames() const { return frames / 2 + 2; }
};

// What comes back for each utterance.
struct Outcome {
  double loss;
  int32_t status;     // ctc::Status
  int32_t needsWide;  // out of float32's range: to be done again in float64
};

// Device pointers of one launch chain. R: the type that is computed with.
template <class R>
struct Batch {
  const void* input;
  void* gradient;  // null: the loss alone
  const Utterance* utterances;
  const int32_t* tables;
  Outcome* outcomes;
  R* pathExponent;  // [utterances] exponent of the sum over all paths
  R* inverse;       // frame arrays: 1 / sum of exp(x - max)
  R* lowest;        // least exponent of an emission
  double* norm;     // what the frame adds to the loss beside its emissions; NaN: nonfinite
  Packed<R>* emissions;
  Cell<R>* cells;
  Packed<R>* columns;
  // Of a call for posteriors; null otherwise, and alpha and beta unless they are asked for.
  double* occupancy;
  double* stateFrames;  // expected frames in each state
  double* alpha;        // natural logarithms, relative to the frames' references
  double* beta;
  int64_t classStride;
  int32_t count;  // utterances
  int32_t classes;
  int32_t logProbs;
  int32_t softmaxGradient;  // of log-probabilities: exp(logProb) - posterior
};

}  // namespace cuda
}  // namespace ctc
