#include "cuda/collapse.cuh"

#include "cuda/launch.h"

namespace ctc {
namespace cuda {

cudaError_t launchCollapse(const SequenceBatch& batch, cudaStream_t stream) {
  return launch(collapseKernel, dim3(static_cast<unsigned>(batch.count)), warpSize32, stream,
                batch);
}

}  // namespace cuda
}  // namespace ctc
