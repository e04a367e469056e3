// NEON of AArch64, which always has it: 4 floats or 2 doubles. Included inside a namespace.
// What each function means is told once, in simd_baseline.h.
#pragma once

struct F32 {
  using Real = float;
  using V = float32x4_t;
  using M = uint32x4_t;
  static constexpr int W = 4;
  static constexpr int lookupVectors = 4;

  static CTC_INLINE V set(Real x) { return vdupq_n_f32(x); }
  static CTC_INLINE V load(const Real* p) { return vld1q_f32(p); }
  static CTC_INLINE void store(Real* p, V v) { vst1q_f32(p, v); }
  static CTC_INLINE void stream(Real* p, V v) { vst1q_f32(p, v); }
  static CTC_INLINE V loadPartial(const Real* p, int n, Real fill) {
    Real lanes[W] = {fill, fill, fill, fill};
    for (int i = 0; i < n; ++i) lanes[i] = p[i];
    return load(lanes);
  }
  static CTC_INLINE void storePartial(Real* p, V v, int n) {
    Real lanes[W];
    store(lanes, v);
    for (int i = 0; i < n; ++i) p[i] = lanes[i];
  }
  static CTC_INLINE V add(V a, V b) { return vaddq_f32(a, b); }
  static CTC_INLINE V sub(V a, V b) { return vsubq_f32(a, b); }
  static CTC_INLINE V mul(V a, V b) { return vmulq_f32(a, b); }
  static CTC_INLINE V mulAdd(V a, V b, V c) { return vfmaq_f32(c, a, b); }
  static CTC_INLINE V negMulAdd(V a, V b, V c) { return vfmsq_f32(c, a, b); }
  // vmaxq would keep a NaN of the first operand, vmaxnmq drop one of the second.
  static CTC_INLINE V max(V a, V b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static CTC_INLINE V min(V a, V b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static CTC_INLINE V round(V a) { return vrndnq_f32(a); }
  // 2^d is made as in simd_avx2.h: d + 127 in the low bits of a float whose unit is 1, shifted up.
  static CTC_INLINE V scale(V m, V d) {
    const V low = vmaxq_f32(vdupq_n_f32(-127.0f), d);
    const uint32x4_t bits = vreinterpretq_u32_f32(vaddq_f32(low, vdupq_n_f32(12582912.0f + 127)));
    return vmulq_f32(m, vreinterpretq_f32_u32(vshlq_n_u32(bits, 23)));
  }
  static CTC_INLINE V pow2Parts(V t, V& whole) {
    t = vmaxq_f32(vdupq_n_f32(-200.0f), t);
    whole = vrndmq_f32(t);
    return vsubq_f32(t, whole);
  }
  static CTC_INLINE V exponent(V a) {
    const uint32x4_t e = vshrq_n_u32(vreinterpretq_u32_f32(a), 23);
    return vsubq_f32(vcvtq_f32_u32(e), vdupq_n_f32(127.0f));
  }
  static CTC_INLINE V mantissa(V a) {
    const uint32x4_t m = vandq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(0x7FFFFF));
    return vreinterpretq_f32_u32(vorrq_u32(m, vdupq_n_u32(0x3F800000)));
  }
  static CTC_INLINE M equal(V a, V b) { return vceqq_f32(a, b); }
  static CTC_INLINE M less(V a, V b) { return vcltq_f32(a, b); }
  static CTC_INLINE V addUnless(M m, V sum, V a) {
    return vaddq_f32(sum, vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), m)));
  }
  static CTC_INLINE int count(M m) { return static_cast<int>(vaddvq_u32(vshrq_n_u32(m, 31))); }
  static CTC_INLINE V select(M m, V a, V b) { return vbslq_f32(m, a, b); }
  static CTC_INLINE bool all(M m) { return vminvq_u32(m) != 0; }
  static CTC_INLINE M loadMask(const Real* p) { return vreinterpretq_u32_f32(vld1q_f32(p)); }
  static CTC_INLINE V shiftUp(V previous, V v) { return vextq_f32(previous, v, 3); }
  static CTC_INLINE V shiftDown(V v, V next) { return vextq_f32(v, next, 1); }
  static CTC_INLINE Real sum(V a) { return vaddvq_f32(a); }
  static CTC_INLINE Real maxOf(V a) { return vmaxvq_f32(a); }
  static CTC_INLINE Real minOf(V a) { return vminvq_f32(a); }

  // A lookup of bytes: number i is the bytes 4 i to 4 i + 3 of at most 64.
  template <int N>
  struct Table {
    V part[N];
    CTC_INLINE explicit Table(const Real* p) {
      for (int i = 0; i < N; ++i) part[i] = load(p + i * W);
    }
    CTC_INLINE V at(const int32_t* index) const {
      const uint32x4_t k = vreinterpretq_u32_s32(vld1q_s32(index));
      const uint32x4_t places = vmlaq_n_u32(vdupq_n_u32(0x03020100), k, 0x04040404);
      const uint8x16_t at = vreinterpretq_u8_u32(places);
      if constexpr (N == 4) {
        const uint8x16x4_t bytes = {{bytesOf(0), bytesOf(1), bytesOf(2), bytesOf(3)}};
        return vreinterpretq_f32_u8(vqtbl4q_u8(bytes, at));
      } else {
        const uint8x16x2_t bytes = {{bytesOf(0), bytesOf(1)}};
        return vreinterpretq_f32_u8(vqtbl2q_u8(bytes, at));
      }
    }

   private:
    CTC_INLINE uint8x16_t bytesOf(int i) const { return vreinterpretq_u8_f32(part[i]); }
  };

  static CTC_INLINE void transpose(V (&r)[W]) {
    const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1]));
    const float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
    const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3]));
    const float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
    r[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
    r[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
    r[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
    r[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
  }
};

struct F64 {
  using Real = double;
  using V = float64x2_t;
  using M = uint64x2_t;
  static constexpr int W = 2;
  static constexpr int lookupVectors = 0;  // no cheap table of doubles in registers here

  static CTC_INLINE V set(Real x) { return vdupq_n_f64(x); }
  static CTC_INLINE V load(const Real* p) { return vld1q_f64(p); }
  static CTC_INLINE void store(Real* p, V v) { vst1q_f64(p, v); }
  static CTC_INLINE void stream(Real* p, V v) { vst1q_f64(p, v); }
  static CTC_INLINE V loadPartial(const Real* p, int n, Real fill) {
    Real lanes[W] = {fill, fill};
    for (int i = 0; i < n; ++i) lanes[i] = p[i];
    return load(lanes);
  }
  static CTC_INLINE void storePartial(Real* p, V v, int n) {
    Real lanes[W];
    store(lanes, v);
    for (int i = 0; i < n; ++i) p[i] = lanes[i];
  }
  static CTC_INLINE V add(V a, V b) { return vaddq_f64(a, b); }
  static CTC_INLINE V sub(V a, V b) { return vsubq_f64(a, b); }
  static CTC_INLINE V mul(V a, V b) { return vmulq_f64(a, b); }
  static CTC_INLINE V mulAdd(V a, V b, V c) { return vfmaq_f64(c, a, b); }
  static CTC_INLINE V negMulAdd(V a, V b, V c) { return vfmsq_f64(c, a, b); }
  static CTC_INLINE V max(V a, V b) { return vbslq_f64(vcgtq_f64(a, b), a, b); }
  static CTC_INLINE V min(V a, V b) { return vbslq_f64(vcltq_f64(a, b), a, b); }
  static CTC_INLINE V round(V a) { return vrndnq_f64(a); }
  static CTC_INLINE V scale(V m, V d) {
    const V low = vmaxq_f64(vdupq_n_f64(-1023.0), d);
    const uint64x2_t bits =
        vreinterpretq_u64_f64(vaddq_f64(low, vdupq_n_f64(6755399441055744.0 + 1023)));
    return vmulq_f64(m, vreinterpretq_f64_u64(vshlq_n_u64(bits, 52)));
  }
  static CTC_INLINE V pow2Parts(V t, V& whole) {
    t = vmaxq_f64(vdupq_n_f64(-1200.0), t);
    whole = vrndmq_f64(t);
    return vsubq_f64(t, whole);
  }
  static CTC_INLINE V exponent(V a) {
    const uint64x2_t e = vshrq_n_u64(vreinterpretq_u64_f64(a), 52);
    return vsubq_f64(vcvtq_f64_u64(e), vdupq_n_f64(1023.0));
  }
  static CTC_INLINE V mantissa(V a) {
    const uint64x2_t m = vandq_u64(vreinterpretq_u64_f64(a), vdupq_n_u64(0xFFFFFFFFFFFFFULL));
    return vreinterpretq_f64_u64(vorrq_u64(m, vdupq_n_u64(0x3FF0000000000000ULL)));
  }
  static CTC_INLINE M equal(V a, V b) { return vceqq_f64(a, b); }
  static CTC_INLINE M less(V a, V b) { return vcltq_f64(a, b); }
  static CTC_INLINE V addUnless(M m, V sum, V a) {
    const uint64x2_t bits = vbicq_u64(vreinterpretq_u64_f64(a), m);
    return vaddq_f64(sum, vreinterpretq_f64_u64(bits));
  }
  static CTC_INLINE int count(M m) { return static_cast<int>(vaddvq_u64(vshrq_n_u64(m, 63))); }
  static CTC_INLINE V select(M m, V a, V b) { return vbslq_f64(m, a, b); }
  static CTC_INLINE bool all(M m) { return (vgetq_lane_u64(m, 0) & vgetq_lane_u64(m, 1)) != 0; }
  static CTC_INLINE M loadMask(const Real* p) { return vreinterpretq_u64_f64(vld1q_f64(p)); }
  static CTC_INLINE V shiftUp(V previous, V v) { return vextq_f64(previous, v, 1); }
  static CTC_INLINE V shiftDown(V v, V next) { return vextq_f64(v, next, 1); }
  static CTC_INLINE Real sum(V a) { return vaddvq_f64(a); }
  static CTC_INLINE Real maxOf(V a) { return vmaxvq_f64(a); }
  static CTC_INLINE Real minOf(V a) { return vminvq_f64(a); }

  static CTC_INLINE void transpose(V (&r)[W]) {
    const V first = vtrn1q_f64(r[0], r[1]);
    r[1] = vtrn2q_f64(r[0], r[1]);
    r[0] = first;
  }
};

struct Half16 {
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
  }
};

struct Brain16 {
  static CTC_INLINE F32::V widen(const uint16_t* p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
  }
  static CTC_INLINE void narrow(uint16_t* p, F32::V v) {
    const uint32x4_t x = vreinterpretq_u32_f32(v);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(x, 16), vdupq_n_u32(1));
    const uint32x4_t up = vaddq_u32(odd, vdupq_n_u32(0x7FFF));
    vst1_u16(p, vshrn_n_u32(vaddq_u32(x, up), 16));
  }
};
