#include "cuda/plan.h"

#include <algorithm>

namespace ctc {
namespace cuda {

Tuning tuning;

Budget budgetAt(int level) {
  const int64_t workspace = (int64_t{1} << 30) >> (3 * level);
  return {workspace, workspace / 16, std::min(workspace, int64_t{16} << 20)};
}

Mapping mappingFor(int64_t labels, bool wide) {
  const int64_t lanes = labels + 1;
  Mapping mapping;
  mapping.pairs = wide || lanes <= 32 ? 1 : lanes <= 64 ? 2 : 4;
  const int64_t tile = int64_t{warpSize32} * mapping.pairs;
  mapping.warps = static_cast<int32_t>(std::min<int64_t>((lanes + tile - 1) / tile, mostWarps));
  if (tuning.pairs > 0 && !wide) mapping.pairs = tuning.pairs;
  if (tuning.warps > 0) mapping.warps = tuning.warps;
  return mapping;
}

Slots SlotTables::add(const int32_t* labels, int32_t count, int32_t blank, int64_t classes) {
  slotOf_.resize(std::max(slotOf_.size(), static_cast<size_t>(classes)));
  for (int32_t i = 0; i < count; ++i) slotOf_[static_cast<size_t>(labels[i])] = 0;
  Slots slots;
  slots.laneSlot = static_cast<int64_t>(tables.size());
  std::vector<int32_t> classOf{blank};
  for (int32_t i = 0; i < count; ++i) {
    int32_t& slot = slotOf_[static_cast<size_t>(labels[i])];
    if (slot == 0) {
      slot = static_cast<int32_t>(classOf.size());
      classOf.push_back(labels[i]);
    }
    tables.push_back(slot);
  }
  slots.count = static_cast<int32_t>(classOf.size());
  slots.slotClass = static_cast<int64_t>(tables.size());
  tables.insert(tables.end(), classOf.begin(), classOf.end());
  return slots;
}

}  // namespace cuda
}  // namespace ctc
