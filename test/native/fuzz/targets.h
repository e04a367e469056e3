// What is fuzzed: each target makes a case of any bytes, runs it, and checks what must always hold
// (check.h). libFuzzer drives them (libfuzzer.cpp), and so do the C++ tests (replay.cpp).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ctc::test {

struct FuzzTarget {
  const char* name;
  void (*run)(const uint8_t* data, size_t size);
};

void fuzzLoss(const uint8_t* data, size_t size);
void fuzzAlign(const uint8_t* data, size_t size);
void fuzzPosteriors(const uint8_t* data, size_t size);
void fuzzGreedy(const uint8_t* data, size_t size);
void fuzzBeam(const uint8_t* data, size_t size);
void fuzzArpa(const uint8_t* data, size_t size);

constexpr FuzzTarget fuzzTargets[] = {
    {"loss", fuzzLoss},     {"align", fuzzAlign}, {"posteriors", fuzzPosteriors},
    {"greedy", fuzzGreedy}, {"beam", fuzzBeam},   {"arpa", fuzzArpa},
};

}  // namespace ctc::test
