// Last look at what the caller said was checked: nothing that reaches a kernel may index out of its
// arrays, whoever wrote to them since.
#pragma once

#include "ctc/problem.h"

namespace ctc {

// Whether every target and length lies in its range; the first utterance that does not goes to
// *badUtterance (may be null). O(N + labels).
bool targetsInRange(const Tensor& input, const Targets& targets, const int64_t* inputLengths,
                    int32_t blank, int64_t* badUtterance);

}  // namespace ctc
