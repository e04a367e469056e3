// Memory of one thread: a block that grows when it is asked to, handed out from the front.
// A counting arena hands out nothing and only adds up, so that the same code sizes and slices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace ctc {

class Arena {
 public:
  static constexpr size_t alignment = 64;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { ::operator delete(block_); }

  // Forgets what was handed out; the memory stays.
  void rewind() { used_ = 0; }
  void startCounting() {
    counting_ = true;
    used_ = 0;
  }
  size_t stopCounting() {
    counting_ = false;
    const size_t counted = used_;
    used_ = 0;
    return counted;
  }
  bool counting() const { return counting_; }
  size_t capacity() const { return capacity_; }

  // Makes room for `bytes` in all; nothing may be handed out yet. Throws std::bad_alloc.
  void reserve(size_t bytes) {
    if (bytes <= capacity_) return;
    release();
    block_ = ::operator new(bytes + alignment);
    void* aligned = block_;
    size_t room = bytes + alignment;
    base_ = static_cast<char*>(std::align(alignment, bytes, aligned, room));
    capacity_ = bytes;
  }

  // Gives the memory back when it is larger than `bytes`.
  void shrink(size_t bytes) {
    if (capacity_ > bytes) release();
  }

  // Uninitialised, aligned to a cache line. Null while counting.
  template <class T>
  T* take(int64_t count) {
    const size_t bytes =
        (static_cast<size_t>(count) * sizeof(T) + alignment - 1) & ~(alignment - 1);
    const size_t offset = used_;
    used_ += bytes;
    if (counting_) return nullptr;
    if (used_ > capacity_) throw std::bad_alloc();
    return reinterpret_cast<T*>(base_ + offset);
  }

 private:
  void release() {
    ::operator delete(block_);
    block_ = nullptr;
    base_ = nullptr;
    capacity_ = 0;
  }

  void* block_ = nullptr;
  char* base_ = nullptr;
  size_t capacity_ = 0;
  size_t used_ = 0;
  bool counting_ = false;
};

}  // namespace ctc
