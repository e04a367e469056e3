// A batch as asked: spans, shapes, strides, dtypes, options. Owns nothing; every pointer must stay
// valid until the call that takes it returns.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ctc {

enum class DType : int32_t { float32 = 0, float64 = 1, float16 = 2, bfloat16 = 3 };

constexpr size_t bytesOf(DType dtype) {
  return dtype == DType::float64 ? 8 : dtype == DType::float32 ? 4 : 2;
}

// What the numbers are: scores before softmax, or natural-log probabilities (normalised or not).
enum class Input : int32_t { logits = 0, logProbs = 1 };

// For log-probabilities only. `input`: the true partial derivative, -posterior.
// `softmax`: exp(logProb) - posterior, the convention of PyTorch.
enum class GradientOf : int32_t { input = 0, softmax = 1 };

enum class Status : uint8_t { ok = 0, infeasible = 1, nonfinite = 2 };

// What a whole call came to. Everything but `ok` leaves the outputs unspecified.
enum class Result : int32_t { ok = 0, outOfMemory = 1, cancelled = 2, badArgument = 3 };

// Model outputs, indexed (frame, utterance, class); strides are in elements, may be 0 or negative.
struct Tensor {
  const void* data = nullptr;  // the element (0, 0, 0)
  DType dtype = DType::float32;
  int64_t frames = 0;      // T
  int64_t utterances = 0;  // N
  int64_t classes = 0;     // C
  int64_t frameStride = 0;
  int64_t utteranceStride = 0;
  int64_t classStride = 1;
};

// Where results with one number per (frame, utterance, class) go; classes are contiguous.
struct OutputTensor {
  void* data = nullptr;  // null: not wanted. Same dtype as the input.
  int64_t frameStride = 0;
  int64_t utteranceStride = 0;
};

// Target labels of all utterances, one after another: utterance n owns
// labels[offsets[n] .. offsets[n + 1]).
struct Targets {
  const int32_t* labels = nullptr;   // each in [0, C) and not the blank
  const int64_t* offsets = nullptr;  // [N + 1], not decreasing, offsets[0] == 0

  const int32_t* of(int64_t n) const { return labels + offsets[n]; }
  int64_t count(int64_t n) const { return offsets[n + 1] - offsets[n]; }
};

// How a call may use the machine.
struct Execution {
  int32_t threads = 1;                           // at least 1, the caller included
  const std::atomic<bool>* cancelled = nullptr;  // polled between blocks of frames
};

}  // namespace ctc
