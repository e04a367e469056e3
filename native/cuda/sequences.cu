#include "cuda/sequences.h"

#include <algorithm>

namespace ctc {
namespace cuda {

SequenceChunk::SequenceChunk(const Tensor& input, int32_t blank, const Source& source,
                             Budget budget, const Mapping* mapping)
    : input_(input),
      blank_(blank),
      source_(source),
      budget_(budget),
      greedy_(mapping == nullptr),
      mapping_(greedy_ ? Mapping() : *mapping) {}

bool SequenceChunk::add(int64_t n, int64_t frames, const Target* target) {
  Sequence u = {};
  u.input = source_.begin(n, packed_);
  u.inputFrameStride = source_.frameStride();
  u.frame = frames_;
  u.frames = static_cast<int32_t>(frames);
  u.starSlot = -1;
  u.label = labels_;
  u.score = scores_;
  u.step = steps_;
  u.checkpoint = checkpoints_;
  u.column = columns_;
  const size_t tablesBefore = slots_.tables.size();
  int64_t steps = 0, checkpoints = 0;
  if (target != nullptr) {
    u.labels = target->count;
    const int64_t width = int64_t{u.labels} + 1;
    const int64_t tile = int64_t{warpSize32} * mapping_.pairs;
    const int64_t tiles = (width + tile - 1) / tile;
    u.columns = tiles == 1 ? 0 : static_cast<int32_t>(std::min<int64_t>(tiles, mapping_.warps + 1));
    // Half a byte for each lane and frame.
    int64_t blockFrames = std::max<int64_t>(1, budget_.kept * 2 / width);
    if (tuning.blockFrames > 0) blockFrames = tuning.blockFrames;
    blockFrames = (std::min(blockFrames, frames) + warpSize32 - 1) / warpSize32 * warpSize32;
    u.blockFrames = static_cast<int32_t>(blockFrames);
    u.blocks = static_cast<int32_t>((frames + blockFrames - 1) / blockFrames);
    steps = blockFrames / 8 * width;
    checkpoints = u.blocks > 1 ? u.blocks * width : 0;
    const Slots slots =
        slots_.add(target->labels, u.labels, blank_, input_.classes + (target->star >= 0));
    u.slots = slots.count;
    u.laneSlot = slots.laneSlot;
    u.slotClass = slots.slotClass;
    for (int32_t k = 0; k < u.slots && target->star >= 0; ++k) {
      if (slots_.tables[static_cast<size_t>(u.slotClass + k)] == target->star) u.starSlot = k;
    }
  }
  const int64_t scores = frames * u.slots;
  const int64_t columns = int64_t{u.columns} * (frames + 1);
  const int64_t packed = packed_ + frames * input_.classes;
  const int64_t workspace = (frames_ + frames) * 40 + (scores_ + scores + columns_ + columns) * 8 +
                            (steps_ + steps) * 4 + (checkpoints_ + checkpoints) * 16;
  const bool full =
      workspace > budget_.workspace ||
      (source_.staged() && packed * static_cast<int64_t>(bytesOf(input_.dtype)) > budget_.staged) ||
      isFull(size());
  if (size() > 0 && full) {
    slots_.tables.resize(tablesBefore);
    return false;
  }
  sequences_.push_back(u);
  pieces_.push_back({n, frames, packed_});
  longest_ = std::max(longest_, frames);
  packed_ = packed;
  frames_ += frames;
  labels_ += u.labels;
  scores_ += scores;
  steps_ += steps;
  checkpoints_ += checkpoints;
  columns_ += columns;
  return true;
}

SequenceMemory::SequenceMemory(const SequenceChunk& chunk, char* base, char* results) {
  const auto count = static_cast<int64_t>(chunk.size());
  const int64_t frames = chunk.frames();
  Slices work(base);
  const Told<Sequence> told(&work, chunk);
  work.take(batch.norm, frames);
  if (chunk.greedy()) {
    work.take(batch.best, frames);
  } else {
    work.take(batch.path, frames);
    work.take(batch.scores, chunk.scores());
    work.take(batch.steps, chunk.steps());
    work.take(batch.checkpoints, chunk.checkpoints());
    work.take(batch.columns, chunk.columns());
  }
  bytes = work.bytes();

  const int64_t spans = chunk.greedy() ? frames : chunk.labels();
  Slices back(results);
  back.take(batch.found, count);
  back.take(batch.labels, frames);
  if (!chunk.greedy()) back.take(batch.logProbs, frames);
  back.take(batch.starts, spans);
  back.take(batch.ends, spans);
  back.take(batch.means, spans);
  resultBytes = back.bytes();

  batch.sequences = told.items;
  batch.tables = told.tables;
  batch.count = static_cast<int32_t>(count);
}

}  // namespace cuda
}  // namespace ctc
