#include "cuda/gradient.cuh"

namespace ctc {
namespace cuda {

template <class R>
cudaError_t launchGradient(const Batch<R>& batch, DType dtype, const Extent& extent, int32_t back,
                           cudaStream_t stream) {
  return forInputType<R>(dtype, [&](auto type) {
    using T = typename decltype(type)::Type;
    return launch(gradientKernel<R, T>, gridOfKept(extent), gradientThreads, stream, batch, back);
  });
}

template cudaError_t launchGradient(const Batch<float>&, DType, const Extent&, int32_t,
                                    cudaStream_t);
template cudaError_t launchGradient(const Batch<double>&, DType, const Extent&, int32_t,
                                    cudaStream_t);

}  // namespace cuda
}  // namespace ctc
