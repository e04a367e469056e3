#include "cuda/gradient.cuh"

#include "cuda/launch.h"

namespace ctc {
namespace cuda {

template <class R>
cudaError_t launchGradient(const Batch<R>& batch, DType dtype, const Extent& extent, int32_t back,
                           cudaStream_t stream) {
  const int64_t rows = int64_t{2} * extent.blockFrames;
  const dim3 grid(static_cast<unsigned>((rows + gradientWarps - 1) / gradientWarps),
                  static_cast<unsigned>(extent.count));
  return forInputType<R>(dtype, [&](auto type) {
    using T = typename decltype(type)::Type;
    return launch(gradientKernel<R, T>, grid, gradientWarps * warpSize32, stream, batch, back);
  });
}

template cudaError_t launchGradient(const Batch<float>&, DType, const Extent&, int32_t,
                                    cudaStream_t);
template cudaError_t launchGradient(const Batch<double>&, DType, const Extent&, int32_t,
                                    cudaStream_t);

}  // namespace cuda
}  // namespace ctc
