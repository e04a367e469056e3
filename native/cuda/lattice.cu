#include "cuda/lattice.cuh"

namespace ctc {
namespace cuda {

template <class R>
cudaError_t launchLattice(const Batch<R>& batch, const Mapping& mapping, int32_t phases,
                          int32_t back, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(batch.count));
  const int threads = 2 * mapping.warps * warpSize32;
  if constexpr (sizeof(R) == 4) {
    if (mapping.pairs == 4) {
      return launch(latticeKernel<R, 4, false>, grid, threads, stream, batch, phases, back);
    }
    if (mapping.pairs == 2) {
      return launch(latticeKernel<R, 2, false>, grid, threads, stream, batch, phases, back);
    }
  } else if (batch.alpha != nullptr) {
    return launch(latticeKernel<R, 1, true>, grid, threads, stream, batch, phases, back);
  }
  return launch(latticeKernel<R, 1, false>, grid, threads, stream, batch, phases, back);
}

template cudaError_t launchLattice(const Batch<float>&, const Mapping&, int32_t, int32_t,
                                   cudaStream_t);
template cudaError_t launchLattice(const Batch<double>&, const Mapping&, int32_t, int32_t,
                                   cudaStream_t);

}  // namespace cuda
}  // namespace ctc
