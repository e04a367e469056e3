// Forced alignment: the most probable path of given targets through the CTC lattice (Viterbi), as
// frames per label. How it is done within little memory is told in core/align.cpp.
#pragma once

#include "ctc/problem.h"

namespace ctc {

// Where `star` is not `none`, the target label C (the number of classes) is a star: it stands for
// unknown content. What it scores at a frame:
// `anything`: the frame's largest probability, blank included, so that a star covers any stretch of
//   labels and blanks. `label`: the sum of all classes but the blank, so that it covers one label.
enum class Star : int32_t { none = 0, anything = 1, label = 2 };

struct AlignProblem {
  Tensor input;
  Targets targets;                        // labels may be C where star is not none
  const int64_t* inputLengths = nullptr;  // [N], each in [0, T]
  int32_t blank = 0;                      // in [0, C)
  Input inputKind = Input::logits;
  Star star = Star::none;
  // Per frame, N x T: utterance n's frame t at n * T + t. At and beyond inputLengths[n], and for an
  // utterance that is not ok, labels are the blank and log-probabilities 0.
  int32_t* labels = nullptr;   // (out) the label or blank of each frame; C for a star
  double* logProbs = nullptr;  // (out) natural-log probability of it
  // Per target label, in the targets' order; 0, 0 and 0 where the utterance is not ok.
  int64_t* starts = nullptr;  // (out) first frame
  int64_t* ends = nullptr;    // (out) the frame after the last
  double* scores = nullptr;   // (out) mean probability over the frames of the span
  double* totals = nullptr;   // (out) [N] the path's log-probability: -Infinity where infeasible,
                              //       NaN where nonfinite
  Status* status = nullptr;   // (out) [N]
  Execution execution;
};

// Ties between equally probable predecessors are broken the same way everywhere: staying in a state
// wins over advancing, advancing by one state over skipping a blank; at the last frame the last
// label wins over the blank after it. In a star alone, advancing wins over staying: it takes only
// frames that its neighbours do not score as high.
// badArgument: as for the loss. O(T L) time. Memory per utterance: a few numbers a frame, 16 L
// bytes for every 1024 frames, and at most 17 MB. Results do not depend on the batch or the
// threads.
Result align(const AlignProblem& problem, int64_t* badUtterance = nullptr);

}  // namespace ctc
