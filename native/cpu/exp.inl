// exp in two parts: a mantissa near 1 and an integral exponent, so that nothing underflows.
// Included inside a namespace and a target region.

// exp(x) = m * 2^k with k = round(x / ln 2) and m in [0.70, 1.42]. `low` is a correction that is
// added to x (what rounding took away from a difference). The polynomials are relative minimax
// fits of exp(r) = 1 + r + r^2 q(r) on |r| <= 0.3475: 3.2e-9 with degree 4, 3.8e-18 with degree 9.
// ln 2 is split so that k times its high part is exact for |k| < 2^14 (float), 2^20 (double).

// Whether S says that it has its own expParts().
template <class S, class = void>
struct SplitsExp : std::false_type {};
template <class S>
struct SplitsExp<S, std::void_t<decltype(S::splitsExp)>> : std::true_type {};

template <class S>
struct Exp {
  using V = typename S::V;
  using Real = typename S::Real;

  static CTC_INLINE V reduced(V x, V low, V& k) {
    constexpr bool wide = sizeof(Real) == 8;
    k = S::round(S::mul(x, S::set(Real(1.4426950408889634074))));
    V r = S::negMulAdd(k, S::set(wide ? Real(6.93147180369123816490e-1) : Real(0.693359375)), x);
    r = S::negMulAdd(k, S::set(wide ? Real(1.90821492927058770002e-10) : Real(-2.12194440e-4)), r);
    r = S::add(r, low);
    // Where k is beyond its exact range, r is rounding noise of any size: masks like -1e30. Only k
    // matters there. (The narrow kernels leave such input to the wide ones.)
    if constexpr (wide) r = S::min(S::set(Real(0.4)), S::max(S::set(Real(-0.4)), r));
    return r;
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

  // exp(x), 0 far below; NaN stays. x at most 88 (709 in float64), as after taking away a maximum.
  // In base 2 the reduction costs little; its relative error grows as |x| 2^-24 (2^-53), which is
  // nothing next to the values near 1 in the same row. exp(0) is exactly 1.
  static CTC_INLINE V value(V x) { return finish(begin(x)); }

  // The same in two halves of about the same latency: a loop that begins the next numbers before it
  // finishes these keeps a processor busier than it can by looking ahead.
  struct Begun {
    V f, power;  // power: an exponent, unless S has its own expParts()
  };
  static CTC_INLINE Begun begin(V x) {
    Begun b;
    if constexpr (SplitsExp<S>::value) {
      b.f = S::expParts(x, b.power);
    } else {
      b.f = S::pow2Parts(S::mul(x, S::set(Real(1.4426950408889634074))), b.power);
    }
    return b;
  }
  static CTC_INLINE V finish(Begun b) {
    if constexpr (SplitsExp<S>::value) return ofEighths(b.f, b.power);
    return S::scale(fraction(b.f), b.power);
  }

  // exp(x) for any x, Infinity far above.
  static CTC_INLINE V anyValue(V x) {
    const Real highest = sizeof(Real) == 8 ? Real(710.5) : Real(89.5);
    V whole;
    const V t = S::mul(S::min(S::set(highest), x), S::set(Real(1.4426950408889634074)));
    const V f = S::pow2Parts(t, whole);
    const V m = fraction(f);
    // t - f is floor(t). `whole` may be unrounded, and whole - 1 then round up to an integer.
    return S::scale(S::add(m, m), S::sub(S::sub(t, f), S::set(Real(1))));
  }

 private:
  // 2^(f/8) * power on [-1/2, 1/2], float32 alone, with 2^(f/8) = 1 + f q(f). Not the minimax fit,
  // whose errors are mostly of one sign: these, 5.7e-8 at most, add up to nothing over the
  // interval, and so do a row's. With all roundings 1.4e-7 on [-1, 0].
  static CTC_INLINE V ofEighths(V f, V power) {
    V q = S::mulAdd(f, S::set(Real(0.00010746965557523576)), S::set(Real(0.0037538993638008833)));
    q = S::mulAdd(q, f, S::set(Real(0.08664362877607346)));
    return S::mulAdd(S::mul(f, power), q, power);
  }

  // 2^f = 1 + f q(f) on [0, 1]: relative minimax fits, 2.1e-9 with degree 6, 3.3e-18 with 11.
  static CTC_INLINE V fraction(V f) {
    const auto horner = [&](V sum, double c) { return S::mulAdd(sum, f, S::set(Real(c))); };
    V q;
    if constexpr (sizeof(Real) == 8) {
      q = S::set(Real(6.26416758006497e-10));
      q = horner(q, 6.559154020654757e-09);
      q = horner(q, 1.0253298785966287e-07);
      q = horner(q, 1.3208356118155943e-06);
      q = horner(q, 1.5253175947381088e-05);
      q = horner(q, 0.00015403512264240042);
      q = horner(q, 0.0013333558631035806);
      q = horner(q, 0.009618129099521552);
      q = horner(q, 0.05550410866560558);
      q = horner(q, 0.2402265069590631);
      q = horner(q, 0.693147180559946);
    } else {
      q = S::set(Real(0.00021612915609467523));
      q = horner(q, 0.0012467846230135597);
      q = horner(q, 0.009675451593913332);
      q = horner(q, 0.055485280602918415);
      q = horner(q, 0.24022930555639566);
      q = horner(q, 0.6931470444429402);
    }
    return S::mulAdd(q, f, S::set(Real(1)));
  }
};
