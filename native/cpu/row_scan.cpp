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

#define CTC_ROW_SCAN(body) \
  { body::readRow, body::finiteMax, body::bestClass, body::logSumOver, body::frameLogSum }

RowScan choose() {
#if CTC_X86_64
  const char* const isa = activeIsa();
  if (std::strcmp(isa, "avx512") == 0) return CTC_ROW_SCAN(row_scan_avx512);
  if (std::strcmp(isa, "avx2") == 0) return CTC_ROW_SCAN(row_scan_avx2);
#endif
  return CTC_ROW_SCAN(row_scan_baseline);
}

#undef CTC_ROW_SCAN

}  // namespace

const RowScan& activeRowScan() {
  static const RowScan chosen = choose();
  return chosen;
}

}  // namespace ctc
