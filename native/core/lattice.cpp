#include "ctc/lattice.h"

namespace ctc {

int64_t repeatCount(const int32_t* labels, int64_t count) {
  int64_t repeats = 0;
  for (int64_t i = 1; i < count; ++i) repeats += labels[i] == labels[i - 1];
  return repeats;
}

int64_t framesNeeded(const int32_t* labels, int64_t count) {
  return count + repeatCount(labels, count);
}

}  // namespace ctc
