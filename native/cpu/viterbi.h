// One frame of the best-path recursion over a stretch of label positions.
//
//   blank'[i] = max(blank[i], label[i-1])                          + score of the blank
//   label'[i] = max(label[i], blank[i], label[i-1] + skip[i])      + score of label i
//
// Position i is the pair (blank before label i, label i); the blank after the last label is a pair
// whose label has score -Infinity. float64 throughout: for float32 input the sums of scores are
// exact unless they span more than 53 bits, so equal paths compare equal whatever their order.
#pragma once

#include <cstdint>

namespace ctc {

// Stretches are padded to a multiple of this many positions.
constexpr int64_t sweepLanes = 8;

struct SweepStep {
  const double* classScores;  // scores of the stretch's distinct classes at this frame
  const int32_t* slot;        // [count] where in classScores position i finds its label
  const double* skip;  // [count] 0 where label[i-1] may be followed by label[i], or -Infinity
  double blankScore;
  double left;          // label[i-1] of the first position
  const double* blank;  // [count] before the frame
  const double* label;
  double* nextBlank;  // (out) [count]; may be `blank` and `label` themselves
  double* nextLabel;
  double* gathered;  // [count] scratch
  int64_t count;     // a multiple of sweepLanes
};

using SweepFunction = void (*)(const SweepStep&);

// The body for the instruction set of dispatch.h.
SweepFunction activeSweep();

}  // namespace ctc
