#include "cuda/softmax.cuh"

#include "cuda/launch.h"

namespace ctc {
namespace cuda {

template <class R>
cudaError_t launchRows(const Batch<R>& batch, DType dtype, const Extent& extent,
                       cudaStream_t stream) {
  return forInputType<R>(dtype, [&](auto type) {
    using T = typename decltype(type)::Type;
    return forRowShape<R>(batch.classes, [&](auto shape) {
      using Shape = decltype(shape);
      constexpr int groups = rowThreads<Shape::threads> / Shape::threads;
      const dim3 grid(static_cast<unsigned>((extent.rows + groups - 1) / groups),
                      static_cast<unsigned>(extent.count));
      return launch(rowKernel<R, T, Shape::threads, Shape::items>, grid, rowThreads<Shape::threads>,
                    stream, batch);
    });
  });
}

template cudaError_t launchRows(const Batch<float>&, DType, const Extent&, cudaStream_t);
template cudaError_t launchRows(const Batch<double>&, DType, const Extent&, cudaStream_t);

}  // namespace cuda
}  // namespace ctc
