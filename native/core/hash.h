// Hashes for the open-addressing tables of words, tries and n-grams.
#pragma once

#include <cstdint>
#include <string_view>

namespace ctc {

inline uint64_t mixBits(uint64_t x) {  // the finaliser of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

inline uint64_t hashPair(int32_t a, int32_t b) {
  return mixBits((uint64_t{static_cast<uint32_t>(a)} << 32) | static_cast<uint32_t>(b));
}

inline uint64_t hashText(std::string_view text) {  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mixBits(hash);
}

}  // namespace ctc
