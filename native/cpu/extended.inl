// Extended-range numbers: m * 2^e with a mantissa m of type Real and its own integral exponent e,
// also of type Real. A sum takes a maximum, two shifts and an addition; no logarithm, no underflow.
// Included inside a namespace; S is a vector type of simd_*.h, or a single number on a GPU.
//
// e is exact while it stays below 2^24 (2^53). "Zero" is an e near zeroExponent: it absorbs
// whatever is added to it, and scaling by its distance to any real exponent gives exactly 0.

// Whether S says that it has its own addExtended().
template <class S, class = void>
struct AddsExtended : std::false_type {};
template <class S>
struct AddsExtended<S, std::void_t<decltype(S::addsExtended)>> : std::true_type {};

template <class S>
struct Extended {
  using Real = typename S::Real;
  using V = typename S::V;
  static constexpr Real zeroExponent = sizeof(Real) == 8 ? Real(-1e305) : Real(-1e30);
  static constexpr Real hardlyReached = zeroExponent / 10;

  struct Number {
    V m, e;
  };

  static CTC_INLINE Number zero() { return {S::set(Real(1)), S::set(zeroExponent)}; }

  static CTC_INLINE Number add(Number a, Number b) {
    const V e = S::max(a.e, b.e);
    if constexpr (AddsExtended<S>::value) return {S::addExtended(a.m, a.e, b.m, b.e), e};
    return {S::add(S::scale(a.m, S::sub(a.e, e)), S::scale(b.m, S::sub(b.e, e))), e};
  }

  static CTC_INLINE Number mul(Number a, Number b) { return {S::mul(a.m, b.m), S::add(a.e, b.e)}; }

  static CTC_INLINE Number select(typename S::M m, Number a, Number b) {
    return {S::select(m, a.m, b.m), S::select(m, a.e, b.e)};
  }

  // m back in [1, 2); zeros don't drift away.
  static CTC_INLINE Number renormalised(Number a) {
    return {S::mantissa(a.m), S::max(S::add(a.e, S::exponent(a.m)), S::set(zeroExponent))};
  }

  // a * b / 2^exponent as a plain number, 0 where it is far below 1.
  static CTC_INLINE V product(Number a, Number b, V exponent) {
    return S::scale(S::mul(a.m, b.m), S::sub(S::add(a.e, b.e), exponent));
  }
};
