// What decoders and the aligner read of a frame, in the widest vectors of the processor: the same
// bits with every instruction set, so that what they decide does not depend on the machine.
#pragma once

#include <cstdint>

#include "ctc/problem.h"

namespace ctc {

struct RowScan {
  void (*read)(const Tensor& input, int64_t frame, int64_t utterance, double* row);
  double (*finiteMax)(const double* row, int64_t classes);
  int64_t (*bestClass)(const Tensor& input, int64_t frame, int64_t utterance, double* row,
                       double* largest);
  double (*logSumOver)(const double* row, int64_t classes, double largest);
  double (*frameLogSum)(const Tensor& input, int64_t frame, int64_t utterance, double* row,
                        double largest);
};

// For the instruction set of dispatch.h; told by core/rows.h.
const RowScan& activeRowScan();

}  // namespace ctc
