#include "core/check.h"

#include <limits>

#include "ctc/lattice.h"

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

bool lengthsInRange(const Tensor& input, const int64_t* inputLengths, int32_t blank,
                    int64_t* badUtterance) {
  if (blank < 0 || blank >= input.classes) return false;
  for (int64_t n = 0; n < input.utterances; ++n) {
    const int64_t frames = inputLengths[n];
    // Frame numbers are 32 bits wide in the searches.
    if (frames >= 0 && frames <= input.frames && frames < std::numeric_limits<int32_t>::max()) {
      continue;
    }
    if (badUtterance != nullptr) *badUtterance = n;
    return false;
  }
  return true;
}

bool alignable(const AlignProblem& problem, int64_t* badUtterance) {
  Tensor withStar = problem.input;
  if (problem.star != Star::none) ++withStar.classes;
  return problem.blank < problem.input.classes &&
         targetsInRange(withStar, problem.targets, problem.inputLengths, problem.blank,
                        badUtterance);
}

bool matricesFit(const PosteriorProblem& problem, int64_t* badUtterance) {
  const Targets& targets = problem.targets;
  if (!targetsInRange(problem.input, targets, problem.inputLengths, problem.blank, badUtterance)) {
    return false;
  }
  int64_t cells = 0;
  for (int64_t n = 0; n < problem.input.utterances; ++n) {
    if (badUtterance != nullptr) *badUtterance = n;
    if (problem.matrixOffsets[n] != cells) return false;
    cells += problem.inputLengths[n] * stateCount(targets.offsets[n + 1] - targets.offsets[n]);
    if (problem.matrixOffsets[n + 1] != cells) return false;
  }
  return true;
}

}  // namespace ctc
