// AVX-512 (F, BW, DQ, VL): 16 floats or 8 doubles. Included inside a namespace and a target region.
// What each function means is told once, in simd_baseline.h.
#pragma once

struct F32 {
  using Real = float;
  using V = __m512;
  using M = __mmask16;
  static constexpr int W = 16;
  static constexpr int lookupVectors = 4;

  static CTC_INLINE V set(Real x) { return _mm512_set1_ps(x); }
  static CTC_INLINE V load(const Real* p) { return _mm512_loadu_ps(p); }
  static CTC_INLINE void store(Real* p, V v) { _mm512_storeu_ps(p, v); }
  static CTC_INLINE void stream(Real* p, V v) { _mm512_stream_ps(p, v); }
  static CTC_INLINE V loadPartial(const Real* p, int n, Real fill) {
    return _mm512_mask_loadu_ps(set(fill), firstN(n), p);
  }
  static CTC_INLINE void storePartial(Real* p, V v, int n) {
    _mm512_mask_storeu_ps(p, firstN(n), v);
  }
  static CTC_INLINE V add(V a, V b) { return _mm512_add_ps(a, b); }
  static CTC_INLINE V sub(V a, V b) { return _mm512_sub_ps(a, b); }
  static CTC_INLINE V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  static CTC_INLINE V mulAdd(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  static CTC_INLINE V negMulAdd(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
  static CTC_INLINE V max(V a, V b) { return _mm512_max_ps(a, b); }
  static CTC_INLINE V min(V a, V b) { return _mm512_min_ps(a, b); }
  static CTC_INLINE V round(V a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static CTC_INLINE V scale(V m, V d) { return _mm512_scalef_ps(m, d); }
  static CTC_INLINE V pow2Parts(V t, V& whole) {
    whole = t;  // scalef takes the floor itself, and reduce turns an infinity into 0
    return _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF);
  }
  static CTC_INLINE V exponent(V a) { return _mm512_getexp_ps(a); }
  static CTC_INLINE V mantissa(V a) {
    return _mm512_getmant_ps(a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
  }
  static CTC_INLINE M equal(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static CTC_INLINE M less(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static CTC_INLINE V addUnless(M m, V sum, V a) {
    return _mm512_mask_add_ps(sum, static_cast<M>(~m), sum, a);
  }
  static CTC_INLINE int count(M m) { return CTC_POPCOUNT(m); }
  static CTC_INLINE V select(M m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
  static CTC_INLINE bool all(M m) { return m == 0xFFFF; }
  static CTC_INLINE M loadMask(const Real* p) {
    return _mm512_movepi32_mask(_mm512_castps_si512(_mm512_loadu_ps(p)));
  }
  static CTC_INLINE V shiftUp(V previous, V v) {
    return _mm512_castsi512_ps(
        _mm512_alignr_epi32(_mm512_castps_si512(v), _mm512_castps_si512(previous), 15));
  }
  static CTC_INLINE V shiftDown(V v, V next) {
    return _mm512_castsi512_ps(
        _mm512_alignr_epi32(_mm512_castps_si512(next), _mm512_castps_si512(v), 1));
  }
  static CTC_INLINE Real sum(V a) { return _mm512_reduce_add_ps(a); }
  static CTC_INLINE Real maxOf(V a) { return _mm512_reduce_max_ps(a); }
  static CTC_INLINE Real minOf(V a) { return _mm512_reduce_min_ps(a); }

  template <int N>
  struct Table {
    V part[N];
    CTC_INLINE explicit Table(const Real* p) {
      for (int i = 0; i < N; ++i) part[i] = load(p + i * W);
    }
    CTC_INLINE V at(const int32_t* index) const {
      const __m512i k = _mm512_loadu_si512(index);
      V r = _mm512_permutex2var_ps(part[0], k, part[1]);
      if constexpr (N == 4) {
        const V high = _mm512_permutex2var_ps(part[2], k, part[3]);
        r = _mm512_mask_blend_ps(_mm512_test_epi32_mask(k, _mm512_set1_epi32(32)), r, high);
      }
      return r;
    }
  };

  static CTC_INLINE void transpose(V (&r)[W]) {
    V t[W];
    for (int i = 0; i < W; i += 2) {
      t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < W; i += 4) {
      const __m512d a = _mm512_castps_pd(t[i]), b = _mm512_castps_pd(t[i + 1]);
      const __m512d c = _mm512_castps_pd(t[i + 2]), d = _mm512_castps_pd(t[i + 3]);
      r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
      r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
      r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
      r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
    for (int i = 0; i < W; i += 8) {
      for (int j = 0; j < 4; ++j) {
        t[i + j] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0x88);
        t[i + j + 4] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0xDD);
      }
    }
    for (int j = 0; j < 8; ++j) {
      r[j] = _mm512_shuffle_f32x4(t[j], t[j + 8], 0x88);
      r[j + 8] = _mm512_shuffle_f32x4(t[j], t[j + 8], 0xDD);
    }
  }

 private:
  static CTC_INLINE M firstN(int n) { return static_cast<M>((1u << n) - 1u); }
};

struct F64 {
  using Real = double;
  using V = __m512d;
  using M = __mmask8;
  static constexpr int W = 8;
  static constexpr int lookupVectors = 4;

  static CTC_INLINE V set(Real x) { return _mm512_set1_pd(x); }
  static CTC_INLINE V load(const Real* p) { return _mm512_loadu_pd(p); }
  static CTC_INLINE void store(Real* p, V v) { _mm512_storeu_pd(p, v); }
  static CTC_INLINE void stream(Real* p, V v) { _mm512_stream_pd(p, v); }
  static CTC_INLINE V loadPartial(const Real* p, int n, Real fill) {
    return _mm512_mask_loadu_pd(set(fill), firstN(n), p);
  }
  static CTC_INLINE void storePartial(Real* p, V v, int n) {
    _mm512_mask_storeu_pd(p, firstN(n), v);
  }
  static CTC_INLINE V add(V a, V b) { return _mm512_add_pd(a, b); }
  static CTC_INLINE V sub(V a, V b) { return _mm512_sub_pd(a, b); }
  static CTC_INLINE V mul(V a, V b) { return _mm512_mul_pd(a, b); }
  static CTC_INLINE V mulAdd(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  static CTC_INLINE V negMulAdd(V a, V b, V c) { return _mm512_fnmadd_pd(a, b, c); }
  static CTC_INLINE V max(V a, V b) { return _mm512_max_pd(a, b); }
  static CTC_INLINE V min(V a, V b) { return _mm512_min_pd(a, b); }
  static CTC_INLINE V round(V a) {
    return _mm512_roundscale_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static CTC_INLINE V scale(V m, V d) { return _mm512_scalef_pd(m, d); }
  static CTC_INLINE V pow2Parts(V t, V& whole) {
    whole = t;
    return _mm512_reduce_pd(t, _MM_FROUND_TO_NEG_INF);
  }
  static CTC_INLINE V exponent(V a) { return _mm512_getexp_pd(a); }
  static CTC_INLINE V mantissa(V a) {
    return _mm512_getmant_pd(a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
  }
  static CTC_INLINE M equal(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
  static CTC_INLINE M less(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
  static CTC_INLINE V addUnless(M m, V sum, V a) {
    return _mm512_mask_add_pd(sum, static_cast<M>(~m), sum, a);
  }
  static CTC_INLINE int count(M m) { return CTC_POPCOUNT(m); }
  static CTC_INLINE V select(M m, V a, V b) { return _mm512_mask_blend_pd(m, b, a); }
  static CTC_INLINE bool all(M m) { return m == 0xFF; }
  static CTC_INLINE M loadMask(const Real* p) {
    return _mm512_movepi64_mask(_mm512_castpd_si512(_mm512_loadu_pd(p)));
  }
  static CTC_INLINE V shiftUp(V previous, V v) {
    return _mm512_castsi512_pd(
        _mm512_alignr_epi64(_mm512_castpd_si512(v), _mm512_castpd_si512(previous), 7));
  }
  static CTC_INLINE V shiftDown(V v, V next) {
    return _mm512_castsi512_pd(
        _mm512_alignr_epi64(_mm512_castpd_si512(next), _mm512_castpd_si512(v), 1));
  }
  static CTC_INLINE Real sum(V a) { return _mm512_reduce_add_pd(a); }
  static CTC_INLINE Real maxOf(V a) { return _mm512_reduce_max_pd(a); }
  static CTC_INLINE Real minOf(V a) { return _mm512_reduce_min_pd(a); }

  template <int N>
  struct Table {
    V part[N];
    CTC_INLINE explicit Table(const Real* p) {
      for (int i = 0; i < N; ++i) part[i] = load(p + i * W);
    }
    CTC_INLINE V at(const int32_t* index) const {
      const __m512i k =
          _mm512_cvtepi32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)));
      V r = _mm512_permutex2var_pd(part[0], k, part[1]);
      if constexpr (N == 4) {
        const V high = _mm512_permutex2var_pd(part[2], k, part[3]);
        r = _mm512_mask_blend_pd(_mm512_test_epi64_mask(k, _mm512_set1_epi64(16)), r, high);
      }
      return r;
    }
  };

  static CTC_INLINE void transpose(V (&r)[W]) {
    V t[W];
    for (int i = 0; i < W; i += 2) {
      t[i] = _mm512_unpacklo_pd(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_pd(r[i], r[i + 1]);
    }
    for (int i = 0; i < W; i += 4) {
      for (int j = 0; j < 2; ++j) {
        r[i + j] = _mm512_shuffle_f64x2(t[i + j], t[i + j + 2], 0x88);
        r[i + j + 2] = _mm512_shuffle_f64x2(t[i + j], t[i + j + 2], 0xDD);
      }
    }
    for (int j = 0; j < 4; ++j) {
      t[j] = _mm512_shuffle_f64x2(r[j], r[j + 4], 0x88);
      t[j + 4] = _mm512_shuffle_f64x2(r[j], r[j + 4], 0xDD);
    }
    for (int j = 0; j < W; ++j) r[j] = t[j];
  }

 private:
  static CTC_INLINE M firstN(int n) { return static_cast<M>((1u << n) - 1u); }
};

struct Half16 {
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), rounded(v));
  }
  static constexpr bool streams = true;
  static CTC_INLINE void stream(uint16_t* p, F32::V v) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), rounded(v));
  }

 private:
  static CTC_INLINE __m256i rounded(F32::V v) {
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
};

struct Brain16 {
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    const __m512i x =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), rounded(v));
  }
  static constexpr bool streams = true;
  static CTC_INLINE void stream(uint16_t* p, F32::V v) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), rounded(v));
  }

 private:
  static CTC_INLINE __m256i rounded(F32::V v) {
    const __m512i x = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(x, 16), _mm512_set1_epi32(1));
    const __m512i r = _mm512_add_epi32(x, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16));
  }
};
