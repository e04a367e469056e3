// Passes over one contiguous row of classes: maximum, log-sum-exp, softmax.
// Included inside a namespace and a target region.

template <class S, class E>
struct Rows {
  using Real = typename S::Real;
  using V = typename S::V;
  using T = typename E::Type;
  static constexpr int W = S::W;
  static constexpr Real inf = std::numeric_limits<Real>::infinity();
  static constexpr int64_t lineElements = 64 / sizeof(T);

  // Calls body(vector, offset, count) for the whole row; lanes past the end hold `fill`.
  template <class Body>
  static CTC_INLINE void each(const T* row, int64_t classes, Real fill, Body body) {
    int64_t c = 0;
    for (; c + W <= classes; c += W) body(E::load(row + c), c, W);
    const int rest = static_cast<int>(classes - c);
    if (rest > 0) body(E::loadPartial(row + c, rest, fill), c, rest);
  }

  // NaN may be skipped: sumExp() reports it. Four chains hide the latency of max.
  static CTC_INLINE Real maximum(const T* row, int64_t classes) {
    V a = S::set(-inf), b = a, c = a, d = a;
    int64_t i = 0;
    if constexpr (E::pairs) {
      i = classes / (8 * W) * (8 * W);
      if (i > 0) a = S::set(E::Format::maximum(row, i));
    }
    for (; i + 4 * W <= classes; i += 4 * W) {
      a = S::max(E::load(row + i), a);
      b = S::max(E::load(row + i + W), b);
      c = S::max(E::load(row + i + 2 * W), c);
      d = S::max(E::load(row + i + 3 * W), d);
    }
    each(row + i, classes - i, -inf, [&](V x, int64_t, int) CTC_LAMBDA { a = S::max(x, a); });
    return S::maxOf(S::max(S::max(a, b), S::max(c, d)));
  }

  // Sum of exp(x - ref) over the row; the terms go to `terms` ([C, whole vectors]) unless that is
  // null. Classes that equal ref are counted, the others added up in short runs: next to a dominant
  // 1, float32 would drop what a confident frame's loss is made of. NaN if any class is NaN or ref
  // is infinite. `next` is fetched on the way.
  static double sumExp(const T* row, int64_t classes, Real ref, Real* terms, const T* next) {
    return terms == nullptr ? sumExpTo<false>(row, classes, ref, nullptr, next)
                            : sumExpTo<true>(row, classes, ref, terms, next);
  }

  // out[c] = exp(x) * factor for log-probabilities of any size.
  static CTC_INLINE void exponentials(const T* row, int64_t classes, Real factor, Real* out) {
    const V f = S::set(factor);
    each(row, classes, -inf, [&](V x, int64_t c, int) CTC_LAMBDA {
      S::store(out + c, S::mul(Exp<S>::anyValue(x), f));
    });
  }

  // Writes a row times a factor. Streaming keeps a large gradient from evicting what is still
  // needed and saves reading the lines that it overwrites; only of whole lines, as the memory
  // would have to merge a part with the rest.
  static CTC_INLINE void write(T* out, const Real* row, int64_t classes, Real factor,
                               bool streaming) {
    const V times = S::set(factor);
    if constexpr (E::streams) {
      constexpr int64_t step = std::max<int64_t>(lineElements, 2 * W);
      if (streaming && classes >= 2 * step) {
        const auto address = reinterpret_cast<uintptr_t>(out);
        const int64_t lead = static_cast<int64_t>((-address & 63) / sizeof(T));
        const int64_t end = lead + (classes - lead) / step * step;
        writeCached(out, row, 0, lead, times);
        for (int64_t c = lead; c < end; c += step) {
          for (int64_t i = c; i < c + step; i += 2 * W) {
            E::streamTwo(out + i, S::mul(S::load(row + i), times),
                         S::mul(S::load(row + i + W), times));
          }
        }
        writeCached(out, row, end, classes, times);
        return;
      }
    }
    writeCached(out, row, 0, classes, times);
  }

 private:
  static CTC_INLINE void writeCached(T* out, const Real* row, int64_t c, int64_t end, V times) {
    for (; c + 4 * W <= end; c += 4 * W) {
      for (int64_t i = c; i < c + 4 * W; i += 2 * W) {
        E::storeTwo(out + i, S::mul(S::load(row + i), times), S::mul(S::load(row + i + W), times));
      }
    }
    for (; c + W <= end; c += W) E::store(out + c, S::mul(S::load(row + c), times));
    const int rest = static_cast<int>(end - c);
    if (rest > 0) {
      E::storePartial(out + c, S::mul(S::loadPartial(row + c, rest, Real(0)), times), rest);
    }
  }

  template <bool Keep>
  static CTC_INLINE double sumExpTo(const T* row, int64_t classes, Real ref, Real* terms,
                                    const T* next) {
    constexpr int64_t run = 32 * W;
    Real few[Keep ? 1 : run];  // a run's terms
    const V r = S::set(-ref), zero = S::set(Real(0)), one = S::set(Real(1));
    // A pair of vectors is begun while the one before is finished.
    const int64_t last = classes / (2 * W) * (2 * W) - 2 * W;
    typename Exp<S>::Begun a{zero, zero}, b = a;
    const auto begin = [&](int64_t i) CTC_LAMBDA {
      a = Exp<S>::begin(S::add(E::load(row + i), r));
      b = Exp<S>::begin(S::add(E::load(row + i + W), r));
    };
    double sum = 0;
    int64_t ones = 0;
    const auto others = [&](V y, V& all) CTC_LAMBDA {
      const auto top = S::equal(y, one);
      ones += S::count(top);
      all = S::addUnless(top, all, y);
    };
    if (last >= 0) begin(0);
    for (int64_t first = 0; first < last; first += run) {
      const int64_t count = std::min(last - first, run);
      Real* const to = Keep ? terms + first : few;
      V all = zero;
      for (int64_t i = 0; i < count; i += 2 * W) {
        const V y = Exp<S>::finish(a), z = Exp<S>::finish(b);
        begin(first + i + 2 * W);
        S::store(to + i, y);
        S::store(to + i + W, z);
        all = S::add(all, S::add(y, z));
        for (int64_t k = 0; k < 2 * W; k += lineElements) CTC_PREFETCH(next + first + i + k);
      }
      // Only where a 1 may be among them.
      if (!S::all(S::less(all, one))) {
        all = zero;
        for (int64_t i = 0; i < count; i += W) others(S::load(to + i), all);
      }
      sum += static_cast<double>(S::sum(all));
    }
    V all = zero;
    const auto put = [&](V y, int64_t c) CTC_LAMBDA {
      if (Keep) S::store(terms + c, y);
      others(y, all);
    };
    if (last >= 0) {
      put(Exp<S>::finish(a), last);
      put(Exp<S>::finish(b), last + W);
    }
    const int64_t rest = last + 2 * W;
    each(row + rest, classes - rest, -inf,
         [&](V x, int64_t c, int) CTC_LAMBDA { put(Exp<S>::value(S::add(x, r)), rest + c); });
    return static_cast<double>(ones) + (sum + static_cast<double>(S::sum(all)));
  }
};
