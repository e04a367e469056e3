#include "cuda/launch.h"
#include "cuda/softmax.cuh"

namespace ctc {
namespace cuda {
namespace {

template <class R, class T, int G, int I>
cudaError_t launchShape(const Batch<R>& batch, const Extent& extent, cudaStream_t stream) {
  constexpr int groups = rowThreads<G> / G;
  const dim3 grid(static_cast<unsigned>((extent.rows + groups - 1) / groups),
                  static_cast<unsigned>(extent.count));
  return launch(rowKernel<R, T, G, I>, grid, rowThreads<G>, stream, batch);
}

// A warp has a row of up to 512 classes, a block a longer one.
template <class R, class T>
cudaError_t launchType(const Batch<R>& batch, const Extent& extent, cudaStream_t stream) {
  const int32_t classes = batch.classes;
  if constexpr (sizeof(R) == 8) {
    return classes <= 512 ? launchShape<R, T, 32, 0>(batch, extent, stream)
                          : launchShape<R, T, 256, 0>(batch, extent, stream);
  } else {
    if (classes <= 32) return launchShape<R, T, 32, 1>(batch, extent, stream);
    if (classes <= 128) return launchShape<R, T, 32, 4>(batch, extent, stream);
    if (classes <= 512) return launchShape<R, T, 32, 16>(batch, extent, stream);
    if (classes <= 2048) return launchShape<R, T, 256, 8>(batch, extent, stream);
    if (classes <= 8192) return launchShape<R, T, 256, 32>(batch, extent, stream);
    return launchShape<R, T, 256, 0>(batch, extent, stream);
  }
}

}  // namespace

template <class R>
cudaError_t launchRows(const Batch<R>& batch, DType dtype, const Extent& extent,
                       cudaStream_t stream) {
  switch (dtype) {
    case DType::float32:
      return launchType<R, float>(batch, extent, stream);
    case DType::float16:
      return launchType<R, Half>(batch, extent, stream);
    case DType::bfloat16:
      return launchType<R, Brain>(batch, extent, stream);
    case DType::float64:
      break;
  }
  if constexpr (sizeof(R) == 8) return launchType<R, double>(batch, extent, stream);
  return cudaErrorInvalidValue;
}

template cudaError_t launchRows(const Batch<float>&, DType, const Extent&, cudaStream_t);
template cudaError_t launchRows(const Batch<double>&, DType, const Extent&, cudaStream_t);

}  // namespace cuda
}  // namespace ctc
