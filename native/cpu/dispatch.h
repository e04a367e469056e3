// Which instruction set's kernels this process uses: the best one that the processor has, or the
// one named by the environment variable NODE_CTC_ISA. Chosen once, at first use.
#pragma once

#include "cpu/kernels.h"

namespace ctc {

struct IsaList {
  const char* names[4];
  int count;
};

const Kernels& activeKernels();
const char* activeIsa();

// What this processor can run, best first.
IsaList availableIsas();

// The kernels of one of availableIsas(), null for any other name.
const Kernels* findKernels(const char* isa);

// Null, or why NODE_CTC_ISA cannot be honoured (then the best one is active).
const char* isaProblem();

}  // namespace ctc
