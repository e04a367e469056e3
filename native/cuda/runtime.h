// The CUDA runtime, or its emulation on the host: the kernels and what launches them compile with
// either.
#pragma once

#if defined(CTC_EMULATED)
#include "cuda/emulation/runtime.h"
#define CTC_UNROLL
#else
#include <cuda_runtime.h>
#define CTC_UNROLL _Pragma("unroll")
#endif
