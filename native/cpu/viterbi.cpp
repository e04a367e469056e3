#include "cpu/viterbi.h"

#include "cpu/includes.h"

#if CTC_X86_64
#include <immintrin.h>
#elif CTC_ARM64
#include <arm_neon.h>
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

SweepFunction chooseSweep() {
#if CTC_X86_64
  if (__builtin_cpu_supports("avx512f")) return viterbi_avx512::sweep;
  if (__builtin_cpu_supports("avx2")) return viterbi_avx2::sweep;
#endif
  return viterbi_baseline::sweep;
}

}  // namespace ctc
