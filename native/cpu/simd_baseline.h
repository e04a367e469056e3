// Plain C++, four lanes that a compiler may turn into whatever vectors the target always has.
// Included inside a namespace. This file also says what the functions of every simd_*.h mean:
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
//   Half16, Brain16 the 16-bit formats, W at a time, rounded to nearest even
#pragma once

template <class R, class Bits, int Width>
struct BaselineLanes {
  using Real = R;
  struct V {
    R v[Width];
  };
  struct M {
    Bits v[Width];
  };
  static constexpr int W = Width;
  static constexpr int lookupVectors = 0;
  static constexpr int mantissaBits = sizeof(R) == 4 ? 23 : 52;
  static constexpr int bias = sizeof(R) == 4 ? 127 : 1023;

  template <class F>
  static CTC_INLINE V map(F f) {
    V r;
    for (int i = 0; i < W; ++i) r.v[i] = f(i);
    return r;
  }
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

  static CTC_INLINE V set(R x) {
    return map([&](int) { return x; });
  }
  static CTC_INLINE V load(const R* p) {
    return map([&](int i) { return p[i]; });
  }
  static CTC_INLINE void store(R* p, V a) {
    for (int i = 0; i < W; ++i) p[i] = a.v[i];
  }
  static CTC_INLINE void stream(R* p, V a) { store(p, a); }
  static CTC_INLINE V loadPartial(const R* p, int n, R fill) {
    return map([&](int i) { return i < n ? p[i] : fill; });
  }
  static CTC_INLINE void storePartial(R* p, V a, int n) {
    for (int i = 0; i < n; ++i) p[i] = a.v[i];
  }
  static CTC_INLINE V add(V a, V b) {
    return map([&](int i) { return a.v[i] + b.v[i]; });
  }
  static CTC_INLINE V sub(V a, V b) {
    return map([&](int i) { return a.v[i] - b.v[i]; });
  }
  static CTC_INLINE V mul(V a, V b) {
    return map([&](int i) { return a.v[i] * b.v[i]; });
  }
  static CTC_INLINE V mulAdd(V a, V b, V c) {
    return map([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
  }
  static CTC_INLINE V negMulAdd(V a, V b, V c) {
    return map([&](int i) { return c.v[i] - a.v[i] * b.v[i]; });
  }
  static CTC_INLINE V max(V a, V b) {
    return map([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static CTC_INLINE V min(V a, V b) {
    return map([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  // Adding and taking away 1.5 * 2^mantissaBits leaves the nearest integer; larger numbers are
  // integers already.
  static CTC_INLINE V round(V a) {
    const R magic = static_cast<R>(Bits{3} << (mantissaBits - 1));
    return map([&](int i) {
      const R x = a.v[i];
      const R r = (x + magic) - magic;
      return x > -magic / 4 && x < magic / 4 ? r : x;
    });
  }
  static CTC_INLINE V scale(V m, V d) {
    const R magic = static_cast<R>(Bits{3} << (mantissaBits - 1)) + bias;
    return map([&](int i) {
      const R low = d.v[i] < -bias ? static_cast<R>(-bias) : d.v[i];
      return m.v[i] * fromBits(bitsOf(low + magic) << mantissaBits);
    });
  }
  static CTC_INLINE V pow2Parts(V t, V& whole) {
    const R least = static_cast<R>(-bias - 80);
    V f;
    for (int i = 0; i < W; ++i) {
      const R x = t.v[i] < least ? least : t.v[i];
      const R down = static_cast<R>(static_cast<int32_t>(x == x ? x : R(0)));
      whole.v[i] = down > x ? down - 1 : down;
      f.v[i] = x - whole.v[i];
    }
    return f;
  }
  static CTC_INLINE V exponent(V a) {
    return map([&](int i) {
      return static_cast<R>(static_cast<int32_t>(bitsOf(a.v[i]) >> mantissaBits) - bias);
    });
  }
  static CTC_INLINE V mantissa(V a) {
    const Bits low = (Bits{1} << mantissaBits) - 1;
    const Bits one = static_cast<Bits>(bias) << mantissaBits;
    return map([&](int i) { return fromBits((bitsOf(a.v[i]) & low) | one); });
  }
  static CTC_INLINE M equal(V a, V b) {
    M m;
    for (int i = 0; i < W; ++i) m.v[i] = a.v[i] == b.v[i] ? ~Bits{0} : Bits{0};
    return m;
  }
  static CTC_INLINE M less(V a, V b) {
    M m;
    for (int i = 0; i < W; ++i) m.v[i] = a.v[i] < b.v[i] ? ~Bits{0} : Bits{0};
    return m;
  }
  static CTC_INLINE V addUnless(M m, V sum, V a) {
    return add(sum, map([&](int i) { return fromBits(~m.v[i] & bitsOf(a.v[i])); }));
  }
  static CTC_INLINE int count(M m) {
    int n = 0;
    for (int i = 0; i < W; ++i) n += m.v[i] != 0;
    return n;
  }
  static CTC_INLINE V select(M m, V a, V b) {
    return map(
        [&](int i) { return fromBits((m.v[i] & bitsOf(a.v[i])) | (~m.v[i] & bitsOf(b.v[i]))); });
  }
  static CTC_INLINE bool all(M m) {
    Bits r = ~Bits{0};
    for (int i = 0; i < W; ++i) r &= m.v[i];
    return r != 0;
  }
  static CTC_INLINE M loadMask(const R* p) {
    M m;
    std::memcpy(&m, p, sizeof m);
    return m;
  }
  static CTC_INLINE V shiftUp(V previous, V a) {
    return map([&](int i) { return i == 0 ? previous.v[W - 1] : a.v[i > 0 ? i - 1 : 0]; });
  }
  static CTC_INLINE V shiftDown(V a, V next) {
    return map([&](int i) { return i == W - 1 ? next.v[0] : a.v[i < W - 1 ? i + 1 : 0]; });
  }
  static CTC_INLINE R sum(V a) {
    R s = a.v[0];
    for (int i = 1; i < W; ++i) s += a.v[i];
    return s;
  }
  static CTC_INLINE R maxOf(V a) {
    R s = a.v[0];
    for (int i = 1; i < W; ++i) s = s > a.v[i] ? s : a.v[i];
    return s;
  }
  static CTC_INLINE R minOf(V a) {
    R s = a.v[0];
    for (int i = 1; i < W; ++i) s = s < a.v[i] ? s : a.v[i];
    return s;
  }

  static CTC_INLINE void transpose(V (&r)[W]) {
    for (int i = 0; i < W; ++i) {
      for (int j = 0; j < i; ++j) {
        const R x = r[i].v[j];
        r[i].v[j] = r[j].v[i];
        r[j].v[i] = x;
      }
    }
  }
};

using F32 = BaselineLanes<float, uint32_t, 4>;
using F64 = BaselineLanes<double, uint64_t, 4>;

struct Half16 {
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    return F32::map([&](int i) { return halfToFloat(p[i]); });
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    for (int i = 0; i < F32::W; ++i) p[i] = floatToHalf(v.v[i]);
  }
};

struct Brain16 {
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    return F32::map([&](int i) { return brainToFloat(p[i]); });
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    for (int i = 0; i < F32::W; ++i) p[i] = floatToBrain(v.v[i]);
  }
};
