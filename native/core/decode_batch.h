// What both decoders do around an utterance: the last check of lengths, the threads, and turning
// lack of memory or a cancellation into the call's result.
#pragma once

#include <atomic>
#include <limits>
#include <new>

#include "core/pool.h"
#include "ctc/problem.h"

namespace ctc {

// Runs decode(utterance, lane) -> bool for every utterance; false means cancelled.
template <class Decode>
Result decodeBatch(const Tensor& input, const int64_t* inputLengths, int32_t blank,
                   const Execution& execution, int64_t* badUtterance, Decode decode) {
  if (blank < 0 || blank >= input.classes) return Result::badArgument;
  for (int64_t n = 0; n < input.utterances; ++n) {
    const int64_t frames = inputLengths[n];
    // Frame numbers are 32 bits wide in the searches.
    if (frames >= 0 && frames <= input.frames && frames < std::numeric_limits<int32_t>::max()) {
      continue;
    }
    if (badUtterance) *badUtterance = n;
    return Result::badArgument;
  }
  std::atomic<Result> result{Result::ok};
  parallelFor(execution.threads, input.utterances, [&](int64_t utterance, int lane) {
    if (result.load() != Result::ok) return;
    if (execution.cancelled && execution.cancelled->load()) {
      result = Result::cancelled;
      return;
    }
    try {
      if (!decode(utterance, lane)) result = Result::cancelled;
    } catch (const std::bad_alloc&) {
      result = Result::outOfMemory;
    }
  });
  return result.load();
}

}  // namespace ctc
