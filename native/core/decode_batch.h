// What both decoders do around an utterance: the last check of lengths, the threads, and turning
// lack of memory or a cancellation into the call's result.
#pragma once

#include <atomic>
#include <new>

#include "core/check.h"
#include "core/pool.h"
#include "ctc/problem.h"

namespace ctc {

// Runs decode(utterance, lane) -> bool for every utterance; false means cancelled.
template <class Decode>
Result decodeBatch(const Tensor& input, const int64_t* inputLengths, int32_t blank,
                   const Execution& execution, int64_t* badUtterance, Decode decode) {
  if (!lengthsInRange(input, inputLengths, blank, badUtterance)) return Result::badArgument;
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
