#pragma once

#include "ctc/backend.h"

namespace ctc {
namespace cuda {

// The device part of ctc_backend's greedy(). Throws Failure, Cancelled, std::bad_alloc.
void decodeGreedily(int32_t device, const DeviceGreedy& problem, Placement placement);

}  // namespace cuda
}  // namespace ctc
