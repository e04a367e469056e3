#pragma once

#include "ctc/backend.h"

namespace ctc {
namespace cuda {

// The device part of ctc_backend's posteriors(). Throws Failure, Cancelled, std::bad_alloc.
void computePosteriors(int32_t device, const PosteriorProblem& problem, Placement placement);

}  // namespace cuda
}  // namespace ctc
