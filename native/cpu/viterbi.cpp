#include "cpu/viterbi.h"

#include "cpu/dispatch.h"
#include "cpu/includes.h"

#if CTC_X86_64
#include <immintrin.h>
#elif CTC_ARM64
#include <arm_neon.h>
#endif

// GCC 12 warns about its own header's undefined vectors.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace ctc {

namespace viterbi_baseline {
#include "cpu/simd_baseline.h"
#include "cpu/viterbi_step.inl"
}  // namespace viterbi_baseline

#if CTC_X86_64
CTC_TARGET_REGION("avx2,fma,f16c")
namespace viterbi_avx2 {
#include "cpu/simd_avx2.h"
#include "cpu/viterbi_step.inl"
}  // namespace viterbi_avx2
CTC_END_TARGET_REGION

CTC_TARGET_REGION("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
namespace viterbi_avx512 {
#include "cpu/simd_avx512.h"
#include "cpu/viterbi_step.inl"
}  // namespace viterbi_avx512
CTC_END_TARGET_REGION
#endif

#if CTC_ARM64
namespace viterbi_neon {
#include "cpu/simd_neon.h"
#include "cpu/viterbi_step.inl"
}  // namespace viterbi_neon
#endif

SweepFunction activeSweep() {
  const char* const isa = activeIsa();
#if CTC_X86_64
  if (std::strcmp(isa, "avx512") == 0) return viterbi_avx512::sweep;
  if (std::strcmp(isa, "avx2") == 0) return viterbi_avx2::sweep;
#endif
#if CTC_ARM64
  if (std::strcmp(isa, "neon") == 0) return viterbi_neon::sweep;
#endif
  return viterbi_baseline::sweep;
}

}  // namespace ctc
