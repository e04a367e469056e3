#pragma once

#include "ctc/backend.h"

namespace ctc {
namespace cuda {

// The device part of ctc_backend's align(). Throws Failure, Cancelled, std::bad_alloc.
void computeAlignment(int32_t device, const AlignProblem& problem, Placement placement);

}  // namespace cuda
}  // namespace ctc
