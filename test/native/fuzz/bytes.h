// A fuzzer's bytes as numbers and choices. Where they have run out, everything is 0, so that every
// input is a whole one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace ctc::test {

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}

  uint8_t byte() { return at_ == end_ ? 0 : *at_++; }
  bool flag() { return byte() % 2 == 1; }
  bool oneIn(int64_t n) { return below(n) == 1; }

  // In [0, n); as few bytes as n has.
  int64_t below(int64_t n) {
    uint64_t value = 0;
    for (int64_t left = n - 1; left > 0; left >>= 8) value = value << 8 | byte();
    return static_cast<int64_t>(value % static_cast<uint64_t>(n));
  }
  int64_t between(int64_t least, int64_t most) { return least + below(most - least + 1); }

  template <class T>
  T bits() {
    uint8_t raw[sizeof(T)];
    for (uint8_t& b : raw) b = byte();
    T value;
    std::memcpy(&value, raw, sizeof value);
    return value;
  }

  // Any number; those where checks go wrong are common.
  int64_t integer() {
    constexpr int64_t least = std::numeric_limits<int64_t>::min();
    constexpr int64_t most = std::numeric_limits<int64_t>::max();
    const int64_t edges[] = {least,     least + 1,        most,       most - 1, INT32_MIN,
                             INT32_MAX, int64_t{1} << 31, UINT32_MAX, -1,       int64_t{1} << 62};
    const auto choice = static_cast<size_t>(below(16));
    if (choice < sizeof edges / sizeof *edges) return edges[choice];
    return choice % 2 == 0 ? bits<int8_t>() : bits<int64_t>();
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

}  // namespace ctc::test
