// The input of a call on its way to the kernels: read where it lies on the device, or copied there
// chunk by chunk, without gaps and without the rows beyond a length.
#pragma once

#include <cstdint>
#include <vector>

#include "ctc/problem.h"
#include "cuda/session.h"

namespace ctc {
namespace cuda {

bool isPinned(const void* memory);

// The frames of an utterance that a chunk takes.
struct Piece {
  int64_t utterance;
  int64_t frames;
  int64_t at;  // element of the packed chunk where they begin
};

class Source {
 public:
  // Throws Failure when the memory is not that device's. Under a lease only.
  Source(const Tensor& input, bool onDevice, int32_t device);

  // Whether chunks are copied; else the kernels index the caller's tensor.
  bool staged() const { return staged_; }

  // What the kernels are told of the tensor.
  int64_t classStride() const { return staged_ ? 1 : input_.classStride; }
  int32_t classes() const { return static_cast<int32_t>(input_.classes); }
  int64_t frameStride() const { return staged_ ? input_.classes : input_.frameStride; }
  int64_t begin(int64_t utterance, int64_t at) const {
    return staged_ ? at : utterance * input_.utteranceStride;
  }

  // Where the kernels of this chunk find it, all of `elements`; the copy is enqueued.
  const void* provide(Pipe& pipe, const std::vector<Piece>& pieces, int64_t elements) const;

 private:
  const char* row(int64_t utterance, int64_t frame) const;
  void packRow(const char* from, char* to) const;

  const Tensor& input_;
  const int64_t size_;  // bytes of an element
  const char* data_ = nullptr;
  bool staged_ = true;
  bool pinned_ = false;
};

// Whether a copy of rows that are `strideBytes` apart can be left to the runtime.
inline bool isPitch(int64_t strideBytes, int64_t rowBytes, int64_t rows) {
  // CUDA's own limit is 2^31 - 1 on every card.
  return rows <= 1 || (strideBytes >= rowBytes && strideBytes <= 0x7fffffff);
}

// Bytes between rows, as the runtime wants them: at least a row. One row has no next.
inline size_t pitchOf(int64_t rowBytes, int64_t strideBytes, int64_t rows) {
  return static_cast<size_t>(rows == 1 ? rowBytes : strideBytes);
}

}  // namespace cuda
}  // namespace ctc
