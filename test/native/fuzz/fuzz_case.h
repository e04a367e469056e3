// A batch from a fuzzer's bytes: shapes, values, targets, lengths, and how it lies in memory.
#pragma once

#include <cstdint>
#include <vector>

#include "../loss_case.h"
#include "bytes.h"

namespace ctc::test {

struct Most {
  int64_t frames, utterances, classes, labels;
};

LossCase readCase(Bytes& bytes, const Most& most);
Placement readPlacement(Bytes& bytes);

// Finite numbers of a size that oracles in float64 logarithms can be compared on, or masks.
bool isModerate(const LossCase& c);

// The case's numbers as the core takes them, some of them spoilt.
struct RawTargets {
  Labels labels;
  std::vector<int64_t> offsets{0};
  std::vector<int64_t> lengths;
  int32_t blank = 0;

  explicit RawTargets(const LossCase& c);

  Targets targets() const { return {labels.data(), offsets.data()}; }
  // One number or several become any other. The last offset stays at most the number of labels, as
  // the callers of the core see to.
  void spoil(Bytes& bytes);
  // Whether all of them are in their ranges; labels may be `classes` where `star` says so.
  bool inRange(const LossCase& c, bool star = false) const;
};

}  // namespace ctc::test
