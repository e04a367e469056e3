#include "cuda/frames.cuh"

#include "cuda/launch.h"

namespace ctc {
namespace cuda {
namespace {

template <class R>
cudaError_t launchAs(const SequenceBatch& batch, DType dtype, int64_t longest,
                     cudaStream_t stream) {
  return forInputType<R>(dtype, [&](auto type) {
    using T = typename decltype(type)::Type;
    // float64 is computed with for float64 alone.
    if constexpr (std::is_same<R, double>::value != std::is_same<T, double>::value) {
      return cudaErrorInvalidValue;
    } else {
      return forRowShape<R>(batch.classes, [&](auto shape) {
        using Shape = decltype(shape);
        constexpr int groups = rowThreads<Shape::threads> / Shape::threads;
        const dim3 grid(static_cast<unsigned>((longest + groups - 1) / groups),
                        static_cast<unsigned>(batch.count));
        return launch(frameKernel<R, T, Shape::threads, Shape::items>, grid,
                      rowThreads<Shape::threads>, stream, batch);
      });
    }
  });
}

}  // namespace

cudaError_t launchFrames(const SequenceBatch& batch, DType dtype, int64_t longest,
                         cudaStream_t stream) {
  return dtype == DType::float64 ? launchAs<double>(batch, dtype, longest, stream)
                                 : launchAs<float>(batch, dtype, longest, stream);
}

}  // namespace cuda
}  // namespace ctc
