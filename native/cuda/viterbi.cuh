// The best path through the lattice. One block has one utterance, and walks it as lattice.cuh does:
// states in pairs, tiles of neighbouring lanes in the registers of a warp, warps `stretch` frames
// apart as a wavefront, columns of memory between tiles.
//
//   blank'[i] = max(blank[i], label[i-1]) + score(blank)
//   label'[i] = max(label[i], blank[i], skip[i] ? label[i-1] : -Infinity) + score(label[i])
//
// A step tells where a state comes from: label i from (0) itself, (1) blank i, (2) label i-1; blank
// i from (0) itself, (1) label i-1. Two bits each, eight frames of a lane in one word, so that no
// thread needs another's. Ties are broken as on the CPU (ctc/align.h), and scores are the same sums
// in the same order in float64, so the path is the same.
//
// Not every lane can be on a path in every frame: it takes i frames to come to label i, and L-1-i
// more to go on from there. A tile leaves out stretches in which none of its lanes can, and a pass
// over the frames those in which none of its tiles has work. What a lane holds where it cannot
// finish any more has no say, as it leads only to others that cannot.
//
// The path is followed back by one warp: in 32 frames it moves at most 32 lanes, whose steps fit
// into the warp's registers. Of an utterance whose steps do not fit into memory those of the last
// frames are kept, and the others, block by block, walked again from checkpoints of the scores.
#pragma once

#include "cuda/lattice.cuh"
#include "cuda/launch.h"
#include "cuda/sequence.cuh"

namespace ctc {
namespace cuda {

constexpr int stepFrames = 8;  // in a word of steps
constexpr int windowWords = warpSize32 / stepFrames;

// Frames of the range in which one of the lanes from `low` to `high` can be on a path, and the one
// after, before which the lane on the right still asks for the last label.
CTC_INLINE Range usefulFrames(const Sequence& u, int32_t low, int32_t high, Range range) {
  const int32_t after = max(u.labels - 1 - high, 0);
  return {max(range.from, low), min(range.to, u.frames - after + 1)};
}

// A tile in the registers of a warp.
template <int P>
struct PathTile {
  // What a frame needs from memory.
  struct Inputs {
    double entering;  // the label of the lane before the tile's first, a frame earlier
    double blank;
    double label[P];
  };
  static constexpr int ahead = std::max(1, 4 / P);

  const SequenceBatch& b;
  const Sequence& u;
  const Range range;
  const Range useful;        // frames
  const int32_t lane0;       // this thread's first lane
  double* const mine;        // the tile's column: entry k is before frame range.from + k
  const double* const left;  // that of the tile on the left, or null
  double blank[P], label[P];
  int32_t slot[P];  // below 0: no label
  bool skip[P];
  uint32_t steps[P];

  __device__ PathTile(const SequenceBatch& batch, const Sequence& self, Range frames, int32_t tile)
      : b(batch),
        u(self),
        range(frames),
        useful(usefulFrames(self, tile * warpSize32 * P, (tile + 1) * warpSize32 * P - 1, frames)),
        lane0((tile * warpSize32 + static_cast<int32_t>(threadIdx.x) % warpSize32) * P),
        mine(self.columns == 0 ? nullptr : columnOf(batch, self, tile)),
        left(self.columns == 0 || tile == 0 ? nullptr : columnOf(batch, self, tile - 1)) {
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      const int32_t i = lane0 + k;
      slot[k] = i < u.labels ? b.tables[u.laneSlot + i] : -1;
      skip[k] = i < u.labels && i > 0 &&
                (slot[k] != b.tables[u.laneSlot + i - 1] || slot[k] == u.starSlot);
      blank[k] = label[k] = -INFINITY;
      steps[k] = 0;
    }
  }

  // A column is read by the next tile only: as many as a block has warps, and one more.
  static __device__ double* columnOf(const SequenceBatch& b, const Sequence& u, int32_t tile) {
    return b.columns + u.column + static_cast<int64_t>(tile % u.columns) * (u.frames + 1);
  }
  __device__ bool lastThread() const { return threadIdx.x % warpSize32 == warpSize32 - 1; }
  __device__ Scored* checkpoint(int32_t block) const {
    return b.checkpoints + u.checkpoint + static_cast<int64_t>(block) * (u.labels + 1);
  }

  // The scores before the range's first frame. Lanes that no path has come to are not in the
  // checkpoint.
  __device__ void load() {
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      if (range.from == 0) {
        if (lane0 + k == 0) blank[k] = 0;
      } else if (lane0 + k <= u.labels && lane0 + k < range.from) {
        const Scored scored = checkpoint(range.from / u.blockFrames)[lane0 + k];
        blank[k] = scored.blank;
        label[k] = scored.label;
      }
    }
    if (mine != nullptr && lastThread()) mine[0] = label[P - 1];
  }

  __device__ void read(int32_t t, Inputs& in) const {
    const double* const score = b.scores + u.score + static_cast<int64_t>(t) * u.slots;
    if (left != nullptr) in.entering = left[t - range.from];
    in.blank = score[0];
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      if (slot[k] >= 0) in.label[k] = score[slot[k]];
    }
  }

  __device__ void step(int32_t t, const Inputs& in) {
    double before = __shfl_up_sync(allLanes, label[P - 1], 1);
    if (threadIdx.x % warpSize32 == 0) before = left == nullptr ? -INFINITY : in.entering;
    const int shift = t % stepFrames * 4;
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      const double previous = before;
      before = label[k];
      const bool star = slot[k] >= 0 && slot[k] == u.starSlot;
      // Who comes first wins a tie. A star leaves to its neighbours what they score as well.
      double most = star ? blank[k] : label[k];
      uint32_t from = star ? 1 : 0;
      if (!star && blank[k] > most) {
        most = blank[k];
        from = 1;
      }
      if (skip[k] && previous > most) {
        most = previous;
        from = 2;
      }
      if (star && label[k] > most) {
        most = label[k];
        from = 0;
      }
      const bool entered = previous > blank[k];
      blank[k] = (entered ? previous : blank[k]) + in.blank;
      label[k] = slot[k] >= 0 ? most + in.label[k] : -INFINITY;
      steps[k] |= (from | (entered ? 4U : 0U)) << shift;
    }
  }

  // The words of the steps up to frame t, where one is full or the range ends.
  __device__ void storeSteps(int32_t t) {
    if (t % stepFrames != stepFrames - 1 && t + 1 != range.to) return;
    uint32_t* const row =
        b.steps + u.step + static_cast<int64_t>(t % u.blockFrames / stepFrames) * (u.labels + 1);
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      if (lane0 + k <= u.labels) row[lane0 + k] = steps[k];
      steps[k] = 0;
    }
  }

  // The scores in front of each block of kept steps but the first, on the walk through all frames.
  __device__ void storeCheckpoint(int32_t t) const {
    if (u.blocks == 1 || range.count() != u.frames || t == 0 || t % u.blockFrames != 0) return;
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      if (lane0 + k <= u.labels) checkpoint(t / u.blockFrames)[lane0 + k] = {blank[k], label[k]};
    }
  }

  // The stretch of the range that begins with frame `from`; the tile on the left has done it.
  __device__ void walkStretch(int32_t from) {
    if (from + stretch <= useful.from || from >= useful.to) return;
    const int32_t to = min(from + stretch, range.to);
    Inputs now[ahead], next[ahead];
    CTC_UNROLL
    for (int d = 0; d < ahead; ++d) {
      if (from + d < to) read(from + d, next[d]);
    }
    for (int32_t t = from; t < to; t += ahead) {
      CTC_UNROLL
      for (int d = 0; d < ahead; ++d) now[d] = next[d];
      CTC_UNROLL
      for (int d = 0; d < ahead; ++d) {
        if (t + ahead + d < to) read(t + ahead + d, next[d]);
      }
      CTC_UNROLL
      for (int d = 0; d < ahead; ++d) {
        if (t + d >= to) break;
        storeCheckpoint(t + d);
        step(t + d, now[d]);
        storeSteps(t + d);
        if (mine != nullptr && lastThread()) mine[t + d - range.from + 1] = label[P - 1];
      }
    }
  }
};

// All tiles over the frames of the range. last[0], last[1] (if there is one), unless null: the
// scores of the last blank and the last label after them.
template <int P>
__device__ void walkPaths(const SequenceBatch& b, const Sequence& u, Range range, double* last) {
  const int32_t warps = static_cast<int32_t>(blockDim.x) / warpSize32;
  const int32_t place = static_cast<int32_t>(threadIdx.x) / warpSize32;
  const int32_t tiles = (u.labels + 1 + warpSize32 * P - 1) / (warpSize32 * P);
  for (int32_t first = 0; first < tiles; first += warps) {
    const Range useful =
        usefulFrames(u, first * warpSize32 * P, (first + warps) * warpSize32 * P - 1, range);
    const int32_t begin = (useful.from - range.from) / stretch;
    const int32_t end = (useful.to - range.from + stretch - 1) / stretch + warps - 1;
    PathTile<P> tile(b, u, range, first + place);
    const bool busy = first + place < tiles;
    if (busy) tile.load();
    // At least once: columns are another tile's in the next pass.
    for (int32_t s = begin; s < max(end, begin + 1); ++s) {
      if (busy && s >= place) tile.walkStretch(range.from + (s - place) * stretch);
      // The tile on the right reads this stretch's column next; and in the next pass, the last
      // tile's of this one.
      if (tiles > 1) __syncthreads();
    }
    CTC_UNROLL
    for (int k = 0; k < P && busy && last != nullptr; ++k) {
      if (tile.lane0 + k == u.labels) last[0] = tile.blank[k];
      if (tile.lane0 + k == u.labels - 1) last[1] = tile.label[k];
    }
  }
  // Steps and the last scores are for other threads from here on.
  __syncthreads();
}

// Follows the path back through the frames of the range, from the state after the last of them to
// the one before the first. Called by one warp; lanes agree about the state.
__device__ inline void traceBack(const SequenceBatch& b, const Sequence& u, Range range,
                                 int32_t* lane, bool* onLabel) {
  const int32_t self = static_cast<int32_t>(threadIdx.x) % warpSize32;
  const int32_t windows = (range.count() + warpSize32 - 1) / warpSize32;
  for (int32_t w = windows - 1; w >= 0; --w) {
    const int32_t begin = range.from + w * warpSize32;
    // This thread has the steps of one of the lanes that the path may come through.
    const int32_t lane0 = max(0, *lane - (warpSize32 - 1));
    uint32_t words[windowWords];
    CTC_UNROLL
    for (int k = 0; k < windowWords; ++k) {
      const int32_t t = begin + k * stepFrames;
      words[k] = 0;
      if (t < range.to && lane0 + self <= u.labels) {
        const int64_t row = t % u.blockFrames / stepFrames;
        words[k] = b.steps[u.step + row * (u.labels + 1) + lane0 + self];
      }
    }
    int32_t state = 0;  // at the frame of this thread
    CTC_UNROLL
    for (int k = windowWords - 1; k >= 0; --k) {
      for (int f = stepFrames - 1; f >= 0; --f) {
        const int32_t t = begin + k * stepFrames + f;
        if (t >= range.to) continue;
        if (self == k * stepFrames + f) state = 2 * *lane + (*onLabel ? 1 : 0);
        const uint32_t steps = __shfl_sync(allLanes, words[k], *lane - lane0) >> (4 * f);
        if (*onLabel) {
          const uint32_t from = steps & 3U;
          *onLabel = from != 1;
          *lane -= from == 2;
        } else if ((steps & 4U) != 0) {
          *onLabel = true;
          --*lane;
        }
      }
    }
    if (begin + self < range.to) b.path[u.frame + begin + self] = state;
  }
}

// grid: utterances; block: warps of a wavefront.
template <int P>
__global__ void __launch_bounds__(warpSize32* mostWarps)
    pathKernel(const __grid_constant__ SequenceBatch b) {
  __shared__ double last[2];
  const Sequence u = b.sequences[blockIdx.x];
  walkPaths<P>(b, u, {0, u.frames}, last);
  // The label wins a tie against the blank after it.
  bool onLabel = u.labels > 0 && last[1] >= last[0];
  const double score = onLabel ? last[1] : last[0];
  if (threadIdx.x == 0) b.found[blockIdx.x].logProb = score;
  if (score == -INFINITY) return;
  int32_t lane = onLabel ? u.labels - 1 : u.labels;
  for (int32_t block = u.blocks - 1;; --block) {
    const int32_t from = block * u.blockFrames;
    if (threadIdx.x < warpSize32) {
      traceBack(b, u, {from, min(from + u.blockFrames, u.frames)}, &lane, &onLabel);
    }
    if (block == 0) return;
    // No barrier: the other warps begin to walk, and to overwrite steps, behind the first barrier
    // of the wavefront, which this warp comes to when it has read them. Nor are the last scores
    // overwritten, which a warp may not have read yet.
    walkPaths<P>(b, u, {from - u.blockFrames, from}, nullptr);
  }
}

// What the path says of each frame and each label. grid: utterances; block: a warp, which goes
// through the frames 32 at a time. Sums over frames are formed in an order that T alone decides.
static __global__ void __launch_bounds__(warpSize32)
    spanKernel(const __grid_constant__ SequenceBatch b) {
  const Sequence u = b.sequences[blockIdx.x];
  const int32_t lane = static_cast<int32_t>(threadIdx.x);
  const int32_t* const path = b.path + u.frame;
  const double* const norm = b.norm + u.frame;
  int32_t bad = 0;
  for (int32_t t = lane; t < u.frames; t += warpSize32) bad |= norm[t] != norm[t];
  bad = warpReduce<Largest>(bad);
  Status status = Status::nonfinite;
  if (bad == 0) {
    status = b.found[blockIdx.x].logProb == -INFINITY ? Status::infeasible : Status::ok;
  }
  double total = 0;
  for (int32_t t = lane; t < u.frames && status == Status::ok; t += warpSize32) {
    const int32_t state = path[t];
    const int32_t i = state / 2;
    const int32_t slot = state % 2 != 0 ? b.tables[u.laneSlot + i] : 0;
    const auto logProbAt = [&](int32_t at) {
      return b.scores[u.score + static_cast<int64_t>(at) * u.slots + slot] - norm[at];
    };
    const double logProb = logProbAt(t);
    b.labels[u.frame + t] = b.tables[u.slotClass + slot];
    b.logProbs[u.frame + t] = logProb;
    total += logProb;
    if (state % 2 == 0 || (t + 1 < u.frames && path[t + 1] == state)) continue;
    // The label's last frame; its probabilities are added up from here, as on the CPU.
    int32_t begin = t + 1;
    double sum = 0;
    while (begin > 0 && path[begin - 1] == state) {
      --begin;
      sum += exp(logProbAt(begin));
    }
    b.starts[u.label + i] = begin;
    b.ends[u.label + i] = t + 1;
    b.means[u.label + i] = sum / (t + 1 - begin);
  }
  total = warpReduce<Sum>(total);
  if (lane == 0) {
    b.found[blockIdx.x].logProb = total;
    b.found[blockIdx.x].status = static_cast<int32_t>(status);
  }
}

}  // namespace cuda
}  // namespace ctc
