#include "cpu/includes.h"

#if CTC_X86_64
#include <immintrin.h>

CTC_TARGET_REGION("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
namespace ctc {
namespace avx2 {
#include "cpu/simd_avx2.h"

#include "cpu/kernels.inl"
}  // namespace avx2
extern const Kernels avx2Kernels = {"avx2", avx2::makeKernel};
}  // namespace ctc
CTC_END_TARGET_REGION
#endif
