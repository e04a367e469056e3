#include "cpu/row_scan.h"

#include "cpu/dispatch.h"
#include "cpu/includes.h"

namespace ctc {

namespace row_scan_baseline {
#define CTC_ROW_LANES 2
#include "cpu/row_scan.inl"
#undef CTC_ROW_LANES
}  // namespace row_scan_baseline

#if CTC_X86_64
CTC_TARGET_REGION("avx2,f16c")
namespace row_scan_avx2 {
#define CTC_ROW_LANES 4
#include "cpu/row_scan.inl"
#undef CTC_ROW_LANES
}  // namespace row_scan_avx2
CTC_END_TARGET_REGION

CTC_TARGET_REGION("avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c")
namespace row_scan_avx512 {
#define CTC_ROW_LANES 8
#include "cpu/row_scan.inl"
#undef CTC_ROW_LANES
}  // namespace row_scan_avx512
CTC_END_TARGET_REGION
#endif

namespace {

RowScan choose() {
#if CTC_X86_64
  const char* const isa = activeIsa();
  if (std::strcmp(isa, "avx512") == 0) {
    return {row_scan_avx512::readRow, row_scan_avx512::finiteMax, row_scan_avx512::logSumOver};
  }
  if (std::strcmp(isa, "avx2") == 0) {
    return {row_scan_avx2::readRow, row_scan_avx2::finiteMax, row_scan_avx2::logSumOver};
  }
#endif
  return {row_scan_baseline::readRow, row_scan_baseline::finiteMax, row_scan_baseline::logSumOver};
}

}  // namespace

const RowScan& activeRowScan() {
  static const RowScan chosen = choose();
  return chosen;
}

}  // namespace ctc
