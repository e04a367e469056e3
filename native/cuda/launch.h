// All launches: each picks the kernel that fits and answers whether it was accepted. The launchers
// of NAME.cuh's kernels are in NAME.cu.
#pragma once

#include "cuda/batch.cuh"
#include "cuda/sequence.cuh"

namespace ctc {
namespace cuda {

// What sizes the launches of one chain, over its utterances.
struct Extent {
  int32_t count = 0;
  int32_t rows = 0;
  int32_t labels = 0;
  int32_t blockFrames = 0;
  int32_t blocks = 0;
};

// How an utterance's lanes are spread over threads. Never changes a result.
struct Mapping {
  int32_t pairs = 1;  // lanes a thread holds: 1; for float also 2 and 4
  int32_t warps = 1;  // of one recursion, from 1 to mostWarps
};
constexpr int32_t mostWarps = 8;

// What a launch of latticeKernel does: either, or both.
enum LatticePhase : int32_t { inwardPhase = 1, outwardPhase = 2 };

// softmax.cuh, lattice.cuh, gradient.cuh, occupancy.cuh: loss and posteriors.
template <class R>
cudaError_t launchRows(const Batch<R>& batch, DType dtype, const Extent& extent,
                       cudaStream_t stream);
template <class R>
cudaError_t launchLattice(const Batch<R>& batch, const Mapping& mapping, int32_t phases,
                          int32_t back, cudaStream_t stream);
template <class R>
cudaError_t launchGradient(const Batch<R>& batch, DType dtype, const Extent& extent, int32_t back,
                           cudaStream_t stream);
cudaError_t launchOccupancy(const Batch<double>& batch, const Extent& extent, int32_t back,
                            cudaStream_t stream);
cudaError_t launchStateFrames(const Batch<double>& batch, const Extent& extent,
                              cudaStream_t stream);

// frames.cuh, collapse.cuh, viterbi.cuh: greedy decoding and alignment.
cudaError_t launchFrames(const SequenceBatch& batch, DType dtype, int64_t longest,
                         cudaStream_t stream);
cudaError_t launchCollapse(const SequenceBatch& batch, cudaStream_t stream);
cudaError_t launchPaths(const SequenceBatch& batch, const Mapping& mapping, cudaStream_t stream);
cudaError_t launchSpans(const SequenceBatch& batch, cudaStream_t stream);

template <class T>
struct Typed {
  using Type = T;
};

// launch(Typed<T>): for the type of the input's numbers. There is none for float64 input where
// float32 is computed with.
template <class R, class Launch>
cudaError_t forInputType(DType dtype, Launch launch) {
  switch (dtype) {
    case DType::float32:
      return launch(Typed<float>{});
    case DType::float16:
      return launch(Typed<Half>{});
    case DType::bfloat16:
      return launch(Typed<Brain>{});
    case DType::float64:
      break;
  }
  if constexpr (sizeof(R) == 8) return launch(Typed<double>{});
  return cudaErrorInvalidValue;
}

// G threads for a row, which hold I classes each.
template <int G, int I>
struct RowShape {
  static constexpr int threads = G;
  static constexpr int items = I;
};

// launch(RowShape<G, I>): a warp has a row of up to 512 classes, a block a longer one.
template <class R, class Launch>
cudaError_t forRowShape(int32_t classes, Launch launch) {
  if constexpr (sizeof(R) == 8) {
    return classes <= 512 ? launch(RowShape<32, 0>{}) : launch(RowShape<256, 0>{});
  } else {
    if (classes <= 32) return launch(RowShape<32, 1>{});
    if (classes <= 128) return launch(RowShape<32, 4>{});
    if (classes <= 512) return launch(RowShape<32, 16>{});
    if (classes <= 2048) return launch(RowShape<256, 8>{});
    if (classes <= 8192) return launch(RowShape<256, 32>{});
    return launch(RowShape<256, 0>{});
  }
}

// One launch, its error included.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, int threads, cudaStream_t stream,
                   const Arguments&... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace cuda
}  // namespace ctc
