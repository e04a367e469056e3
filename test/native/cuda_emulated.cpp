// The whole CUDA backend, compiled for the host (CTC_EMULATED is among this file's defines).
#include "cuda/backend.cu"
#include "cuda/gradient.cu"
#include "cuda/lattice.cu"
#include "cuda/loss.cu"
#include "cuda/plan.cu"
#include "cuda/rows.cu"
#include "cuda/session.cu"
