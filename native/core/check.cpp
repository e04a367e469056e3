#include "core/check.h"

#include <limits>

namespace ctc {

bool targetsInRange(const Tensor& input, const Targets& targets, const int64_t* inputLengths,
                    int32_t blank, int64_t* badUtterance) {
  if (badUtterance != nullptr) *badUtterance = -1;
  const int64_t mostClasses = std::numeric_limits<int32_t>::max();
  const int64_t mostLabels = std::numeric_limits<int32_t>::max() / 16;
  if (input.frames < 0 || input.utterances < 0 || input.classes < 1 ||
      input.classes > mostClasses || blank < 0 || blank >= input.classes) {
    return false;
  }
  if (input.utterances > 0 && targets.offsets[0] != 0) return false;
  // All offsets before any label: only then does none of them lead beyond the last one.
  for (int64_t n = 0; n < input.utterances; ++n) {
    if (targets.offsets[n + 1] >= targets.offsets[n]) continue;
    if (badUtterance != nullptr) *badUtterance = n;
    return false;
  }
  for (int64_t n = 0; n < input.utterances; ++n) {
    if (badUtterance != nullptr) *badUtterance = n;
    const int64_t begin = targets.offsets[n];
    const int64_t end = targets.offsets[n + 1];
    if (end - begin > mostLabels) return false;
    if (inputLengths[n] < 0 || inputLengths[n] > input.frames) return false;
    for (int64_t i = begin; i < end; ++i) {
      const int32_t label = targets.labels[i];
      if (label < 0 || label >= input.classes || label == blank) return false;
    }
  }
  if (badUtterance != nullptr) *badUtterance = -1;
  return true;
}

}  // namespace ctc
