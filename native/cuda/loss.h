#pragma once

#include "ctc/backend.h"

namespace ctc {
namespace cuda {

// The device part of ctc_backend's loss() and workspaceBytes(). Throw Failure, Cancelled,
// std::bad_alloc.
void computeLoss(int32_t device, const LossProblem& problem, Placement placement);
int64_t estimateWorkspace(const LossProblem& problem, Placement placement);

}  // namespace cuda
}  // namespace ctc
