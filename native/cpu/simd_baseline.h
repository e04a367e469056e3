// Plain C++, four lanes: vectors of GCC and Clang, who make of them whatever the target always has,
// or arrays. Included inside a namespace. This file also says what the functions of every simd_*.h
// mean:
//
//   V, M            a vector of W numbers, and a mask of W booleans
//   loadPartial     the first n lanes from memory, the others `fill`; touches nothing past p[n - 1]
//   mulAdd          a * b + c;  negMulAdd: c - a * b
//   max, min        a NaN in the second operand stays
//   scale(m, d)     m * 2^d for integral d <= 127 (1023), exactly 0 once d is far below the range
//   exponent,       of normal positive numbers: a == mantissa(a) * 2^exponent(a),
//     mantissa        mantissa in [1, 2)
//   loadMask        from numbers whose bits are all 1 or all 0
//   shiftUp         [last of previous, v[0], ..., v[W - 2]]
//   shiftDown       [v[1], ..., v[W - 1], first of next]
//   addExtended     optional, where addsExtended is declared: am * 2^ae + bm * 2^be, over
//                     2^max(ae, be); the same bits as by scale()
//   pow2Parts       f in [0, 1) and whole with 2^t = 2^f * scale(1, whole); any t, NaN stays
//   addUnless       sum + (mask ? 0 : a)
//   count           how many lanes of the mask are set
//   Table<N>        N * W numbers looked up by index; lookupVectors is the largest N, 0 for none
//   stream          a store that bypasses the caches, p aligned to the vector
//   Half16, Brain16 the 16-bit formats, W at a time, rounded to nearest even; with a stream() of
//                     their own where `streams` is declared
#pragma once

// How lanes are kept. each(f, a, ...) is f of every lane: f sees whole vectors where there are any,
// else numbers.
template <class R, class Bits>
struct ArrayLanes {
  struct V {
    R v[4];
  };
  struct M {
    Bits v[4];
  };
  template <class F, class... Args>
  static CTC_INLINE V each(F f, const Args&... a) {
    return {{f(a.v[0]...), f(a.v[1]...), f(a.v[2]...), f(a.v[3]...)}};
  }
  template <class F>
  static CTC_INLINE M test(F f, V a, V b) {
    M m;
    for (int i = 0; i < 4; ++i) m.v[i] = f(a.v[i], b.v[i]) ? ~Bits{0} : Bits{0};
    return m;
  }
  static CTC_INLINE V of(R a, R b, R c, R d) { return {{a, b, c, d}}; }
  static CTC_INLINE Bits bitsOf(R x) {
    Bits b;
    std::memcpy(&b, &x, sizeof b);
    return b;
  }
  static CTC_INLINE R fromBits(Bits b) {
    R x;
    std::memcpy(&x, &b, sizeof x);
    return x;
  }
};

#if defined(__GNUC__)
template <class R, class Bits>
struct VectorLanes {
  typedef R Numbers __attribute__((vector_size(4 * sizeof(R))));
  typedef Bits Integers __attribute__((vector_size(4 * sizeof(R))));
  struct V {
    Numbers v;
  };
  struct M {
    Integers v;
  };
  template <class F, class... Args>
  static CTC_INLINE V each(F f, Args... a) {
    return {f(a.v...)};
  }
  template <class F>
  static CTC_INLINE M test(F f, V a, V b) {
    return {reinterpret_cast<Integers>(f(a.v, b.v))};
  }
  static CTC_INLINE V of(R a, R b, R c, R d) { return {Numbers{a, b, c, d}}; }
  static CTC_INLINE Integers bitsOf(Numbers x) { return reinterpret_cast<Integers>(x); }
  static CTC_INLINE Numbers fromBits(Integers b) { return reinterpret_cast<Numbers>(b); }
};
#else
template <class R, class Bits>
using VectorLanes = ArrayLanes<R, Bits>;
#endif

template <class R, class Bits, class Storage>
struct BaselineLanes : Storage {
  using Real = R;
  using Storage::bitsOf;
  using Storage::each;
  using Storage::fromBits;
  using Storage::of;
  using Storage::test;
  using typename Storage::M;
  using typename Storage::V;
  static constexpr int W = 4;
  static constexpr int lookupVectors = 0;
  static constexpr int mantissaBits = sizeof(R) == 4 ? 23 : 52;
  static constexpr int bias = sizeof(R) == 4 ? 127 : 1023;
  // Adding it rounds to an integer, which is then in the low bits.
  static constexpr R magic = static_cast<R>(Bits{3} << (mantissaBits - 1));
  static constexpr R unit = static_cast<R>(Bits{1} << mantissaBits);
  static constexpr Bits unitBits = Bits{bias + mantissaBits} << mantissaBits;
  static constexpr Bits oneBits = Bits{bias} << mantissaBits;
  static constexpr Bits fraction = (Bits{1} << mantissaBits) - 1;

  static CTC_INLINE V set(R x) { return of(x, x, x, x); }
  static CTC_INLINE V load(const R* p) {
    V r;
    std::memcpy(&r, p, sizeof r);
    return r;
  }
  static CTC_INLINE void store(R* p, V a) { std::memcpy(p, &a, sizeof a); }
  static CTC_INLINE void stream(R* p, V a) { store(p, a); }
  static CTC_INLINE V loadPartial(const R* p, int n, R fill) {
    const auto at = [&](int i) CTC_LAMBDA { return i < n ? p[i] : fill; };
    return of(at(0), at(1), at(2), at(3));
  }
  static CTC_INLINE void storePartial(R* p, V a, int n) {
    for (int i = 0; i < n; ++i) p[i] = a.v[i];
  }
  static CTC_INLINE V add(V a, V b) {
    return each([](auto x, auto y) CTC_LAMBDA { return x + y; }, a, b);
  }
  static CTC_INLINE V sub(V a, V b) {
    return each([](auto x, auto y) CTC_LAMBDA { return x - y; }, a, b);
  }
  static CTC_INLINE V mul(V a, V b) {
    return each([](auto x, auto y) CTC_LAMBDA { return x * y; }, a, b);
  }
  static CTC_INLINE V mulAdd(V a, V b, V c) {
    return each([](auto x, auto y, auto z) CTC_LAMBDA { return x * y + z; }, a, b, c);
  }
  static CTC_INLINE V negMulAdd(V a, V b, V c) {
    return each([](auto x, auto y, auto z) CTC_LAMBDA { return z - x * y; }, a, b, c);
  }
  static CTC_INLINE V max(V a, V b) {
    return each([](auto x, auto y) CTC_LAMBDA { return x > y ? x : y; }, a, b);
  }
  static CTC_INLINE V min(V a, V b) {
    return each([](auto x, auto y) CTC_LAMBDA { return x < y ? x : y; }, a, b);
  }
  // Larger numbers are integers already.
  static CTC_INLINE V round(V a) {
    const auto nearest = [](auto x, auto low, auto high) CTC_LAMBDA {
      const auto r = (x + magic) - magic;
      const auto up = x > low ? r : x;
      return x < high ? up : x;
    };
    return each(nearest, a, set(-magic / 4), set(magic / 4));
  }
  static CTC_INLINE V scale(V m, V d) {
    const auto times = [](auto x, auto k) CTC_LAMBDA {
      return x * fromBits(bitsOf(k + (magic + bias)) << mantissaBits);
    };
    return each(times, m, max(set(-bias), d));
  }
  static CTC_INLINE V pow2Parts(V t, V& whole) {
    t = max(set(-bias - 80), t);
    const auto floor = [](auto x, auto one) CTC_LAMBDA {
      const auto r = (x + magic) - magic;
      const auto down = r - one;
      return r > x ? down : r;
    };
    whole = each(floor, t, set(1));
    return sub(t, whole);
  }
  // The biased exponent is written into the low bits of 2^mantissaBits to become a number.
  static CTC_INLINE V exponent(V a) {
    const auto of = [](auto x) CTC_LAMBDA {
      return fromBits((bitsOf(x) >> mantissaBits) | unitBits) - (unit + bias);
    };
    return each(of, a);
  }
  static CTC_INLINE V mantissa(V a) {
    const auto of = [](auto x) CTC_LAMBDA { return fromBits((bitsOf(x) & fraction) | oneBits); };
    return each(of, a);
  }
  static CTC_INLINE M equal(V a, V b) {
    return test([](auto x, auto y) CTC_LAMBDA { return x == y; }, a, b);
  }
  static CTC_INLINE M less(V a, V b) {
    return test([](auto x, auto y) CTC_LAMBDA { return x < y; }, a, b);
  }
  static CTC_INLINE V addUnless(M m, V sum, V a) {
    return add(sum, each([](auto k, auto x) CTC_LAMBDA { return fromBits(~k & bitsOf(x)); }, m, a));
  }
  static CTC_INLINE int count(M m) {
    return static_cast<int>(0 - (m.v[0] + m.v[1] + m.v[2] + m.v[3]));
  }
  static CTC_INLINE V select(M m, V a, V b) {
    const auto either = [](auto k, auto x, auto y)
                            CTC_LAMBDA { return fromBits((k & bitsOf(x)) | (~k & bitsOf(y))); };
    return each(either, m, a, b);
  }
  static CTC_INLINE bool all(M m) { return (m.v[0] & m.v[1] & m.v[2] & m.v[3]) != 0; }
  static CTC_INLINE M loadMask(const R* p) {
    M m;
    std::memcpy(&m, p, sizeof m);
    return m;
  }
  static CTC_INLINE V shiftUp(V previous, V a) { return of(previous.v[3], a.v[0], a.v[1], a.v[2]); }
  static CTC_INLINE V shiftDown(V a, V next) { return of(a.v[1], a.v[2], a.v[3], next.v[0]); }
  static CTC_INLINE R sum(V a) { return a.v[0] + a.v[1] + a.v[2] + a.v[3]; }
  static CTC_INLINE R maxOf(V a) {
    return std::max(std::max(a.v[0], a.v[1]), std::max(a.v[2], a.v[3]));
  }
  static CTC_INLINE R minOf(V a) {
    return std::min(std::min(a.v[0], a.v[1]), std::min(a.v[2], a.v[3]));
  }

  static CTC_INLINE void transpose(V (&r)[W]) {
    const V a = r[0], b = r[1], c = r[2], d = r[3];
    for (int i = 0; i < W; ++i) r[i] = of(a.v[i], b.v[i], c.v[i], d.v[i]);
  }
};

using F32 = BaselineLanes<float, uint32_t, VectorLanes<float, uint32_t>>;
// Vectors of four doubles are more than most targets have, and compilers split them badly.
using F64 = BaselineLanes<double, uint64_t, ArrayLanes<double, uint64_t>>;

struct Half16 {
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    return F32::of(halfToFloat(p[0]), halfToFloat(p[1]), halfToFloat(p[2]), halfToFloat(p[3]));
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    float x[F32::W];
    F32::store(x, v);
    for (int i = 0; i < F32::W; ++i) p[i] = floatToHalf(x[i]);
  }
};

struct Brain16 {
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    return F32::of(brainToFloat(p[0]), brainToFloat(p[1]), brainToFloat(p[2]), brainToFloat(p[3]));
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    float x[F32::W];
    F32::store(x, v);
    for (int i = 0; i < F32::W; ++i) p[i] = floatToBrain(x[i]);
  }
};
