// One number where the CPU's kernels have a vector, with the operations that cpu/extended.inl and
// cpu/exp.inl are written in. Both are included here: a cell is computed by the same lines on
// either device. simd_baseline.h tells what each operation means.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cpu/float16.h"
#include "cpu/target.h"
#include "cuda/runtime.h"

namespace ctc {
namespace cuda {

template <class R>
struct FloatBits;
template <>
struct FloatBits<float> {
  using Bits = uint32_t;
  static constexpr int mantissaBits = 23;
  static constexpr int bias = 127;
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
};
template <>
struct FloatBits<double> {
  using Bits = uint64_t;
  static constexpr int mantissaBits = 52;
  static constexpr int bias = 1023;
  static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
};

template <class R>
struct Single {
  using Real = R;
  using V = R;
  using M = bool;
  using F = FloatBits<R>;
  using Bits = typename F::Bits;

  static CTC_INLINE Bits bitsOf(R x) {
    Bits b;
    memcpy(&b, &x, sizeof b);
    return b;
  }
  static CTC_INLINE R fromBits(Bits b) {
    R x;
    memcpy(&x, &b, sizeof x);
    return x;
  }

  static CTC_INLINE V set(R x) { return x; }
  static CTC_INLINE V add(V a, V b) { return a + b; }
  static CTC_INLINE V sub(V a, V b) { return a - b; }
  static CTC_INLINE V mul(V a, V b) { return a * b; }
  static CTC_INLINE V mulAdd(V a, V b, V c) {
    if constexpr (sizeof(R) == 4) return fmaf(a, b, c);
    return fma(a, b, c);
  }
  static CTC_INLINE V negMulAdd(V a, V b, V c) { return mulAdd(-a, b, c); }
  static CTC_INLINE V max(V a, V b) { return a > b ? a : b; }
  static CTC_INLINE V min(V a, V b) { return a < b ? a : b; }
  static CTC_INLINE V select(M m, V a, V b) { return m ? a : b; }
  static CTC_INLINE V round(V a) {
    const R r = (a + F::magic) - F::magic;
    return a > -F::magic / 4 && a < F::magic / 4 ? r : a;
  }
  static CTC_INLINE V scale(V m, V d) {
    const R low = d < R(-F::bias) ? R(-F::bias) : d;
    return m * fromBits(bitsOf(low + (F::magic + R(F::bias))) << F::mantissaBits);
  }
  static CTC_INLINE V pow2Parts(V t, V& whole) {
    const R least = static_cast<R>(-F::bias - 80);
    const R x = t < least ? least : t;
    if constexpr (sizeof(R) == 4) {
      whole = floorf(x);
    } else {
      whole = floor(x);
    }
    return x - whole;
  }
  static CTC_INLINE V exponent(V a) {
    return static_cast<R>(static_cast<int32_t>(bitsOf(a) >> F::mantissaBits) - F::bias);
  }
  static CTC_INLINE V mantissa(V a) {
    const Bits low = (Bits{1} << F::mantissaBits) - 1;
    return fromBits((bitsOf(a) & low) | (static_cast<Bits>(F::bias) << F::mantissaBits));
  }
};

// clang-format off
#include "cpu/exp.inl"
#include "cpu/extended.inl"
// clang-format on

template <class R>
using Number = typename Extended<Single<R>>::Number;

// The smallest unit of memory traffic: one number, or a blank and the label after it.
template <class R>
struct alignas(2 * sizeof(R)) Packed {
  R m, e;
};
template <class R>
struct alignas(4 * sizeof(R)) Cell {
  Packed<R> blank, label;
};

template <class R>
CTC_INLINE Number<R> unpacked(Packed<R> p) {
  return {p.m, p.e};
}
template <class R>
CTC_INLINE Packed<R> packed(Number<R> a) {
  return {a.m, a.e};
}

// exp(x - reference) as an extended-range number; -Infinity gives zero. The difference comes with
// what rounding took away from it (Knuth's two-sum): with logits of 1e4 the digits lost here would
// be the posteriors' third.
template <class R>
CTC_INLINE Number<R> emissionOf(R x, R reference) {
  using S = Single<R>;
  if (x == -INFINITY) return Extended<S>::zero();
  const R d = x - reference;
  const R back = d - x;
  const R low = (x - (d - back)) - (reference + back);
  Number<R> result;
  result.m = Exp<S>::polynomial(Exp<S>::reduced(d, low, result.e));
  return result;
}

// How the input's number formats are stored.
template <class T>
struct Stored {
  using Memory = T;
  template <class R>
  static CTC_INLINE R widened(Memory x) {
    return static_cast<R>(x);
  }
  template <class R>
  static CTC_INLINE Memory rounded(R x) {
    return static_cast<Memory>(x);
  }
};
struct Half;
struct Brain;
template <>
struct Stored<Half> {
  using Memory = uint16_t;
  template <class R>
  static CTC_INLINE R widened(Memory x) {
    return static_cast<R>(halfToFloat(x));
  }
  template <class R>
  static CTC_INLINE Memory rounded(R x) {
    // From float64 by way of a float rounded to odd: the second rounding cannot move a tie then.
    if constexpr (sizeof(R) == 8) return floatToHalf(roundToOdd(x));
    return floatToHalf(static_cast<float>(x));
  }
};
template <>
struct Stored<Brain> {
  using Memory = uint16_t;
  template <class R>
  static CTC_INLINE R widened(Memory x) {
    return static_cast<R>(brainToFloat(x));
  }
  template <class R>
  static CTC_INLINE Memory rounded(R x) {
    if constexpr (sizeof(R) == 8) return floatToBrain(roundToOdd(x));
    return floatToBrain(static_cast<float>(x));
  }
};

}  // namespace cuda
}  // namespace ctc
