#include "cuda/viterbi.cuh"

namespace ctc {
namespace cuda {

cudaError_t launchPaths(const SequenceBatch& batch, const Mapping& mapping, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(batch.count));
  const int threads = mapping.warps * warpSize32;
  if (mapping.pairs == 4) return launch(pathKernel<4>, grid, threads, stream, batch);
  if (mapping.pairs == 2) return launch(pathKernel<2>, grid, threads, stream, batch);
  return launch(pathKernel<1>, grid, threads, stream, batch);
}

cudaError_t launchSpans(const SequenceBatch& batch, cudaStream_t stream) {
  return launch(spanKernel, dim3(static_cast<unsigned>(batch.count)), warpSize32, stream, batch);
}

}  // namespace cuda
}  // namespace ctc
