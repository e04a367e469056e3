// How the host takes a batch through the device: chunk by chunk, two under way at a time, in
// smaller chunks where memory is short.
#pragma once

#include <atomic>
#include <cstdint>

#include "ctc/problem.h"
#include "cuda/plan.h"
#include "cuda/session.h"

namespace ctc {
namespace cuda {

// enqueue(which, from): puts a chunk that begins with item `from` under way on pipe `which`, and
// answers where the next one begins. collect(which): waits for it and hands out what it brought.
template <class Enqueue, class Collect>
void takeTurns(int64_t count, int pipes, const Execution& execution, Enqueue enqueue,
               Collect collect) {
  bool under[2] = {false, false};
  int64_t at = 0;
  for (int turn = 0; at < count || under[0] || under[1]; ++turn) {
    throwIfCancelled(execution);
    const int which = turn % pipes;
    if (under[which]) collect(which);
    under[which] = at < count;
    if (under[which]) at = enqueue(which, at);
  }
}

// body(budget), again with smaller budgets as long as the device lacks memory.
template <class Body>
void inSmallerParts(Body body) {
  for (int level = 0;; ++level) {
    try {
      body(budgetAt(level));
      return;
    } catch (const Failure& failure) {
      if (failure.error != cudaErrorMemoryAllocation || level + 1 == budgetLevels) throw;
      // Without what idle sessions keep.
      trimSessions();
    }
  }
}

}  // namespace cuda
}  // namespace ctc
