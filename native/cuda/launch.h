// Launchers: each picks the kernel that fits and answers whether the launch was accepted.
#pragma once

#include "cuda/batch.cuh"

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
Mapping mappingFor(int32_t labels, bool wide);

template <class R>
cudaError_t launchRows(const Batch<R>& batch, DType dtype, const Extent& extent,
                       cudaStream_t stream);
template <class R>
cudaError_t launchLattice(const Batch<R>& batch, const Mapping& mapping, int32_t phases,
                          int32_t back, cudaStream_t stream);
template <class R>
cudaError_t launchGradient(const Batch<R>& batch, DType dtype, const Extent& extent, int32_t back,
                           cudaStream_t stream);

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
