// What decides how a call is cut into chunks and spread over threads, and the tables of labels that
// the kernels read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/launch.h"

namespace ctc {
namespace cuda {

// What limits the memory of a chunk, in bytes.
struct Budget {
  int64_t workspace;  // of one chunk
  int64_t kept;       // kept rows of one utterance; more are computed again from checkpoints
  int64_t staged;     // input of one chunk when it comes from the host
};
// `level` 0 is the usual one; each further one takes an eighth.
Budget budgetAt(int level);
constexpr int budgetLevels = 4;

// For targets of at most `labels` labels, in float64 (`wide`) or float32.
Mapping mappingFor(int64_t labels, bool wide);

// Where in the tables a target's distinct labels are.
struct Slots {
  int32_t count;      // the blank, which is slot 0, included
  int64_t laneSlot;   // [labels] the slot of each label
  int64_t slotClass;  // [count] the class of each slot
};

// Distinct labels of targets, in the order in which they come.
class SlotTables {
 public:
  std::vector<int32_t> tables;
  // Every label below `classes`.
  Slots add(const int32_t* labels, int32_t count, int32_t blank, int64_t classes);

 private:
  std::vector<int32_t> slotOf_;  // [classes] room, only entries of the labels at hand are valid
};

// For tests: values other than 0 replace what would be chosen. Never changes a result.
struct Tuning {
  int32_t pairs = 0;
  int32_t warps = 0;
  int32_t blockFrames = 0;
  int32_t chunk = 0;  // utterances
};
extern Tuning tuning;

// Whether a chunk of `size` utterances can take no more, whatever their memory: a grid's second
// extent ends at 65535.
inline bool isFull(size_t size) {
  return size >= 32768 || (tuning.chunk > 0 && size >= static_cast<size_t>(tuning.chunk));
}

}  // namespace cuda
}  // namespace ctc
