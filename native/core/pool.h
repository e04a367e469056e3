// The process's threads. Callers take part in their own work, so a call never waits for a free
// thread, and several callers at once share the pool.
#pragma once

#include <cstdint>
#include <type_traits>

namespace ctc {

// Runs body(context, task, lane) for every task in [0, count), each once, on at most `threads`
// threads, the caller included. Lanes are numbers below `threads`; tasks of one lane run one after
// another. Which lane gets which task is not fixed. Bodies must not throw.
void parallelFor(int threads, int64_t count, void (*body)(void* context, int64_t task, int lane),
                 void* context);

template <class Body>
void parallelFor(int threads, int64_t count, Body&& body) {
  using Plain = typename std::remove_reference<Body>::type;
  parallelFor(
      threads, count,
      [](void* context, int64_t task, int lane) { (*static_cast<Plain*>(context))(task, lane); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace ctc
