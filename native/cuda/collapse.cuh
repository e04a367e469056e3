// Greedy decoding's second step: repeats of a frame's best class merged, blanks dropped.
#pragma once

#include "cuda/sequence.cuh"
#include "cuda/softmax.cuh"

namespace ctc {
namespace cuda {

// The label that begins at frame t: its last frame, and its mean probability, summed frame by
// frame.
__device__ inline void writeLabel(const SequenceBatch& b, const Sequence& u, int32_t t,
                                  int64_t place) {
  const int32_t* const best = b.best + u.frame;
  const double* const norm = b.norm + u.frame;
  int32_t end = t;
  double sum = 0;
  do {
    sum += exp(-norm[end]);
    ++end;
  } while (b.mergeRepeated && end < u.frames && best[end] == best[t]);
  b.labels[u.frame + place] = best[t];
  b.starts[u.frame + place] = t;
  b.ends[u.frame + place] = end;
  b.means[u.frame + place] = sum / (end - t);
}

// grid: utterances; block: a warp, which goes through the frames 32 at a time. Sums over the frames
// are formed in an order that T alone decides.
static __global__ void __launch_bounds__(warpSize32)
    collapseKernel(const __grid_constant__ SequenceBatch b) {
  const Sequence u = b.sequences[blockIdx.x];
  const int32_t lane = static_cast<int32_t>(threadIdx.x);
  const int32_t* const best = b.best + u.frame;
  int32_t found = 0;
  int32_t blanks = 0;
  int32_t bad = 0;
  double logProb = 0;
  for (int32_t begin = 0; begin < u.frames; begin += warpSize32) {
    const int32_t t = begin + lane;
    int32_t label = b.blank;
    int32_t before = b.blank;
    if (t < u.frames) {
      label = best[t];
      if (t > 0) before = best[t - 1];
      blanks += label == b.blank;
      bad |= label < 0;
      logProb -= b.norm[u.frame + t];
    }
    const bool begins = label != b.blank && label >= 0 && (label != before || b.mergeRepeated == 0);
    // How many begin up to here.
    int32_t place = begins;
    for (int distance = 1; distance < warpSize32; distance *= 2) {
      const int32_t others = __shfl_up_sync(allLanes, place, distance);
      if (lane >= distance) place += others;
    }
    if (begins) writeLabel(b, u, t, int64_t{found} + place - 1);
    found += __shfl_sync(allLanes, place, warpSize32 - 1);
  }
  blanks = warpReduce<Sum>(blanks);
  bad = warpReduce<Largest>(bad);
  logProb = warpReduce<Sum>(logProb);
  if (lane == 0) {
    const Status status = bad != 0 ? Status::nonfinite : Status::ok;
    b.found[blockIdx.x] = {logProb, static_cast<int32_t>(status), found, blanks};
  }
}

}  // namespace cuda
}  // namespace ctc
