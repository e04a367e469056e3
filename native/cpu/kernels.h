// What a CPU kernel is asked and answers: one utterance at a time, in two phases of two halves.
//
// Alpha walks from the first frame, beta from the last, and they meet in the middle. `inward(half)`
// walks from an end to the middle and keeps what it computed; `meet()` then knows the loss;
// `outward(half)` lets the *other* half's recursion go on from the middle to this half's end,
// against what was kept, which gives the posteriors and with them the gradient. The two halves of a
// phase are independent of each other and may run on two threads.
#pragma once

#include <atomic>
#include <cstdint>

#include "cpu/arena.h"
#include "ctc/problem.h"

namespace ctc {

struct UtteranceProblem {
  const void* data = nullptr;  // the element (frame 0, class 0)
  DType dtype = DType::float32;
  int64_t frames = 0;  // at least 1; labels + repeats <= frames
  int64_t classes = 0;
  int64_t frameStride = 0;
  int64_t classStride = 1;
  const int32_t* labels = nullptr;
  int32_t labelCount = 0;
  int32_t blank = 0;
  Input inputKind = Input::logits;
  GradientOf gradientOf = GradientOf::input;
  double gradientScale = 1;
  void* gradient = nullptr;  // frame 0, or null for the loss alone; classes contiguous
  int64_t gradientFrameStride = 0;
  bool streaming = false;  // the gradient is too large to stay in the caches
  const std::atomic<bool>* cancelled = nullptr;
};

struct Meeting {
  Status status = Status::ok;
  double loss = 0;
  bool needsWide = false;  // out of the narrow kernel's range: ask again with `wide`
};

class UtteranceKernel {
 public:
  virtual ~UtteranceKernel() = default;
  virtual void inward(int half) = 0;
  virtual void inward() = 0;           // both halves, frame by frame in turn: the same bits, faster
  virtual Meeting meet() = 0;          // after both halves went inward
  virtual void outward(int half) = 0;  // after meet() said ok; writes the half's gradient rows
  virtual void outward() = 0;
};

// One instruction set's implementation.
struct Kernels {
  const char* name;
  // Places a kernel for the problem into the arena (on its stack of memory: release by rewinding
  // the arena). `wide` computes in float64 whatever the input is; float64 input always does.
  // With a counting arena nothing is built and the result is null.
  UtteranceKernel* (*make)(const UtteranceProblem& problem, bool wide, Arena& arena);
};

}  // namespace ctc
