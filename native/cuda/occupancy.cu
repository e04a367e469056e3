#include "cuda/occupancy.cuh"

#include "ctc/lattice.h"

namespace ctc {
namespace cuda {

cudaError_t launchOccupancy(const Batch<double>& batch, const Extent& extent, int32_t back,
                            cudaStream_t stream) {
  return launch(occupancyKernel<double>, gridOfKept(extent), gradientThreads, stream, batch, back);
}

cudaError_t launchStateFrames(const Batch<double>& batch, const Extent& extent,
                              cudaStream_t stream) {
  const int64_t states = stateCount(extent.labels);
  const dim3 grid(static_cast<unsigned>((states + gradientThreads - 1) / gradientThreads),
                  static_cast<unsigned>(extent.count));
  return launch(stateFramesKernel<double>, grid, gradientThreads, stream, batch);
}

}  // namespace cuda
}  // namespace ctc
