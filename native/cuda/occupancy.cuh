// Posteriors as results: where the lattice kernel has left those of a frame they are divided by
// their sum, and added up over the frames of each state.
#pragma once

#include "cuda/gradient.cuh"

namespace ctc {
namespace cuda {

// A warp has frame j of recursion r.
template <class R>
__device__ inline void writeOccupancy(const Batch<R>& b, const Utterance& u, int r, int32_t j) {
  const int32_t lane = static_cast<int32_t>(threadIdx.x) % warpSize32;
  const int64_t t = r == 0 ? j : u.frames - 1 - j;
  const Recursion<R> recursion{b, u, r};
  const Posteriors<R> posteriors{b, u, recursion.kept(j), r};
  // Lanes of recursion 1 run from the last blank to the first.
  const auto blankAt = [&](int32_t i) { return posteriors.blank(r == 0 ? i : u.labels - i); };
  double sum = 0;
  for (int32_t i = lane; i <= u.labels; i += warpSize32) {
    sum += static_cast<double>(blankAt(i));
    if (i < u.labels) sum += static_cast<double>(posteriors.label(i));
  }
  sum = warpReduce<Sum>(sum);
  double* const row = b.occupancy + u.occupancy + t * (2 * static_cast<int64_t>(u.labels) + 1);
  for (int32_t i = lane; i <= u.labels; i += warpSize32) {
    row[2 * i] = static_cast<double>(blankAt(i)) / sum;
    if (i < u.labels) row[2 * i + 1] = static_cast<double>(posteriors.label(i)) / sum;
  }
}

// grid: gridOfKept. `back` as in latticeKernel.
template <class R>
__global__ void __launch_bounds__(gradientThreads)
    occupancyKernel(const __grid_constant__ Batch<R> b, int32_t back) {
  const Utterance u = b.utterances[blockIdx.y];
  if (u.frames == 0 || back >= u.blocks ||
      b.outcomes[blockIdx.y].status != static_cast<int32_t>(Status::ok)) {
    return;
  }
  const int32_t row = static_cast<int32_t>(blockIdx.x) * gradientWarps +
                      static_cast<int32_t>(threadIdx.x) / warpSize32;
  const int r = row / u.blockFrames;
  if (r > 1) return;
  const Range range = keptRange(u, r, back);
  const int32_t j = range.from + row % u.blockFrames;
  if (j < range.to) writeOccupancy(b, u, r, j);
}

// The expected number of frames in each state, added up from the first frame on as on the CPU.
// grid: (states / threads of a block, utterances).
template <class R>
__global__ void __launch_bounds__(gradientThreads)
    stateFramesKernel(const __grid_constant__ Batch<R> b) {
  const Utterance u = b.utterances[blockIdx.y];
  const int64_t states = 2 * static_cast<int64_t>(u.labels) + 1;
  const int64_t s = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (u.frames == 0 || s >= states ||
      b.outcomes[blockIdx.y].status != static_cast<int32_t>(Status::ok)) {
    return;
  }
  const double* const column = b.occupancy + u.occupancy + s;
  double sum = 0;
  for (int32_t t = 0; t < u.frames; ++t) sum += column[t * states];
  b.stateFrames[u.stateFrames + s] = sum;
}

}  // namespace cuda
}  // namespace ctc
