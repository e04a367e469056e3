// Runs the threads of one block; see runtime.h for the rules.
#pragma once

#include <functional>
#include <string>

#include "cuda/emulation/runtime.h"

namespace ctc {
namespace emulation {

// Calls `body` once for each thread, with threadIdx set. `random` is the state of the order's
// generator. False, with the reason, when threads don't meet as they must.
bool runBlock(unsigned threads, const std::function<void()>& body, uint64_t* random,
              std::string* problem);

// For the running thread: returns once all threads of the block have come here.
void waitAtBarrier(Place at);

}  // namespace emulation
}  // namespace ctc
