#include "cuda/source.h"

#include <cstring>

namespace ctc {
namespace cuda {

bool isPinned(const void* memory) {
  cudaPointerAttributes attributes = {};
  if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return attributes.type == cudaMemoryTypeHost;
}

Source::Source(const Tensor& input, bool onDevice, int32_t device)
    : input_(input), size_(static_cast<int64_t>(bytesOf(input.dtype))) {
  data_ = static_cast<const char*>(input.data);
  if (onDevice) {
    staged_ = false;
    data_ = static_cast<char*>(addressOf(static_cast<const DeviceMemory*>(input.data), device));
  } else {
    pinned_ = input.classStride == 1 &&
              isPitch(input.frameStride * size_, input.classes * size_, input.frames) &&
              isPinned(data_);
  }
}

const char* Source::row(int64_t utterance, int64_t frame) const {
  return data_ + (utterance * input_.utteranceStride + frame * input_.frameStride) * size_;
}

void Source::packRow(const char* from, char* to) const {
  if (input_.classStride == 1) {
    std::memcpy(to, from, static_cast<size_t>(input_.classes * size_));
    return;
  }
  for (int64_t c = 0; c < input_.classes; ++c) {
    std::memcpy(to + c * size_, from + c * input_.classStride * size_, static_cast<size_t>(size_));
  }
}

const void* Source::provide(Pipe& pipe, const std::vector<Piece>& pieces, int64_t elements) const {
  if (!staged_) return data_;
  const int64_t rowBytes = input_.classes * size_;
  char* const target = pipe.input.reserve(elements * size_);
  char* const staging = pinned_ ? nullptr : pipe.inputStaging.reserve(elements * size_);
  for (const Piece& piece : pieces) {
    const int64_t at = piece.at * size_;
    if (pinned_ && piece.frames > 0) {
      check(cudaMemcpy2DAsync(target + at, static_cast<size_t>(rowBytes), row(piece.utterance, 0),
                              pitchOf(rowBytes, input_.frameStride * size_, piece.frames),
                              static_cast<size_t>(rowBytes), static_cast<size_t>(piece.frames),
                              cudaMemcpyHostToDevice, pipe.stream));
    }
    for (int64_t t = 0; t < piece.frames && !pinned_; ++t) {
      packRow(row(piece.utterance, t), staging + at + t * rowBytes);
    }
  }
  if (!pinned_ && elements > 0) {
    check(cudaMemcpyAsync(target, staging, static_cast<size_t>(elements * size_),
                          cudaMemcpyHostToDevice, pipe.stream));
  }
  return target;
}

}  // namespace cuda
}  // namespace ctc
