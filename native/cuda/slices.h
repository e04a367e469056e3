// Arrays in one piece of memory: sizes it when `base` is null, else slices it.
#pragma once

#include <cstdint>
#include <type_traits>

namespace ctc {
namespace cuda {

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

}  // namespace cuda
}  // namespace ctc
