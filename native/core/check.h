// Last look at what the caller said was checked: nothing that reaches a kernel may index out of its
// arrays, whoever wrote to them since.
#pragma once

#include "ctc/align.h"
#include "ctc/posteriors.h"
#include "ctc/problem.h"

namespace ctc {

// Whether every target and length lies in its range; the first utterance that does not goes to
// *badUtterance (may be null). O(N + labels).
bool targetsInRange(const Tensor& input, const Targets& targets, const int64_t* inputLengths,
                    int32_t blank, int64_t* badUtterance);

// The same for calls without targets.
bool lengthsInRange(const Tensor& input, const int64_t* inputLengths, int32_t blank,
                    int64_t* badUtterance);

// targetsInRange() of an alignment, whose targets may hold stars.
bool alignable(const AlignProblem& problem, int64_t* badUtterance);

// targetsInRange(), and whether matrixOffsets has room for each matrix.
bool matricesFit(const PosteriorProblem& problem, int64_t* badUtterance);

}  // namespace ctc
