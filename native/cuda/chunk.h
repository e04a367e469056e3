// The memory of a chunk, utterances that go through the kernels together, and how it is provided.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cuda/source.h"

namespace ctc {
namespace cuda {

// Arrays in one piece of memory: sizes it when `base` is null, else slices it.
class Slices {
 public:
  explicit Slices(char* base) : base_(base) {}

  template <class T>
  void take(T*& array, int64_t count) {
    array = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + bytes_);
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + 255) / 256 * 256;
  }
  int64_t bytes() const { return bytes_; }

 private:
  char* base_;
  int64_t bytes_ = 0;
};

// The start of a chunk's memory, which the host fills: what the kernels are told of its utterances.
template <class Item>
struct Told {
  Item* items;
  int32_t* tables;

  template <class Chunk>
  Told(Slices* slices, const Chunk& chunk) {
    slices->take(items, static_cast<int64_t>(chunk.items().size()));
    slices->take(tables, static_cast<int64_t>(chunk.tables().size()));
  }

  // Laid out on the host as on the device, so that one small copy takes it there.
  template <class Chunk>
  static void upload(Pipe& pipe, const Chunk& chunk, char* device) {
    Slices sized(nullptr);
    Told(&sized, chunk);
    char* const staging = pipe.tables.reserve(sized.bytes());
    Slices slices(staging);
    const Told host(&slices, chunk);
    std::copy(chunk.items().begin(), chunk.items().end(), host.items);
    std::copy(chunk.tables().begin(), chunk.tables().end(), host.tables);
    check(cudaMemcpyAsync(device, staging, static_cast<size_t>(sized.bytes()),
                          cudaMemcpyHostToDevice, pipe.stream));
  }
};

// Memory of the device for a chunk, with its tables and input on their way there; the batch is
// complete but for the call's options. Memory(chunk, base, results) slices the two it is given, or
// sizes them (`bytes`, `resultBytes`) when they are null.
template <class Memory, class Chunk>
Memory provide(Pipe& pipe, const Chunk& chunk, const Source& source) {
  const Memory sized(chunk, nullptr, nullptr);
  char* const device = pipe.workspace.reserve(sized.bytes + sized.resultBytes);
  Memory memory(chunk, device, device + sized.bytes);
  Told<typename Chunk::Item>::upload(pipe, chunk, device);
  memory.batch.input = source.provide(pipe, chunk.pieces(), chunk.packed());
  memory.batch.classStride = source.classStride();
  memory.batch.classes = source.classes();
  return memory;
}

}  // namespace cuda
}  // namespace ctc
