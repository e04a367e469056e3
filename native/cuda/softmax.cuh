// Rows of the input, each read once: log-sum-exp, the emissions that the lattice needs, and the
// softmax, written as the gradient that it is but for the classes in the lattice.
//
// A group of G threads has a row. Up to G * I classes it holds them in registers; with I = 0 it
// reads the row again from the cache instead. Sums are formed in an order that only G and C decide.
#pragma once

#include "cuda/batch.cuh"

namespace ctc {
namespace cuda {

constexpr unsigned allLanes = 0xffffffffu;

// Groups of 32 share a block of 128 threads.
template <int G>
constexpr int rowThreads = G < 128 ? 128 : G;

struct Sum {
  template <class V>
  static CTC_INLINE V of(V a, V b) {
    return a + b;
  }
};
struct Largest {
  template <class V>
  static CTC_INLINE V of(V a, V b) {
    return a > b ? a : b;
  }
};
struct Least {
  template <class V>
  static CTC_INLINE V of(V a, V b) {
    return a < b ? a : b;
  }
};

// The same value in all lanes: exchanged pairwise, so that every lane adds in the same tree.
template <class Op, class V>
__device__ inline V warpReduce(V value) {
  for (int distance = 16; distance > 0; distance /= 2) {
    value = Op::of(value, __shfl_xor_sync(allLanes, value, distance));
  }
  return value;
}

// Reduces over the group that has this thread's row. A kernel may do so once with each pair of an
// operation and a type: they have a place each, which is not given back.
template <int G, class Op, class V>
__device__ inline V groupReduce(V value) {
  value = warpReduce<Op>(value);
  if constexpr (G > warpSize32) {
    __shared__ V parts[G / warpSize32];
    if (threadIdx.x % warpSize32 == 0) parts[threadIdx.x / warpSize32] = value;
    // Every warp's part is in place.
    __syncthreads();
    value = parts[0];
    for (int i = 1; i < G / warpSize32; ++i) value = Op::of(value, parts[i]);
  }
  return value;
}

// One row's classes, strided over the group's threads.
template <class R, class T, int G, int I>
struct RowOf {
  const typename Stored<T>::Memory* from;
  int64_t stride;
  int32_t classes;
  int32_t first;  // this thread's first class
  R held[I + (I == 0)];

  __device__ void read() {
    if constexpr (I > 0) {
      CTC_UNROLL
      for (int i = 0; i < I; ++i) {
        const int32_t c = first + i * G;
        held[i] = c < classes ? at(c) : R(-INFINITY);
      }
    }
  }
  __device__ R at(int32_t c) const { return Stored<T>::template widened<R>(from[c * stride]); }

  // body(class, value, place to keep a value), for this thread's classes.
  template <class Body>
  __device__ void each(Body body) {
    if constexpr (I > 0) {
      CTC_UNROLL
      for (int i = 0; i < I; ++i) {
        const int32_t c = first + i * G;
        if (c < classes) body(c, held[i]);
      }
    } else {
      for (int32_t c = first; c < classes; c += G) {
        R x = at(c);
        body(c, x);
      }
    }
  }
};

// The frame's reference for log-probabilities: the largest value of a used class; NaN when one is
// not below +Infinity, or all are -Infinity.
template <class R, class T, int G>
__device__ inline R usedReference(const Batch<R>& b, const Utterance& u,
                                  const RowOf<R, T, G, 0>& row) {
  R most = R(-INFINITY);
  int bad = 0;
  for (int32_t k = row.first; k < u.slots; k += G) {
    const R x = row.at(b.tables[u.slotClass + k]);
    bad |= !(x < R(INFINITY));
    most = Largest::of(most, x);
  }
  most = groupReduce<G, Largest>(most);
  bad = groupReduce<G, Largest>(bad);
  return bad || most == R(-INFINITY) ? R(NAN) : most;
}

// Emissions of the frame, relative to `reference`, and their least exponent.
template <class R, class T, int G>
__device__ inline void emit(const Batch<R>& b, const Utterance& u, const RowOf<R, T, G, 0>& row,
                            R reference, int64_t t) {
  R lowest = 0;
  Packed<R>* const out = b.emissions + u.emission + t * u.slots;
  for (int32_t k = row.first; k < u.slots; k += G) {
    const R x = row.at(b.tables[u.slotClass + k]);
    const Number<R> emission = emissionOf(x, reference);
    if (x != R(-INFINITY)) lowest = Least::of(lowest, emission.e);
    out[k] = packed<R>(emission);
  }
  lowest = groupReduce<G, Least>(lowest);
  if (row.first == 0) b.lowest[u.frame + t] = lowest;
}

// grid: (rows / groups of a block, utterances).
template <class R, class T, int G, int I>
__global__ void __launch_bounds__(rowThreads<G>) rowKernel(const __grid_constant__ Batch<R> b) {
  using S = Single<R>;
  using Memory = typename Stored<T>::Memory;
  const Utterance u = b.utterances[blockIdx.y];
  const int64_t t =
      static_cast<int64_t>(blockIdx.x) * (rowThreads<G> / G) + static_cast<int>(threadIdx.x) / G;
  // A whole group at a time: its threads meet again below.
  if (t >= u.rows) return;
  const int32_t first = static_cast<int32_t>(threadIdx.x) % G;
  Memory* const out = b.gradient == nullptr ? nullptr
                                            : static_cast<Memory*>(b.gradient) + u.gradient +
                                                  t * u.gradientFrameStride;
  if (t >= u.frames) {
    if (out == nullptr) return;
    for (int32_t c = first; c < b.classes; c += G) out[c] = Stored<T>::rounded(R(0));
    return;
  }
  const Memory* const from = static_cast<const Memory*>(b.input) + u.input + t * u.inputFrameStride;
  const RowOf<R, T, G, 0> source{from, b.classStride, b.classes, first, {}};
  const R scale = static_cast<R>(u.scale);

  if (b.logProbs) {
    const R reference = usedReference<R, T, G>(b, u, source);
    emit<R, T, G>(b, u, source, reference == reference ? reference : R(0), t);
    if (first == 0) b.norm[u.frame + t] = -static_cast<double>(reference);
    if (out == nullptr) return;
    for (int32_t c = first; c < b.classes; c += G) {
      const R g = b.softmaxGradient ? Exp<S>::anyValue(source.at(c)) * scale : R(0);
      out[c] = Stored<T>::rounded(g);
    }
    return;
  }

  RowOf<R, T, G, I> row{from, b.classStride, b.classes, first, {}};
  row.read();
  R most = R(-INFINITY);
  row.each([&](int32_t, R& x) { most = Largest::of(most, x); });
  const R reference = groupReduce<G, Largest>(most);
  // Classes that equal the maximum are counted, the others added up: next to a dominant 1, float32
  // would drop what a confident frame's loss is made of.
  int32_t ones = 0;
  R rest = 0;
  row.each([&](int32_t, R& x) {
    const R d = x - reference;
    x = Exp<S>::value(d);
    if (d == 0) {
      ++ones;
    } else {
      rest += x;
    }
  });
  ones = groupReduce<G, Sum>(ones);
  rest = groupReduce<G, Sum>(rest);
  const double sum = static_cast<double>(ones) + static_cast<double>(rest);
  // The maximum alone contributes 1: less, or NaN, means that there is none.
  const bool fine = sum >= 1 && sum < INFINITY;
  const R inverse = fine ? static_cast<R>(1 / sum) : R(1);
  if (first == 0) {
    b.norm[u.frame + t] = fine ? log(sum) : NAN;
    b.inverse[u.frame + t] = inverse;
  }
  emit<R, T, G>(b, u, source, fine ? reference : R(0), t);
  if (out == nullptr) return;
  const R factor = inverse * scale;
  row.each([&](int32_t c, R& x) {
    const R y = I > 0 ? x : Exp<S>::value(x - reference);
    out[c] = Stored<T>::rounded(y * factor);
  });
}

}  // namespace cuda
}  // namespace ctc
