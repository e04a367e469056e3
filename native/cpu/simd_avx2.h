// AVX2 + FMA + F16C: 8 floats or 4 doubles. Included inside a namespace and a target region.
// What each function means is told once, in simd_baseline.h.
#pragma once

struct F32 {
  using Real = float;
  using V = __m256;
  using M = __m256;
  static constexpr int W = 8;
  static constexpr int lookupVectors = 4;

  static CTC_INLINE V set(Real x) { return _mm256_set1_ps(x); }
  static CTC_INLINE V load(const Real* p) { return _mm256_loadu_ps(p); }
  static CTC_INLINE void store(Real* p, V v) { _mm256_storeu_ps(p, v); }
  static CTC_INLINE void stream(Real* p, V v) { _mm256_stream_ps(p, v); }
  static CTC_INLINE V loadPartial(const Real* p, int n, Real fill) {
    const __m256i k = firstN(n);
    return _mm256_blendv_ps(set(fill), _mm256_maskload_ps(p, k), _mm256_castsi256_ps(k));
  }
  static CTC_INLINE void storePartial(Real* p, V v, int n) { _mm256_maskstore_ps(p, firstN(n), v); }
  static CTC_INLINE V add(V a, V b) { return _mm256_add_ps(a, b); }
  static CTC_INLINE V sub(V a, V b) { return _mm256_sub_ps(a, b); }
  static CTC_INLINE V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  static CTC_INLINE V mulAdd(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  static CTC_INLINE V negMulAdd(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
  static CTC_INLINE V max(V a, V b) { return _mm256_max_ps(a, b); }
  static CTC_INLINE V min(V a, V b) { return _mm256_min_ps(a, b); }
  static CTC_INLINE V round(V a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // 2^d is made by adding d to a number whose last mantissa bit is worth 1: its low bits then hold
  // d + 127, and shifting them up gives the float. d = -127 gives exactly 0.
  static CTC_INLINE V scale(V m, V d) {
    const V low = _mm256_max_ps(_mm256_set1_ps(-127.0f), d);
    const __m256i bits = _mm256_castps_si256(_mm256_add_ps(low, _mm256_set1_ps(12582912.0f + 127)));
    return _mm256_mul_ps(m, _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23)));
  }
  static constexpr bool addsExtended = true;
  // Only the one with the smaller exponent is scaled; the sign of the difference picks it.
  static CTC_INLINE V addExtended(V am, V ae, V bm, V be) {
    const V d = _mm256_sub_ps(ae, be);
    const V small = _mm256_blendv_ps(bm, am, d), large = _mm256_blendv_ps(am, bm, d);
    const V down = _mm256_or_ps(d, _mm256_set1_ps(-0.0f));
    const V low = _mm256_max_ps(_mm256_set1_ps(-127.0f), down);
    const __m256i bits = _mm256_castps_si256(_mm256_add_ps(low, _mm256_set1_ps(12582912.0f + 127)));
    return _mm256_fmadd_ps(small, _mm256_castsi256_ps(_mm256_slli_epi32(bits, 23)), large);
  }
  static CTC_INLINE V pow2Parts(V t, V& whole) {
    t = _mm256_max_ps(_mm256_set1_ps(-200.0f), t);
    whole = _mm256_round_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    return _mm256_sub_ps(t, whole);
  }
  static constexpr bool splitsExp = true;
  // e^x = 2^(f/8) * power with f in [-1/2, 1/2]. Adding 3 * 2^22 rounds to a whole number of
  // eighths of an octave, which is then in the low bits: three of them choose from the eight powers
  // (kept less those bits, which the sum brings back), the others go to the exponent. Power is 0
  // far below, where it is less than 2^-126 in coarse steps, not subnormal numbers' own.
  static CTC_INLINE V expParts(V x, V& power) {
    const __m256i powers = _mm256_setr_epi32(0x3F800000, 0x3F7B95C2, 0x3F7837F0, 0x3F75FED7,
                                             0x3F7504F3, 0x3F75672A, 0x3F7744FD, 0x3F7AC0C7);
    const V low = _mm256_max_ps(_mm256_set1_ps(-88.0297f), x);
    const V eighths = _mm256_set1_ps(11.5415603f), magic = _mm256_set1_ps(12582912.0f);
    const V shifted = _mm256_fmadd_ps(low, eighths, magic);
    const __m256i n = _mm256_castps_si256(shifted);
    power = _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_permutevar8x32_epi32(powers, n), _mm256_slli_epi32(n, 20)));
    return _mm256_fmsub_ps(low, eighths, _mm256_sub_ps(shifted, magic));
  }
  static CTC_INLINE V exponent(V a) {
    const __m256i e = _mm256_srli_epi32(_mm256_castps_si256(a), 23);
    return _mm256_sub_ps(_mm256_cvtepi32_ps(e), _mm256_set1_ps(127.0f));
  }
  static CTC_INLINE V mantissa(V a) {
    const __m256i m = _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7FFFFF));
    return _mm256_castsi256_ps(_mm256_or_si256(m, _mm256_set1_epi32(0x3F800000)));
  }
  static CTC_INLINE M equal(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  static CTC_INLINE M less(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static CTC_INLINE V addUnless(M m, V sum, V a) {
    return _mm256_add_ps(sum, _mm256_andnot_ps(m, a));
  }
  static CTC_INLINE int count(M m) { return CTC_POPCOUNT(_mm256_movemask_ps(m)); }
  static CTC_INLINE V select(M m, V a, V b) { return _mm256_blendv_ps(b, a, m); }
  static CTC_INLINE bool all(M m) { return _mm256_movemask_ps(m) == 0xFF; }
  static CTC_INLINE M loadMask(const Real* p) { return _mm256_loadu_ps(p); }
  static CTC_INLINE V shiftUp(V previous, V v) {
    const __m256i cross = _mm256_castps_si256(_mm256_permute2f128_ps(previous, v, 0x21));
    return _mm256_castsi256_ps(_mm256_alignr_epi8(_mm256_castps_si256(v), cross, 12));
  }
  static CTC_INLINE V shiftDown(V v, V next) {
    const __m256i cross = _mm256_castps_si256(_mm256_permute2f128_ps(v, next, 0x21));
    return _mm256_castsi256_ps(_mm256_alignr_epi8(cross, _mm256_castps_si256(v), 4));
  }
  static CTC_INLINE Real sum(V a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  static CTC_INLINE Real maxOf(V a) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
  }
  static CTC_INLINE Real minOf(V a) {
    __m128 s = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_min_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_min_ss(s, _mm_movehdup_ps(s)));
  }

  template <int N>
  struct Table {
    V part[N];
    CTC_INLINE explicit Table(const Real* p) {
      for (int i = 0; i < N; ++i) part[i] = load(p + i * W);
    }
    CTC_INLINE V at(const int32_t* index) const {
      const __m256i k = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index));
      const V bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(k, 28));
      V r = _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[0], k),
                             _mm256_permutevar8x32_ps(part[1], k), bit3);
      if constexpr (N == 4) {
        const V high = _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[2], k),
                                        _mm256_permutevar8x32_ps(part[3], k), bit3);
        r = _mm256_blendv_ps(r, high, _mm256_castsi256_ps(_mm256_slli_epi32(k, 27)));
      }
      return r;
    }
  };

  static CTC_INLINE void transpose(V (&r)[W]) {
    V t[W];
    for (int i = 0; i < W; i += 2) {
      t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < W; i += 4) {
      const __m256d a = _mm256_castps_pd(t[i]), b = _mm256_castps_pd(t[i + 1]);
      const __m256d c = _mm256_castps_pd(t[i + 2]), d = _mm256_castps_pd(t[i + 3]);
      r[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
      r[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
      r[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
      r[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
    }
    for (int j = 0; j < 4; ++j) {
      t[j] = _mm256_permute2f128_ps(r[j], r[j + 4], 0x20);
      t[j + 4] = _mm256_permute2f128_ps(r[j], r[j + 4], 0x31);
    }
    for (int j = 0; j < W; ++j) r[j] = t[j];
  }

 private:
  static CTC_INLINE __m256i firstN(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

struct F64 {
  using Real = double;
  using V = __m256d;
  using M = __m256d;
  static constexpr int W = 4;
  static constexpr int lookupVectors = 0;  // no cheap table of doubles in registers here

  static CTC_INLINE V set(Real x) { return _mm256_set1_pd(x); }
  static CTC_INLINE V load(const Real* p) { return _mm256_loadu_pd(p); }
  static CTC_INLINE void store(Real* p, V v) { _mm256_storeu_pd(p, v); }
  static CTC_INLINE void stream(Real* p, V v) { _mm256_stream_pd(p, v); }
  static CTC_INLINE V loadPartial(const Real* p, int n, Real fill) {
    const __m256i k = firstN(n);
    return _mm256_blendv_pd(set(fill), _mm256_maskload_pd(p, k), _mm256_castsi256_pd(k));
  }
  static CTC_INLINE void storePartial(Real* p, V v, int n) { _mm256_maskstore_pd(p, firstN(n), v); }
  static CTC_INLINE V add(V a, V b) { return _mm256_add_pd(a, b); }
  static CTC_INLINE V sub(V a, V b) { return _mm256_sub_pd(a, b); }
  static CTC_INLINE V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  static CTC_INLINE V mulAdd(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  static CTC_INLINE V negMulAdd(V a, V b, V c) { return _mm256_fnmadd_pd(a, b, c); }
  static CTC_INLINE V max(V a, V b) { return _mm256_max_pd(a, b); }
  static CTC_INLINE V min(V a, V b) { return _mm256_min_pd(a, b); }
  static CTC_INLINE V round(V a) {
    return _mm256_round_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static CTC_INLINE V scale(V m, V d) {
    const V low = _mm256_max_pd(_mm256_set1_pd(-1023.0), d);
    const __m256i bits =
        _mm256_castpd_si256(_mm256_add_pd(low, _mm256_set1_pd(6755399441055744.0 + 1023)));
    return _mm256_mul_pd(m, _mm256_castsi256_pd(_mm256_slli_epi64(bits, 52)));
  }
  static CTC_INLINE V pow2Parts(V t, V& whole) {
    t = _mm256_max_pd(_mm256_set1_pd(-1200.0), t);
    whole = _mm256_round_pd(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    return _mm256_sub_pd(t, whole);
  }
  // The biased exponent is written into the low bits of 2^52 to become a double.
  static CTC_INLINE V exponent(V a) {
    const __m256i e = _mm256_srli_epi64(_mm256_castpd_si256(a), 52);
    const __m256i two52 = _mm256_castpd_si256(_mm256_set1_pd(4503599627370496.0));
    return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(e, two52)),
                         _mm256_set1_pd(4503599627370496.0 + 1023));
  }
  static CTC_INLINE V mantissa(V a) {
    const __m256i m =
        _mm256_and_si256(_mm256_castpd_si256(a), _mm256_set1_epi64x(0xFFFFFFFFFFFFFLL));
    return _mm256_or_pd(_mm256_castsi256_pd(m), _mm256_set1_pd(1.0));
  }
  static CTC_INLINE M equal(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_EQ_OQ); }
  static CTC_INLINE M less(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }
  static CTC_INLINE V addUnless(M m, V sum, V a) {
    return _mm256_add_pd(sum, _mm256_andnot_pd(m, a));
  }
  static CTC_INLINE int count(M m) { return CTC_POPCOUNT(_mm256_movemask_pd(m)); }
  static CTC_INLINE V select(M m, V a, V b) { return _mm256_blendv_pd(b, a, m); }
  static CTC_INLINE bool all(M m) { return _mm256_movemask_pd(m) == 0xF; }
  static CTC_INLINE M loadMask(const Real* p) { return _mm256_loadu_pd(p); }
  static CTC_INLINE V shiftUp(V previous, V v) {
    return _mm256_shuffle_pd(_mm256_permute2f128_pd(previous, v, 0x21), v, 0x5);
  }
  static CTC_INLINE V shiftDown(V v, V next) {
    return _mm256_shuffle_pd(v, _mm256_permute2f128_pd(v, next, 0x21), 0x5);
  }
  static CTC_INLINE Real sum(V a) {
    const __m128d u = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(u, _mm_unpackhi_pd(u, u)));
  }
  static CTC_INLINE Real maxOf(V a) {
    const __m128d u = _mm_max_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_max_sd(u, _mm_unpackhi_pd(u, u)));
  }
  static CTC_INLINE Real minOf(V a) {
    const __m128d u = _mm_min_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_min_sd(u, _mm_unpackhi_pd(u, u)));
  }

  static CTC_INLINE void transpose(V (&r)[W]) {
    const V a = _mm256_unpacklo_pd(r[0], r[1]), b = _mm256_unpackhi_pd(r[0], r[1]);
    const V c = _mm256_unpacklo_pd(r[2], r[3]), d = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(a, c, 0x20);
    r[1] = _mm256_permute2f128_pd(b, d, 0x20);
    r[2] = _mm256_permute2f128_pd(a, c, 0x31);
    r[3] = _mm256_permute2f128_pd(b, d, 0x31);
  }

 private:
  static CTC_INLINE __m256i firstN(int n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
};

// What both 16-bit formats share: with the bits below a set sign turned around they are in order as
// integers.
struct Ordered16 {
  static constexpr bool pairs = true;

  // The bits of the greatest of `count` numbers, a multiple of 64, at least that.
  static CTC_INLINE uint16_t greatest(const uint16_t* p, int64_t count) {
    __m256i a = ordered(p), b = ordered(p + 16), c = ordered(p + 32), d = ordered(p + 48);
    for (int64_t i = 64; i < count; i += 64) {
      a = _mm256_max_epi16(a, ordered(p + i));
      b = _mm256_max_epi16(b, ordered(p + i + 16));
      c = _mm256_max_epi16(c, ordered(p + i + 32));
      d = _mm256_max_epi16(d, ordered(p + i + 48));
    }
    a = _mm256_max_epi16(_mm256_max_epi16(a, b), _mm256_max_epi16(c, d));
    __m128i m = _mm_max_epi16(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    // The smallest of unsigned numbers has an instruction of its own.
    m = _mm_minpos_epu16(_mm_xor_si128(m, _mm_set1_epi16(0x7FFF)));
    const int most = static_cast<int16_t>(_mm_extract_epi16(m, 0) ^ 0x7FFF);
    return static_cast<uint16_t>(most < 0 ? most ^ 0x7FFF : most);
  }

 private:
  static CTC_INLINE __m256i ordered(const uint16_t* p) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm256_xor_si256(x, _mm256_srli_epi16(_mm256_srai_epi16(x, 15), 1));
  }
};

struct Half16 : Ordered16 {
  static CTC_INLINE float maximum(const uint16_t* p, int64_t count) {
    return halfToFloat(greatest(p, count));
  }
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), rounded(v));
  }
  static CTC_INLINE void narrowTwo(uint16_t* p, F32::V a, F32::V b) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), roundedTwo(a, b));
  }
  static constexpr bool streams = true;
  static CTC_INLINE void streamTwo(uint16_t* p, F32::V a, F32::V b) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), roundedTwo(a, b));
  }

 private:
  static CTC_INLINE __m256i roundedTwo(F32::V a, F32::V b) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(rounded(a)), rounded(b), 1);
  }
  static CTC_INLINE __m128i rounded(F32::V v) {
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
};

struct Brain16 : Ordered16 {
  static CTC_INLINE float maximum(const uint16_t* p, int64_t count) {
    return brainToFloat(greatest(p, count));
  }
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    const __m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(roundedTwo(v, v)));
  }
  static CTC_INLINE void narrowTwo(uint16_t* p, F32::V a, F32::V b) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), roundedTwo(a, b));
  }
  static constexpr bool streams = true;
  static CTC_INLINE void streamTwo(uint16_t* p, F32::V a, F32::V b) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), roundedTwo(a, b));
  }

 private:
  static CTC_INLINE __m256i roundedTwo(F32::V a, F32::V b) {
    const __m256i both = _mm256_packus_epi32(rounded(a), rounded(b));
    return _mm256_permute4x64_epi64(both, 0xD8);
  }
  static CTC_INLINE __m256i rounded(F32::V v) {
    const __m256i x = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(x, 16), _mm256_set1_epi32(1));
    return _mm256_srli_epi32(_mm256_add_epi32(x, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))),
                             16);
  }
};
