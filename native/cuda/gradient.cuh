// The gradient at the classes of the lattice: what the rows' pass wrote there, less the posterior.
//
//   d loss / d logits[t][c]   = softmax[t][c] - occupancy[t][c]
//   d loss / d logProbs[t][c] = -occupancy[t][c], or exp(logProb) - occupancy as PyTorch has it
//
// occupancy[t][c] is the sum of the posteriors of the states that emit class c. Each class is one
// thread's, which adds up its labels in their order: no atomics, the same bits in every run. The
// difference is formed before it is rounded, so a 16-bit gradient is rounded once.
#pragma once

#include "cuda/lattice.cuh"

namespace ctc {
namespace cuda {

constexpr int gradientWarps = 4;  // a block's; each has one frame at a time
constexpr int gradientThreads = gradientWarps * warpSize32;

// A warp for each row that both recursions keep at once.
inline dim3 gridOfKept(const Extent& extent) {
  const int64_t rows = int64_t{2} * extent.blockFrames;
  return {static_cast<unsigned>((rows + gradientWarps - 1) / gradientWarps),
          static_cast<unsigned>(extent.count)};
}

// The frame's posteriors as latticeKernel has left them, of recursion r's frame j.
template <class R>
struct Posteriors {
  const Batch<R>& b;
  const Utterance& u;
  const Cell<R>* row;
  int number;

  __device__ R blank(int32_t lane) const { return row[lane].blank.m; }
  // Of label i of the target.
  __device__ R label(int32_t i) const { return row[number == 0 ? i : u.labels - 1 - i].label.m; }
};

template <class R, class T>
__device__ inline void correctFrame(const Batch<R>& b, const Utterance& u, int r, int32_t j) {
  using S = Single<R>;
  using Memory = typename Stored<T>::Memory;
  const int32_t lane = static_cast<int32_t>(threadIdx.x) % warpSize32;
  const int64_t t = r == 0 ? j : u.frames - 1 - j;
  const Recursion<R> recursion{b, u, r};
  const Posteriors<R> posteriors{b, u, recursion.kept(j), r};

  R blanks = 0, labels = 0;
  for (int32_t i = lane; i <= u.labels; i += warpSize32) blanks += posteriors.blank(i);
  for (int32_t i = lane; i < u.labels; i += warpSize32) labels += posteriors.label(i);
  blanks = warpReduce<Sum>(blanks);
  labels = warpReduce<Sum>(labels);
  const R scale = static_cast<R>(u.scale);
  // The states' sum is 1 but for rounding and the mantissa of the sum over all paths.
  const R share = scale / (blanks + labels);
  const R factor = b.logProbs ? scale : b.inverse[u.frame + t] * scale;
  const Packed<R>* const emission = b.emissions + u.emission + t * u.slots;
  const Memory* const in = static_cast<const Memory*>(b.input) + u.input + t * u.inputFrameStride;
  Memory* const out = static_cast<Memory*>(b.gradient) + u.gradient + t * u.gradientFrameStride;

  for (int32_t k = lane; k < u.slots; k += warpSize32) {
    R occupancy = k == 0 ? blanks : R(0);
    if (k > 0) {
      const int32_t end = b.tables[u.slotBegin + k + 1];
      for (int32_t i = b.tables[u.slotBegin + k]; i < end; ++i) {
        occupancy += posteriors.label(b.tables[u.slotLabels + i]);
      }
    }
    const int64_t c = b.tables[u.slotClass + k];
    R probability = 0;
    if (!b.logProbs) {
      probability = S::scale(emission[k].m, emission[k].e);
    } else if (b.softmaxGradient) {
      probability = Exp<S>::anyValue(Stored<T>::template widened<R>(in[c * b.classStride]));
    }
    out[c] = Stored<T>::rounded(probability * factor - occupancy * share);
  }
}

// The rows of an utterance without a gradient, which rowKernel wrote before that was known.
template <class R, class T>
__device__ inline void clearFrames(const Batch<R>& b, const Utterance& u) {
  using Memory = typename Stored<T>::Memory;
  for (int32_t t = static_cast<int32_t>(blockIdx.x); t < u.frames;
       t += static_cast<int32_t>(gridDim.x)) {
    Memory* const out = static_cast<Memory*>(b.gradient) + u.gradient + t * u.gradientFrameStride;
    for (int32_t c = static_cast<int32_t>(threadIdx.x); c < b.classes;
         c += static_cast<int32_t>(blockDim.x)) {
      out[c] = Stored<T>::rounded(R(0));
    }
  }
}

// grid: gridOfKept. `back` as in latticeKernel.
template <class R, class T>
__global__ void __launch_bounds__(gradientThreads)
    gradientKernel(const __grid_constant__ Batch<R> b, int32_t back) {
  const Utterance u = b.utterances[blockIdx.y];
  if (u.frames == 0 || back >= u.blocks) return;
  // Nothing times 0 is 0, Infinity too: log-probabilities of any size have such exponentials.
  if (b.outcomes[blockIdx.y].status != static_cast<int32_t>(Status::ok) || u.scale == 0) {
    if (back == 0) clearFrames<R, T>(b, u);
    return;
  }
  const int32_t row = static_cast<int32_t>(blockIdx.x) * gradientWarps +
                      static_cast<int32_t>(threadIdx.x) / warpSize32;
  const int r = row / u.blockFrames;
  if (r > 1) return;
  const Range range = keptRange(u, r, back);
  const int32_t j = range.from + row % u.blockFrames;
  if (j < range.to) correctFrame<R, T>(b, u, r, j);
}

}  // namespace cuda
}  // namespace ctc
