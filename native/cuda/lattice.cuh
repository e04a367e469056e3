// The lattice recursion. One block has one utterance: `warps` warps for each of the two recursions,
// which walk the frames from both ends at the same time, meet in the middle, and walk on against
// each other's kept rows.
//
// States come in pairs, lane i = (blank i, label i), i = 0 .. L; there is no label L.
//
//   blank'[i] = (blank[i] + label[i-1]) p(blank)
//   label'[i] = (label[i] + (skip[i] ? blank[i] + label[i-1] : blank[i])) p(label[i])
//
// skip[i]: label i differs from label i-1, so the blank between them may be left out. Beta over
// reversed frames and labels is the same recursion: its blank i is alpha's blank L-i, its label i
// alpha's label L-1-i.
//
// A tile is 32 P neighbouring lanes, P a thread, in registers of one warp. Within a tile a thread
// gets its neighbour's label by a shuffle. Between tiles it goes through memory: the tile on the
// left writes the label of its last lane for each frame (its column), the one on the right reads it
// a few frames later. Warps run `stretch` frames apart, as a wavefront, with a barrier after each
// stretch; what is more than a block's warps is done in further passes over the frames.
#pragma once

#include <algorithm>
#include <type_traits>

#include "cuda/launch.h"
#include "cuda/softmax.cuh"

namespace ctc {
namespace cuda {

// Frames between two barriers of the wavefront.
constexpr int stretch = 16;
// Frames whose numbers are loaded while those before them are computed: as many as registers hold
// twice. A double takes two, and so does all that is computed from it.
template <class R, int P, bool cross>
constexpr int framesAhead() {
  constexpr int registers = std::is_same<R, double>::value ? 2 : 1;
  return std::min(4, (cross ? 4 : 8) / (registers * registers * P));
}
// Frames after which mantissas are brought back to [1, 2): they grow by at most 8.5 and shrink by
// at most 0.7 a frame.
constexpr int renormaliseEvery = 8;
constexpr int meetThreads = 64;  // a block has at least these; sums over them have one order

// Frames [from, to) of a recursion, counted from its own end.
struct Range {
  int32_t from, to;
  CTC_INLINE int32_t count() const { return to - from; }
};

// The frames of recursion r whose rows are kept `back` blocks before its last one.
CTC_INLINE Range keptRange(const Utterance& u, int r, int32_t back) {
  const int32_t own = u.own(r);
  const int32_t from = (u.blocks - 1 - back) * u.blockFrames;
  const int32_t to = from + u.blockFrames;
  return {from < own ? from : own, to < own ? to : own};
}

// How a recursion goes: through its own frames, or on through the other's, against what that kept.
enum class Walk { own, cross };

template <class R>
struct Recursion {
  const Batch<R>& b;
  const Utterance& u;
  int number;  // 0: alpha, 1: beta

  __device__ int64_t width() const { return static_cast<int64_t>(u.labels) + 1; }
  __device__ Cell<R>* state() const { return b.cells + u.state + number * width(); }
  __device__ Cell<R>* checkpoint(int32_t block) const {
    return b.cells + u.checkpoint + (static_cast<int64_t>(number) * u.blocks + block) * width();
  }
  // The row kept of frame j.
  __device__ Cell<R>* kept(int32_t j) const {
    const int64_t row = static_cast<int64_t>(number) * u.blockFrames + j % u.blockFrames;
    return b.cells + u.kept + row * width();
  }
  __device__ const Packed<R>* emission(int32_t j) const {
    const int64_t t = number == 0 ? j : u.frames - 1 - j;
    return b.emissions + u.emission + t * u.slots;
  }
  // The column of a tile: entry k is the last lane's label before frame from + k.
  __device__ Packed<R>* column(int32_t tile, int32_t tiles) const {
    return b.columns + u.column + (static_cast<int64_t>(number) * tiles + tile) * u.columnFrames();
  }
  __device__ int32_t slot(int32_t lane) const {
    return b.tables[u.laneSlot + (number == 0 ? lane : u.labels - 1 - lane)];
  }
  __device__ bool skip(int32_t lane) const { return lane > 0 && slot(lane) != slot(lane - 1); }
};

// A tile of one recursion in the registers of a warp. `records`: writes alpha and beta of all
// states.
template <class R, int P, Walk walk, bool records>
struct Tile {
  using X = Extended<Single<R>>;
  using N = Number<R>;

  // What a frame needs from memory.
  static constexpr int kept = std::max(P * (walk == Walk::cross), 1);
  struct Inputs {
    Packed<R> entering;  // the label of the lane before the tile's first, a frame earlier
    Packed<R> blank;
    Packed<R> label[P];
    Packed<R> keptBlank[kept];
    Packed<R> keptLabel[kept];
  };

  static constexpr int ahead = framesAhead<R, P, walk == Walk::cross>();

  const Recursion<R> own;
  const Recursion<R> other;
  const int32_t begin;          // the range's first frame
  const int32_t lane0;          // this thread's first lane
  Packed<R>* const mine;        // the tile's column; null where no tile is on the right
  const Packed<R>* const left;  // that of the tile on the left, or null
  const bool keeps;             // its own frames' rows
  const R pathExponent;         // of the sum over all paths, for crossing
  N blank[P], label[P];
  int32_t slot[P];  // below 0: no label
  bool skip[P];

  __device__ Tile(const Recursion<R>& self, int32_t from, int32_t tile, int32_t tiles,
                  bool keepRows, R path)
      : own(self),
        other{self.b, self.u, 1 - self.number},
        begin(from),
        lane0((tile * warpSize32 + static_cast<int32_t>(threadIdx.x) % warpSize32) * P),
        mine(tile + 1 < tiles ? self.column(tile, tiles) : nullptr),
        left(tile > 0 ? self.column(tile - 1, tiles) : nullptr),
        keeps(keepRows),
        pathExponent(path) {
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      const bool real = lane0 + k < own.u.labels;
      slot[k] = real ? own.slot(lane0 + k) : -1;
      skip[k] = real && own.skip(lane0 + k);
    }
  }

  __device__ bool lastThread() const { return threadIdx.x % warpSize32 == warpSize32 - 1; }

  __device__ void load(const Cell<R>* row) {
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      const bool inside = lane0 + k <= own.u.labels;
      blank[k] = inside ? unpacked<R>(row[lane0 + k].blank) : X::zero();
      label[k] = inside ? unpacked<R>(row[lane0 + k].label) : X::zero();
    }
    if (mine != nullptr && lastThread()) mine[0] = packed<R>(label[P - 1]);
  }

  __device__ void store(Cell<R>* row) const {
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      if (lane0 + k <= own.u.labels) row[lane0 + k] = {packed<R>(blank[k]), packed<R>(label[k])};
    }
  }

  __device__ void read(int32_t j, Inputs& in) const {
    const Packed<R>* const emission = own.emission(j);
    if (left != nullptr) in.entering = left[j - begin];
    in.blank = emission[0];
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      if (slot[k] >= 0) in.label[k] = emission[slot[k]];
    }
    if constexpr (walk == Walk::cross) {
      const int32_t labels = own.u.labels;
      const Cell<R>* const row = other.kept(own.u.frames - 1 - j);
      CTC_UNROLL
      for (int k = 0; k < P; ++k) {
        const int32_t lane = lane0 + k;
        if (lane <= labels) in.keptBlank[k] = row[labels - lane].blank;
        if (lane < labels) in.keptLabel[k] = row[labels - 1 - lane].label;
      }
    }
  }

  __device__ void step(int32_t j, const Inputs& in) {
    N before;
    before.m = __shfl_up_sync(allLanes, label[P - 1].m, 1);
    before.e = __shfl_up_sync(allLanes, label[P - 1].e, 1);
    if (threadIdx.x % warpSize32 == 0) {
      before = left == nullptr ? X::zero() : unpacked<R>(in.entering);
    }
    const bool renormalise = j % renormaliseEvery == renormaliseEvery - 1;
    CTC_UNROLL
    for (int k = 0; k < P; ++k) {
      const N onBlank = X::add(blank[k], before);
      before = label[k];
      N newBlank = onBlank;
      N newLabel = X::zero();
      if (slot[k] >= 0) newLabel = X::add(label[k], skip[k] ? onBlank : blank[k]);
      if constexpr (walk == Walk::cross) meetKept(j, k, in, newBlank, newLabel);
      if constexpr (records) {
        if (own.number == 1) record(j, k, own.b.beta, newBlank, newLabel);
      }
      newBlank = X::mul(newBlank, unpacked<R>(in.blank));
      if (slot[k] >= 0) newLabel = X::mul(newLabel, unpacked<R>(in.label[k]));
      if constexpr (records) {
        if (own.number == 0) record(j, k, own.b.alpha, newBlank, newLabel);
      }
      blank[k] = renormalise ? X::renormalised(newBlank) : newBlank;
      label[k] = renormalise ? X::renormalised(newLabel) : newLabel;
    }
    if constexpr (walk == Walk::own) {
      if (keeps) store(own.kept(j));
    }
  }

  // Writes the logarithms of a lane's numbers: alpha's with the frame's emission, beta's without.
  __device__ void record(int32_t j, int k, double* to, N blankNow, N labelNow) const {
    const int32_t labels = own.u.labels;
    const bool turned = own.number == 1;
    const int64_t t = turned ? own.u.frames - 1 - j : j;
    double* const row = to + own.u.occupancy + t * (2 * static_cast<int64_t>(labels) + 1);
    const int32_t lane = lane0 + k;
    if (lane <= labels) row[2 * (turned ? labels - lane : lane)] = logOf(blankNow);
    if (lane < labels) row[2 * (turned ? labels - 1 - lane : lane) + 1] = logOf(labelNow);
  }
  static __device__ double logOf(N a) {
    if (!(a.e > X::hardlyReached)) return -INFINITY;
    return log(static_cast<double>(a.m)) + static_cast<double>(a.e) * 0.69314718055994530942;
  }

  // Writes the frame's posteriors, not yet normalised, where the kept numbers lie: as the mantissas
  // of the other recursion's row. Each is read and written by this thread only.
  __device__ void meetKept(int32_t j, int k, const Inputs& in, N newBlank, N newLabel) const {
    const int32_t labels = own.u.labels;
    const int32_t lane = lane0 + k;
    Cell<R>* const row = other.kept(own.u.frames - 1 - j);
    if (lane <= labels) {
      row[labels - lane].blank.m = X::product(unpacked<R>(in.keptBlank[k]), newBlank, pathExponent);
    }
    if (lane < labels) {
      row[labels - 1 - lane].label.m =
          X::product(unpacked<R>(in.keptLabel[k]), newLabel, pathExponent);
    }
  }

  // Frames [from, to) of the range; the tile on the left has done them.
  __device__ void walkStretch(int32_t from, int32_t to) {
    Inputs now[ahead], next[ahead];
    CTC_UNROLL
    for (int d = 0; d < ahead; ++d) {
      if (from + d < to) read(from + d, next[d]);
    }
    for (int32_t j = from; j < to; j += ahead) {
      CTC_UNROLL
      for (int d = 0; d < ahead; ++d) now[d] = next[d];
      CTC_UNROLL
      for (int d = 0; d < ahead; ++d) {
        if (j + ahead + d < to) read(j + ahead + d, next[d]);
      }
      CTC_UNROLL
      for (int d = 0; d < ahead; ++d) {
        if (j + d >= to) break;
        if constexpr (walk == Walk::own) checkpointBefore(j + d);
        step(j + d, now[d]);
        if (mine != nullptr && lastThread()) mine[j + d - begin + 1] = packed<R>(label[P - 1]);
      }
    }
  }

  // The row in front of each block of kept rows but the first, which starts the recursion.
  __device__ void checkpointBefore(int32_t j) const {
    if (keeps && own.u.blocks > 1 && j > 0 && j % own.u.blockFrames == 0) {
      store(own.checkpoint(j / own.u.blockFrames));
    }
  }
};

// Both recursions, each over its range, from the row `start` (this thread's recursion's) to the row
// in state(), or nowhere. Called by all threads of the block with the same ranges.
template <class R, int P, Walk walk, bool records>
__device__ void walkBoth(const Recursion<R>& own, Range alpha, Range beta, const Cell<R>* start,
                         bool keeps, bool toState, R pathExponent) {
  const int32_t warps = static_cast<int32_t>(blockDim.x) / warpSize32 / 2;
  const int32_t place = static_cast<int32_t>(threadIdx.x) / warpSize32 % warps;
  const Range range = own.number == 0 ? alpha : beta;
  const int32_t tiles = (own.u.labels + 1 + warpSize32 * P - 1) / (warpSize32 * P);
  const int32_t stretches = (max(alpha.count(), beta.count()) + stretch - 1) / stretch;
  for (int32_t first = 0; first < tiles; first += warps) {
    Tile<R, P, walk, records> tile(own, range.from, first + place, tiles, keeps, pathExponent);
    const bool busy = first + place < tiles;
    if (busy) tile.load(start);
    for (int32_t s = 0; s < stretches + warps - 1; ++s) {
      const int32_t from = range.from + (s - place) * stretch;
      if (busy && s >= place && from < range.to) {
        tile.walkStretch(from, min(from + stretch, range.to));
      }
      // The tile on the right reads this stretch's column next; and in the next pass, the last
      // tile's of this one.
      if (tiles > 1) __syncthreads();
    }
    if (busy && toState) tile.store(own.state());
  }
  // Rows that were kept, states and posteriors are for other threads from here on.
  __syncthreads();
}

// The state before the first frame: on blank 0, with probability 1.
template <class R>
__device__ inline void startStates(const Batch<R>& b, const Utterance& u) {
  using X = Extended<Single<R>>;
  const int32_t width = u.labels + 1;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < 2 * width;
       i += static_cast<int32_t>(blockDim.x)) {
    Number<R> blank = X::zero();
    if (i % width == 0) blank.e = 0;
    const Recursion<R> own{b, u, i / width};
    const Cell<R> cell{packed<R>(blank), packed<R>(X::zero())};
    own.state()[i % width] = cell;
    if (own.u.blocks > 1) own.checkpoint(0)[i % width] = cell;
  }
  __syncthreads();
}

// Reduces over the block's first threads; all of the block return the result. Operation and type
// decide about the place: not the same pair twice in a row.
template <class Op, class V>
__device__ inline V meetReduce(V value) {
  __shared__ V parts[meetThreads];
  if (threadIdx.x < meetThreads) parts[threadIdx.x] = value;
  for (int half = meetThreads / 2; half > 0; half /= 2) {
    // Each round adds what the round before wrote.
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half) {
      parts[threadIdx.x] = Op::of(parts[threadIdx.x], parts[threadIdx.x + half]);
    }
  }
  __syncthreads();
  return parts[0];
}

// Beta's state one frame on, without that frame's emission, at lane i.
template <class R>
__device__ inline void crossing(const Recursion<R>& beta, int32_t i, Number<R>& blank,
                                Number<R>& label) {
  using X = Extended<Single<R>>;
  const Cell<R>* const row = beta.state();
  const Number<R> before = i > 0 ? unpacked<R>(row[i - 1].label) : X::zero();
  const Number<R> own = unpacked<R>(row[i].blank);
  blank = X::add(own, before);
  label = X::zero();
  if (i < beta.u.labels) label = X::add(unpacked<R>(row[i].label), beta.skip(i) ? blank : own);
}

// Joins alpha's last row with beta's: the sum over all paths. Writes the outcome; returns whether
// the utterance has a gradient, and the sum's exponent.
template <class R>
__device__ bool meet(const Batch<R>& b, const Utterance& u, R* pathExponent) {
  using S = Single<R>;
  using X = Extended<S>;
  const Recursion<R> alpha{b, u, 0}, beta{b, u, 1};
  const bool takesPart = threadIdx.x < meetThreads;
  const int32_t self = static_cast<int32_t>(threadIdx.x);

  double norm = 0;
  R lowest = 0;
  if (takesPart) {
    for (int32_t t = self; t < u.frames; t += meetThreads) {
      norm += b.norm[u.frame + t];
      lowest = Least::of(lowest, b.lowest[u.frame + t]);
    }
  }
  norm = meetReduce<Sum>(norm);
  lowest = meetReduce<Least>(lowest);

  // Both passes go over the same products: their largest exponent, then their sum.
  const Cell<R>* const row = alpha.state();
  R exponent = 2 * X::zeroExponent;
  R sum = 0;
  for (int pass = 0; pass < 2; ++pass) {
    if (takesPart) {
      for (int32_t i = self; i <= u.labels; i += meetThreads) {
        Number<R> blank, label;
        crossing(beta, i, blank, label);
        const Number<R> mineBlank = unpacked<R>(row[u.labels - i].blank);
        const Number<R> mineLabel =
            i < u.labels ? unpacked<R>(row[u.labels - 1 - i].label) : X::zero();
        if (pass == 0) {
          exponent = Largest::of(blank.e + mineBlank.e, exponent);
          exponent = Largest::of(label.e + mineLabel.e, exponent);
        } else {
          sum += X::product(mineBlank, blank, exponent);
          sum += X::product(mineLabel, label, exponent);
        }
      }
    }
    if (pass == 0) exponent = meetReduce<Largest>(exponent);
  }
  sum = meetReduce<Sum>(sum);

  // As the CPU's kernels: emissions split exactly below 2^14, exponents are exact below 2^22 with
  // room for what a float adds.
  const bool wide = sizeof(R) == 8;
  const bool exact = wide || (-lowest <= R(1 << 14) && -lowest * R(u.frames) <= R(1 << 22));
  Outcome outcome{NAN, static_cast<int32_t>(Status::nonfinite), !wide};
  if (norm == norm && exact) {
    const bool any = exponent > X::hardlyReached && sum > 0;
    outcome.needsWide = 0;
    outcome.status = static_cast<int32_t>(any ? Status::ok : Status::infeasible);
    outcome.loss = any ? norm - (log(static_cast<double>(sum)) +
                                 static_cast<double>(exponent) * 0.69314718055994530942)
                       : static_cast<double>(INFINITY);
  }
  if (self == 0) {
    b.outcomes[blockIdx.x] = outcome;
    b.pathExponent[blockIdx.x] = exponent;
  }
  *pathExponent = exponent;
  return outcome.status == static_cast<int32_t>(Status::ok);
}

// grid: utterances; block: 2 * warps * 32 threads. `back` says which block of kept rows the outward
// phase goes through: 0 is the last, which the inward phase has left, and each further launch takes
// the one before, which is computed again from its checkpoint.
template <class R, int P, bool records>
__global__ void __launch_bounds__(512)
    latticeKernel(const __grid_constant__ Batch<R> b, int32_t phases, int32_t back) {
  const Utterance u = b.utterances[blockIdx.x];
  if (u.frames == 0 || back >= u.blocks) return;
  const int r = static_cast<int>(threadIdx.x) < static_cast<int>(blockDim.x) / 2 ? 0 : 1;
  const Recursion<R> own{b, u, r};
  R pathExponent = b.pathExponent[blockIdx.x];
  bool hasGradient = b.outcomes[blockIdx.x].status == static_cast<int32_t>(Status::ok);
  const bool outward = (phases & outwardPhase) != 0;

  if (phases & inwardPhase) {
    startStates(b, u);
    walkBoth<R, P, Walk::own, records>(own, {0, u.own(0)}, {0, u.own(1)}, own.state(), outward,
                                       true, pathExponent);
    hasGradient = meet(b, u, &pathExponent);
  }
  if (!outward || !hasGradient) return;

  const Range head = keptRange(u, 0, back);
  const Range tail = keptRange(u, 1, back);
  if (back > 0) {
    const Cell<R>* const start = own.checkpoint(u.blocks - 1 - back);
    walkBoth<R, P, Walk::own, records>(own, head, tail, start, true, false, pathExponent);
  }
  // Alpha goes on through beta's frames and the other way round.
  walkBoth<R, P, Walk::cross, records>(own, {u.frames - tail.to, u.frames - tail.from},
                                       {u.frames - head.to, u.frames - head.from}, own.state(),
                                       false, true, pathExponent);
}

}  // namespace cuda
}  // namespace ctc
