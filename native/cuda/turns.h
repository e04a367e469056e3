// How the host takes a batch through the device: chunk by chunk, two under way at a time, in
// smaller chunks where memory is short.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ctc/problem.h"
#include "cuda/plan.h"
#include "cuda/session.h"

namespace ctc {
namespace cuda {

// The utterances of a list, by turns on the first `pipes` pipes.
//   start()               an empty chunk
//   add(chunk, n)         false when it is full
//   enqueue(pipe, chunk)  puts it under way
//   collect(pipe, chunk)  waits for it and hands out what it brought
template <class Start, class Add, class Enqueue, class Collect>
void inChunks(const std::vector<int64_t>& list, int pipes, Session& session,
              const Execution& execution, Start start, Add add, Enqueue enqueue, Collect collect) {
  std::optional<decltype(start())> under[2];
  auto next = list.begin();
  for (int turn = 0; next != list.end() || under[0] || under[1]; ++turn) {
    throwIfCancelled(execution);
    auto& chunk = under[turn % pipes];
    Pipe& pipe = session.pipes[turn % pipes];
    if (chunk) collect(pipe, *chunk);
    chunk.reset();
    if (next == list.end()) continue;
    chunk.emplace(start());
    while (next != list.end() && add(*chunk, *next)) ++next;
    enqueue(pipe, *chunk);
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
