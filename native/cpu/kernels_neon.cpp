#include "cpu/includes.h"

#if CTC_ARM64
#include <arm_neon.h>

namespace ctc {
namespace neon {
#include "cpu/simd_neon.h"

#include "cpu/kernels.inl"
}  // namespace neon
extern const Kernels neonKernels = {"neon", neon::makeKernel};
}  // namespace ctc
#endif
