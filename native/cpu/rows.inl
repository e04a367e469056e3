// Passes over one contiguous row of classes: maximum, log-sum-exp, softmax.
// Included inside a namespace and a target region.

template <class S, class E>
struct Rows {
  using Real = typename S::Real;
  using V = typename S::V;
  using T = typename E::Type;
  static constexpr int W = S::W;
  static constexpr Real inf = std::numeric_limits<Real>::infinity();

  // Calls body(vector, offset, count) for the whole row; lanes past the end hold `fill`.
  template <class Body>
  static CTC_INLINE void each(const T* row, int64_t classes, Real fill, Body body) {
    int64_t c = 0;
    for (; c + W <= classes; c += W) body(E::load(row + c), c, W);
    const int rest = static_cast<int>(classes - c);
    if (rest > 0) body(E::loadPartial(row + c, rest, fill), c, rest);
  }

  // Skips NaN, which sumExp() then reports. Four chains hide the latency of max.
  static CTC_INLINE Real maximum(const T* row, int64_t classes) {
    V a = S::set(-inf), b = a, c = a, d = a;
    int64_t i = 0;
    for (; i + 4 * W <= classes; i += 4 * W) {
      a = S::max(E::load(row + i), a);
      b = S::max(E::load(row + i + W), b);
      c = S::max(E::load(row + i + 2 * W), c);
      d = S::max(E::load(row + i + 3 * W), d);
    }
    each(row + i, classes - i, -inf, [&](V x, int64_t, int) CTC_LAMBDA { a = S::max(x, a); });
    return S::maxOf(S::max(S::max(a, b), S::max(c, d)));
  }

  // Sum of exp(x - ref), in float64: next to a dominant 1, float32 would drop the rest. NaN if any
  // class is NaN or ref is infinite.
  static CTC_INLINE double sumExp(const T* row, int64_t classes, Real ref) {
    typename S::Sum even = S::zeroSum(), odd = even;
    const V r = S::set(ref);
    int64_t i = 0;
    for (; i + 2 * W <= classes; i += 2 * W) {
      S::accumulate(even, Exp<S>::value(S::sub(E::load(row + i), r)));
      S::accumulate(odd, Exp<S>::value(S::sub(E::load(row + i + W), r)));
    }
    each(row + i, classes - i, -inf, [&](V x, int64_t, int) CTC_LAMBDA {
      S::accumulate(even, Exp<S>::value(S::sub(x, r)));
    });
    return S::total(even) + S::total(odd);
  }

  // out[c] = exp(x - ref) * factor; out has room for whole vectors.
  static CTC_INLINE void softmax(const T* row, int64_t classes, Real ref, Real factor, Real* out) {
    const V r = S::set(ref), f = S::set(factor);
    each(row, classes, -inf, [&](V x, int64_t c, int) CTC_LAMBDA {
      S::store(out + c, S::mul(Exp<S>::value(S::sub(x, r)), f));
    });
  }

  // out[c] = exp(x) * factor for log-probabilities of any size.
  static CTC_INLINE void exponentials(const T* row, int64_t classes, Real factor, Real* out) {
    const V f = S::set(factor);
    each(row, classes, -inf, [&](V x, int64_t c, int) CTC_LAMBDA {
      S::store(out + c, S::mul(Exp<S>::anyValue(x), f));
    });
  }

  // Writes a finished row. Streaming keeps a large gradient from evicting what is still needed and
  // saves reading the lines that it overwrites.
  static CTC_INLINE void write(T* out, const Real* row, int64_t classes, bool streaming) {
    int64_t c = 0;
    if constexpr (E::native) {
      if (streaming) {
        const auto address = reinterpret_cast<uintptr_t>(out);
        const int64_t lead = static_cast<int64_t>((-address & (sizeof(V) - 1)) / sizeof(T));
        for (; c < lead && c < classes; ++c) out[c] = row[c];
        for (; c + W <= classes; c += W) S::stream(out + c, S::load(row + c));
      }
    }
    for (; c + W <= classes; c += W) E::store(out + c, S::load(row + c));
    const int rest = static_cast<int>(classes - c);
    if (rest > 0) E::storePartial(out + c, S::loadPartial(row + c, rest, Real(0)), rest);
  }
};
