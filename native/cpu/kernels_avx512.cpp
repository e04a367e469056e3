#include "cpu/includes.h"

#if CTC_X86_64
#include <immintrin.h>

// GCC 12 warns about its own header's undefined vectors.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

CTC_TARGET_REGION("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
namespace ctc {
namespace avx512 {
#include "cpu/simd_avx512.h"

#include "cpu/kernels.inl"
}  // namespace avx512
extern const Kernels avx512Kernels = {"avx512", avx512::makeKernel};
}  // namespace ctc
CTC_END_TARGET_REGION
#endif
