// Loss and best path of a batch in one pass over its rows: what an evaluation asks of every
// utterance.
#pragma once

#include "ctc/problem.h"

namespace ctc {

struct EvaluateProblem {
  Tensor input;
  Targets targets;
  const int64_t* inputLengths = nullptr;   // [N], each in [0, T]: frames of the loss
  const int64_t* decodeLengths = nullptr;  // [N], each in [0, T]: frames of the best path
  int32_t blank = 0;                       // in [0, C)
  Input inputKind = Input::logits;
  // As from loss() without a gradient.
  double* losses = nullptr;  // (out) [N]
  Status* status = nullptr;  // (out) [N]
  // As from greedyDecode(), repeats merged. Where pathStatus is not ok the rest is 0.
  Status* pathStatus = nullptr;    // (out) [N]
  int32_t* blankFrames = nullptr;  // (out) [N]: frames whose most probable class is the blank
  int32_t* labelCounts = nullptr;  // (out) [N]
  int32_t* labels = nullptr;       // (out) N x T; utterance n's are the first of row n
  double* confidences = nullptr;   // (out) [N]: mean of the labels' confidences; 0 without labels
  Execution execution;
};

// Each number has the bits that the separate calls give. badArgument as from them.
// O(T L + T C) time per utterance.
Result evaluate(const EvaluateProblem& problem, int64_t* badUtterance = nullptr);

}  // namespace ctc
