// What the kernels of greedy decoding and forced alignment are told. The same structs are filled by
// the host and read on the device. All of it is float64, and so the same numbers as on the CPU;
// only the log-sum-exp of a row of float32 or narrower is taken as for the loss.
#pragma once

#include <cstdint>

#include "ctc/align.h"
#include "cuda/runtime.h"

namespace ctc {
namespace cuda {

// An utterance with at least one frame. Offsets are in elements of the array named.
struct Sequence {
  int64_t input;  // its element (frame 0, class 0)
  int64_t inputFrameStride;
  int64_t frame;       // frame arrays: [T]
  int32_t frames;      // T
  int32_t labels;      // L; from here on for alignment only
  int32_t slots;       // distinct labels and the blank, which is slot 0
  int32_t starSlot;    // of the star; below 0: none in this target
  int64_t laneSlot;    // tables: [L] the slot of each label
  int64_t slotClass;   // tables: [slots] the class of each slot; the number of classes for the star
  int64_t label;       // label arrays: [L]
  int64_t score;       // scores: [T][slots]
  int64_t step;        // steps: [blockFrames / 8][L + 1]
  int64_t checkpoint;  // checkpoints: [blocks][L + 1]; the first is not used
  int64_t column;      // columns: [columns][T + 1]
  int32_t columns;
  int32_t blockFrames;  // frames whose steps are kept at once: a multiple of 32
  int32_t blocks;       // ceil(T / blockFrames)
};

// Scores of a lane: of the blank, and of the label after it.
struct alignas(16) Scored {
  double blank, label;
};

// What comes back for each utterance.
struct Found {
  double logProb;  // of the path; alignment: the best score, -Infinity for none, until spanKernel
  int32_t status;  // ctc::Status
  int32_t labels;  // greedy: how many
  int32_t blankFrames;  // greedy: frames whose best class is the blank
};

// Device pointers of one launch chain.
struct SequenceBatch {
  const void* input;
  const Sequence* sequences;
  const int32_t* tables;
  Found* found;
  // Frame arrays. norm: log-sum-exp of the row less its maximum, 0 for log-probabilities (greedy:
  // less the log-probability of the best class); NaN where the row is nonfinite.
  double* norm;
  int32_t* best;  // greedy: the lowest class of the largest score, -1 where nonfinite; else null
  // Greedy: of each utterance's labels, from its first frame on. Alignment: label arrays.
  int32_t* starts;  // first frames
  int32_t* ends;    // the frames after the last
  double* means;    // mean probabilities over the frames
  int32_t* labels;  // frame arrays: as above; alignment: of each frame, blanks included
  // Alignment only.
  int32_t* path;     // frame arrays: 2 * lane, + 1 on its label
  double* logProbs;  // frame arrays: of the path's labels
  double* scores;    // relative to the row's maximum, for log-probabilities as they are
  uint32_t* steps;   // where each state comes from: 4 bits for each lane and frame
  Scored* checkpoints;
  double* columns;
  int64_t classStride;
  int32_t count;  // utterances
  int32_t classes;
  int32_t blank;
  int32_t inputIsLogProbs;
  int32_t mergeRepeated;  // greedy
  int32_t star;           // alignment: ctc::Star
};

}  // namespace cuda
}  // namespace ctc
