// One utterance's lattice: its states, and how many frames its shortest path takes.
#pragma once

#include <cstdint>

namespace ctc {

// A target of L labels has 2 L + 1 states: blanks between, before and after the labels.
inline int64_t stateCount(int64_t labels) { return 2 * labels + 1; }

// Labels equal to the one before; a blank must separate each such pair.
int64_t repeatCount(const int32_t* labels, int64_t count);

// Frames of the shortest path: a frame for each label and for each separating blank.
int64_t framesNeeded(const int32_t* labels, int64_t count);

}  // namespace ctc
