// CTC loss and its gradient for a batch. The formulas and their numerics are told in
// docs/numerics.md; the recursion is Graves et al. 2006, section 4.1.
#pragma once

#include "ctc/problem.h"

namespace ctc {

struct LossProblem {
  Tensor input;
  Targets targets;
  const int64_t* inputLengths = nullptr;  // [N], each in [0, T]
  int32_t blank = 0;                      // in [0, C)
  Input inputKind = Input::logits;
  GradientOf gradientOf = GradientOf::input;
  // [N], multiplied into utterance n's gradient before it is rounded; null: all 1.
  const double* gradientScale = nullptr;
  OutputTensor gradient;  // (out) T x N x C, written whole; exactly 0 at and beyond inputLengths[n]
  double* losses = nullptr;  // (out) [N]: Infinity where infeasible, NaN where nonfinite
  Status* status = nullptr;  // (out) [N]
  Execution execution;
};

// Computes `losses`, `status` and, unless gradient.data is null, the gradient of the sum of
// gradientScale[n] * losses[n]. Rows of infeasible and nonfinite utterances are 0.
// badArgument: a label, length or offset is out of its range, whatever was validated before; the
// index of the first bad utterance goes to *badUtterance unless that is null.
// O(T L + T C) time per utterance; the workspace is in workspaceBytes().
Result loss(const LossProblem& problem, int64_t* badUtterance = nullptr);

// Upper bound of the memory one thread allocates for one utterance, in bytes.
int64_t workspaceBytes(int64_t frames, int64_t labels, int64_t classes, DType dtype, bool gradient);

}  // namespace ctc
