#include "cuda/batches.h"

#include <algorithm>

#include "ctc/lattice.h"

namespace ctc {
namespace cuda {
namespace {

constexpr int32_t leastBlockFrames = 16;

}  // namespace

BatchChunk::BatchChunk(const LossProblem& problem, Place place, Mapping mapping,
                       int64_t elementBytes, Budget budget)
    : problem_(problem),
      place_(place),
      mapping_(mapping),
      elementBytes_(elementBytes),
      budget_(budget) {}

bool BatchChunk::add(int64_t n, int64_t frames) {
  const Tensor& in = problem_.input;
  const int64_t labels = problem_.targets.count(n);
  Utterance u = {};
  u.inputFrameStride = place_.inputStaged ? in.classes : in.frameStride;
  u.input = place_.inputStaged ? packed_ : n * in.utteranceStride;
  if (place_.gradient) {
    u.gradientFrameStride = place_.gradientStaged ? in.classes : problem_.gradient.frameStride;
    u.gradient = place_.gradientStaged ? packed_ : n * problem_.gradient.utteranceStride;
    u.scale = problem_.gradientScale == nullptr ? 1 : problem_.gradientScale[n];
  }
  u.frames = static_cast<int32_t>(frames);
  const bool clearsRest = place_.gradient && !place_.gradientStaged;
  u.rows = static_cast<int32_t>(clearsRest ? in.frames : frames);
  u.labels = static_cast<int32_t>(labels);
  u.blockFrames = std::max(1, u.own(0));
  const int64_t width = labels + 1;
  if (place_.outward() && frames > 0) {
    const int64_t most = budget_.kept / (2 * width * 4 * elementBytes_);
    u.blockFrames = static_cast<int32_t>(
        std::min<int64_t>(u.blockFrames, std::max<int64_t>(leastBlockFrames, most)));
    if (tuning.blockFrames > 0) u.blockFrames = std::min(u.blockFrames, tuning.blockFrames);
  }
  u.blocks = (u.own(0) + u.blockFrames - 1) / u.blockFrames;

  u.frame = frames_;
  u.emission = emissions_;
  int64_t cells = cells_;
  const auto take = [&](int64_t rows) {
    const int64_t at = cells;
    cells += rows * width;
    return at;
  };
  if (frames > 0) {
    u.state = take(2);
    if (place_.outward()) u.kept = take(int64_t{2} * u.blockFrames);
    if (place_.outward() && u.blocks > 1) u.checkpoint = take(int64_t{2} * u.blocks);
  }
  const int64_t tile = int64_t{32} * mapping_.pairs;
  const int64_t tiles = (width + tile - 1) / tile;
  u.column = columns_;
  const int64_t columns = frames > 0 && tiles > 1 ? 2 * tiles * u.columnFrames() : 0;

  const size_t tablesBefore = slots_.tables.size();
  addTables(n, &u);
  const int64_t frameCount = frames_ + frames;
  const int64_t emissionCount = emissions_ + frames * u.slots;
  const int64_t packedCount = packed_ + frames * in.classes;
  const int64_t numbers = 2 * frameCount + 2 * (emissionCount + columns_ + columns) + 4 * cells;
  const bool staged = place_.inputStaged || place_.gradientStaged;
  const int64_t stagedBytes = packedCount * static_cast<int64_t>(bytesOf(in.dtype));
  u.occupancy = results_;
  u.stateFrames = states_;
  const int64_t states = stateCount(labels);
  const int64_t resultCount = results_ + frames * states;
  const bool full = numbers * elementBytes_ > budget_.workspace ||
                    resultCount * place_.cellBytes() > budget_.staged ||
                    (staged && stagedBytes > budget_.staged) || isFull(size());
  if (size() > 0 && full) {
    slots_.tables.resize(tablesBefore);
    return false;
  }
  utterances_.push_back(u);
  pieces_.push_back({n, frames, packed_});
  frames_ = frameCount;
  emissions_ = emissionCount;
  cells_ = cells;
  columns_ += columns;
  packed_ = packedCount;
  results_ = resultCount;
  states_ += states;
  extent_.count = static_cast<int32_t>(size());
  extent_.rows = std::max(extent_.rows, u.rows);
  extent_.labels = std::max(extent_.labels, u.labels);
  extent_.blockFrames = std::max(extent_.blockFrames, u.blockFrames);
  extent_.blocks = std::max(extent_.blocks, u.blocks);
  return true;
}

// Slots, and the labels of each in their order.
void BatchChunk::addTables(int64_t n, Utterance* u) {
  if (u->frames == 0) return;
  const int32_t* const labels = problem_.targets.of(n);
  const int32_t count = u->labels;
  std::vector<int32_t>& tables = slots_.tables;
  const Slots slots = slots_.add(labels, count, problem_.blank, problem_.input.classes);
  u->slots = slots.count;
  u->laneSlot = slots.laneSlot;
  u->slotClass = slots.slotClass;
  const auto slotOf = [&](int32_t i) {
    return static_cast<size_t>(tables[static_cast<size_t>(slots.laneSlot + i)]);
  };
  std::vector<int32_t> next(static_cast<size_t>(slots.count) + 1, 0);
  for (int32_t i = 0; i < count; ++i) ++next[slotOf(i) + 1];
  for (size_t k = 1; k < next.size(); ++k) next[k] += next[k - 1];
  u->slotBegin = static_cast<int64_t>(tables.size());
  tables.insert(tables.end(), next.begin(), next.end());
  u->slotLabels = static_cast<int64_t>(tables.size());
  tables.resize(tables.size() + static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    tables[static_cast<size_t>(u->slotLabels + next[slotOf(i)]++)] = i;
  }
}

}  // namespace cuda
}  // namespace ctc
