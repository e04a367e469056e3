// All bodies for one instruction set: a kernel file includes this inside its own namespace and
// target region, after its simd_*.h. No include guard: it is meant to be included once a file.

// Each builds on those before it.
// clang-format off
#include "cpu/exp.inl"
#include "cpu/element.inl"
#include "cpu/rows.inl"
#include "cpu/extended.inl"
#include "cpu/lattice_step.inl"
#include "cpu/emission.inl"
#include "cpu/gradient.inl"
#include "cpu/utterance.inl"
#include "cpu/sweep.inl"
// clang-format on

template <class S, class E>
UtteranceKernel* makeSweep(const UtteranceProblem& problem, Arena& arena) {
  using Kernel = Sweep<S, E>;
  Kernel* const place = arena.take<Kernel>(1);
  if (arena.counting()) {
    [[maybe_unused]] const Kernel sized(problem, arena);
    return nullptr;
  }
  return new (place) Kernel(problem, arena);
}

inline UtteranceKernel* makeKernel(const UtteranceProblem& problem, bool wide, Arena& arena) {
  switch (problem.dtype) {
    case DType::float64:
      return makeSweep<F64, Element<F64, double>>(problem, arena);
    case DType::float32:
      return wide ? makeSweep<F64, Element<F64, float>>(problem, arena)
                  : makeSweep<F32, Element<F32, float>>(problem, arena);
    case DType::float16:
      return wide ? makeSweep<F64, Element<F64, uint16_t, false>>(problem, arena)
                  : makeSweep<F32, Element<F32, uint16_t, false>>(problem, arena);
    case DType::bfloat16:
      return wide ? makeSweep<F64, Element<F64, uint16_t, true>>(problem, arena)
                  : makeSweep<F32, Element<F32, uint16_t, true>>(problem, arena);
  }
  return nullptr;
}
