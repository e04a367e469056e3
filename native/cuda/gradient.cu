#include "cuda/gradient.cuh"

#include "cuda/launch.h"

namespace ctc {
namespace cuda {
namespace {

template <class R, class T>
cudaError_t launchType(const Batch<R>& batch, const Extent& extent, int32_t back,
                       cudaStream_t stream) {
  const int64_t rows = int64_t{2} * extent.blockFrames;
  const dim3 grid(static_cast<unsigned>((rows + gradientWarps - 1) / gradientWarps),
                  static_cast<unsigned>(extent.count));
  return launch(gradientKernel<R, T>, grid, gradientWarps * warpSize32, stream, batch, back);
}

}  // namespace

template <class R>
cudaError_t launchGradient(const Batch<R>& batch, DType dtype, const Extent& extent, int32_t back,
                           cudaStream_t stream) {
  switch (dtype) {
    case DType::float32:
      return launchType<R, float>(batch, extent, back, stream);
    case DType::float16:
      return launchType<R, Half>(batch, extent, back, stream);
    case DType::bfloat16:
      return launchType<R, Brain>(batch, extent, back, stream);
    case DType::float64:
      break;
  }
  if constexpr (sizeof(R) == 8) return launchType<R, double>(batch, extent, back, stream);
  return cudaErrorInvalidValue;
}

template cudaError_t launchGradient(const Batch<float>&, DType, const Extent&, int32_t,
                                    cudaStream_t);
template cudaError_t launchGradient(const Batch<double>&, DType, const Extent&, int32_t,
                                    cudaStream_t);

}  // namespace cuda
}  // namespace ctc
