#include "cpu/includes.h"

namespace ctc {
namespace baseline {
#include "cpu/simd_baseline.h"

#include "cpu/kernels.inl"
}  // namespace baseline
extern const Kernels baselineKernels = {"baseline", baseline::makeKernel};
}  // namespace ctc
