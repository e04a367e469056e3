// Where each state of the CTC lattice lies in time: the probability of being in it at every frame,
// given the input and the target. State 2i is the blank before label i, state 2i + 1 label i; there
// are S = 2L + 1.
#pragma once

#include "ctc/problem.h"

namespace ctc {

struct PosteriorProblem {
  Tensor input;
  Targets targets;
  const int64_t* inputLengths = nullptr;  // [N], each in [0, T]
  int32_t blank = 0;                      // in [0, C)
  Input inputKind = Input::logits;
  // Utterance n's matrices are inputLengths[n] x S, row by row, from element matrixOffsets[n] on.
  const int64_t* matrixOffsets =
      nullptr;                  // [N + 1]; matrixOffsets[n + 1] - matrixOffsets[n] == T S
  double* occupancy = nullptr;  // (out) P(state at frame); a row sums to 1, 0 where not ok
  // Natural logarithms, both or neither. alpha: of the summed probability of all ways to be in the
  // state at the frame, that frame included. beta: of all ways to finish from it, that frame left
  // out, so that the sum over a row of exp(alpha + beta) is the target's probability.
  double* alpha = nullptr;  // (out) may be null
  double* beta = nullptr;   // (out) may be null
  // Expected first frame of each label, and expected frame after its last; 0 where not ok.
  double* starts = nullptr;  // (out) per target label
  double* ends = nullptr;    // (out) per target label
  double* losses = nullptr;  // (out) [N] as from loss()
  Status* status = nullptr;  // (out) [N]
  Execution execution;
};

// float64 with an exponent beside every number, so that nothing underflows: relative errors of
// about T * 1e-16. O(T S) time and 16 T S bytes of workspace per utterance.
// badArgument: as for the loss, or matrixOffsets does not fit.
Result posteriors(const PosteriorProblem& problem, int64_t* badUtterance = nullptr);

}  // namespace ctc
