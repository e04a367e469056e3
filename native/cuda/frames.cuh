// Rows of the input for greedy decoding and alignment, each read once: the best class, the
// log-sum-exp, and the scores that the alignment needs, side by side.
//
// Groups of threads share rows as in softmax.cuh.
#pragma once

#include <climits>

#include "cuda/sequence.cuh"
#include "cuda/softmax.cuh"

namespace ctc {
namespace cuda {

// Places of their own for the reductions of starScore.
struct LargestLabel : Largest {};
struct SumOfLabels : Sum {};

// Log of the summed exponentials of all classes but the blank, in float64: it takes part in
// comparisons.
template <class R, class T, int G>
__device__ inline double logSumOfLabels(const SequenceBatch& b, const RowOf<R, T, G, 0>& row) {
  double most = -INFINITY;
  for (int32_t c = row.first; c < b.classes; c += G) {
    if (c != b.blank) most = Largest::of(most, static_cast<double>(row.at(c)));
  }
  most = groupReduce<G, LargestLabel>(most);
  if (most == -INFINITY) return most;
  double sum = 0;
  for (int32_t c = row.first; c < b.classes; c += G) {
    if (c != b.blank) sum += Exp<Single<double>>::value(static_cast<double>(row.at(c)) - most);
  }
  return most + log(groupReduce<G, SumOfLabels>(sum));
}

// A row of log-probabilities of which only the target's classes count. False: one is not below
// +Infinity, or all are -Infinity.
template <class R, class T, int G>
__device__ inline bool usedAreFinite(const SequenceBatch& b, const Sequence& u,
                                     const RowOf<R, T, G, 0>& row) {
  int bad = 0;
  int some = 0;
  for (int32_t k = row.first; k < u.slots; k += G) {
    const R x = row.at(b.tables[u.slotClass + k]);
    bad |= !(x < R(INFINITY));
    some |= x > R(-INFINITY);
  }
  bad = groupReduce<G, Largest>(bad);
  some = groupReduce<G, Sum>(some);
  return bad == 0 && some > 0;
}

// grid: (rows / groups of a block, utterances).
template <class R, class T, int G, int I>
__global__ void __launch_bounds__(rowThreads<G>)
    frameKernel(const __grid_constant__ SequenceBatch b) {
  const Sequence u = b.sequences[blockIdx.y];
  const int64_t t =
      static_cast<int64_t>(blockIdx.x) * (rowThreads<G> / G) + static_cast<int>(threadIdx.x) / G;
  // A whole group at a time: its threads meet again below.
  if (t >= u.frames) return;
  const int32_t first = static_cast<int32_t>(threadIdx.x) % G;
  const typename Stored<T>::Memory* const from =
      static_cast<const typename Stored<T>::Memory*>(b.input) + u.input + t * u.inputFrameStride;
  const RowOf<R, T, G, 0> source{from, b.classStride, b.classes, first, {}};
  const bool greedy = b.best != nullptr;

  R largest = 0;
  double norm = 0;
  bool fine;
  if (b.inputIsLogProbs && !greedy && u.starSlot < 0) {
    fine = usedAreFinite<R, T, G>(b, u, source);
  } else {
    RowOf<R, T, G, I> row{from, b.classStride, b.classes, first, {}};
    row.read();
    R most = R(-INFINITY);
    int32_t place = INT_MAX;
    int bad = 0;
    row.each([&](int32_t c, R& x) {
      bad |= !(x < R(INFINITY));
      if (x > most) {
        most = x;
        place = c;
      }
    });
    largest = groupReduce<G, Largest>(most);
    bad = groupReduce<G, Largest>(bad);
    fine = bad == 0 && largest > R(-INFINITY);
    if (greedy) {
      place = groupReduce<G, Least>(most == largest ? place : INT_MAX);
      if (first == 0) b.best[u.frame + t] = fine ? place : -1;
    }
    if (b.inputIsLogProbs) {
      if (greedy) norm = -static_cast<double>(largest);
    } else {
      // As in rowKernel: the classes that equal the maximum are counted.
      int32_t ones = 0;
      R rest = 0;
      row.each([&](int32_t, R& x) {
        const R d = x - largest;
        if (d == 0) {
          ++ones;
        } else {
          rest += Exp<Single<R>>::value(d);
        }
      });
      ones = groupReduce<G, Sum>(ones);
      rest = groupReduce<G, Sum>(rest);
      norm = log(static_cast<double>(ones) + static_cast<double>(rest));
    }
  }
  if (first == 0) b.norm[u.frame + t] = fine ? norm : NAN;
  if (greedy) return;

  const double origin = b.inputIsLogProbs ? 0 : static_cast<double>(largest);
  double star = static_cast<double>(largest);
  if (u.starSlot >= 0 && b.star == static_cast<int32_t>(Star::label)) {
    star = logSumOfLabels<R, T, G>(b, source);
  }
  double* const scores = b.scores + u.score + t * u.slots;
  for (int32_t k = first; k < u.slots; k += G) {
    double x = star;
    if (k != u.starSlot) x = static_cast<double>(source.at(b.tables[u.slotClass + k]));
    scores[k] = fine ? x - origin : 0;
  }
}

}  // namespace cuda
}  // namespace ctc
