// exp in two parts: a mantissa near 1 and an integral exponent, so that nothing underflows.
// Included inside a namespace and a target region.

// exp(x) = m * 2^k with k = round(x / ln 2) and m in [0.70, 1.42]. `low` is a correction that is
// added to x (what rounding took away from a difference). The polynomials are relative minimax
// fits of exp(r) = 1 + r + r^2 q(r) on |r| <= 0.3475: 3.2e-9 with degree 4, 3.8e-18 with degree 9.
// ln 2 is split so that k times its high part is exact for |k| < 2^14 (float), 2^20 (double).
template <class S>
struct Exp {
  using V = typename S::V;
  using Real = typename S::Real;

  static CTC_INLINE V reduced(V x, V low, V& k) {
    constexpr bool wide = sizeof(Real) == 8;
    k = S::round(S::mul(x, S::set(Real(1.4426950408889634074))));
    V r = S::negMulAdd(k, S::set(wide ? Real(6.93147180369123816490e-1) : Real(0.693359375)), x);
    r = S::negMulAdd(k, S::set(wide ? Real(1.90821492927058770002e-10) : Real(-2.12194440e-4)), r);
    return S::add(r, low);
  }

  static CTC_INLINE V polynomial(V r) {
    const auto horner = [&](V sum, double c) { return S::mulAdd(sum, r, S::set(Real(c))); };
    V q;
    if constexpr (sizeof(Real) == 8) {
      q = S::set(Real(2.49997683978424e-08));
      q = horner(q, 2.7630623278116767e-07);
      q = horner(q, 2.7557589194833036e-06);
      q = horner(q, 2.480149212918539e-05);
      q = horner(q, 0.00019841269501331382);
      q = horner(q, 0.0013888888944476123);
      q = horner(q, 0.00833333333349782);
      q = horner(q, 0.041666666666527345);
      q = horner(q, 0.16666666666666405);
      q = horner(q, 0.5000000000000011);
    } else {
      q = S::set(Real(0.0013814221239486183));
      q = horner(q, 0.00836889873705903);
      q = horner(q, 0.041668405735194036);
      q = horner(q, 0.16666519129408616);
      q = horner(q, 0.49999993346374927);
    }
    return S::mulAdd(S::mul(r, r), q, S::add(r, S::set(Real(1))));
  }

  // exp(x), 0 far below. x at most 88 (709 in float64), as after subtracting a maximum.
  static CTC_INLINE V value(V x) {
    V k;
    const V r = reduced(S::max(S::set(lowest), x), S::set(Real(0)), k);
    return S::scale(polynomial(r), k);
  }

  // exp(x) for any x, Infinity far above.
  static CTC_INLINE V anyValue(V x) {
    V k;
    const V r = reduced(S::min(S::set(highest), S::max(S::set(lowest), x)), S::set(Real(0)), k);
    const V m = polynomial(r);
    return S::scale(S::add(m, m), S::sub(k, S::set(Real(1))));
  }

 private:
  static constexpr Real lowest = sizeof(Real) == 8 ? Real(-800) : Real(-150);
  static constexpr Real highest = sizeof(Real) == 8 ? Real(710.5) : Real(89.5);
};
