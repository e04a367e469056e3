// float16 (IEEE binary16) and bfloat16, one number at a time; rounding is to nearest even. The
// GPU's kernels use the same functions.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define CTC_SHARED __host__ __device__ inline
#else
#define CTC_SHARED inline
#endif

namespace ctc {

CTC_SHARED float bitsToFloat(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

CTC_SHARED uint32_t floatToBits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// The exponent is moved into place as an integer and re-biased by one multiplication, which also
// normalises subnormal numbers.
CTC_SHARED float halfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t rest = half & 0x7FFFu;
  const uint32_t magnitude =
      rest >= 0x7C00u ? (rest << 13) | 0x7F800000u
                      : floatToBits(bitsToFloat(rest << 13) * 5.192296858534828e33f);  // 2^112
  return bitsToFloat(sign | magnitude);
}

CTC_SHARED uint16_t floatToHalf(float x) {
  const uint32_t bits = floatToBits(x);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t rest = bits & 0x7FFFFFFFu;
  if (rest > 0x7F800000u) return static_cast<uint16_t>(sign | 0x7E00u);
  if (rest >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7C00u);  // at least 65536
  if (rest < 0x38800000u) {
    // Subnormal: adding 0.5 makes the float unit round at 2^-24, the spacing of these numbers.
    const uint32_t rounded = floatToBits(bitsToFloat(rest) + 0.5f) - floatToBits(0.5f);
    return static_cast<uint16_t>(sign | rounded);
  }
  const uint32_t odd = (rest >> 13) & 1u;
  return static_cast<uint16_t>(sign | ((rest - 0x38000000u + 0xFFFu + odd) >> 13));
}

CTC_SHARED float brainToFloat(uint16_t brain) {
  return bitsToFloat(static_cast<uint32_t>(brain) << 16);
}

CTC_SHARED uint16_t floatToBrain(float x) {
  const uint32_t bits = floatToBits(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

// The float next to x whose last bit is 1 wherever x is no float itself.
CTC_SHARED float roundToOdd(double x) {
  const float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x || nearest != nearest) return nearest;
  uint32_t bits = floatToBits(nearest);
  const bool beyond = (nearest < 0 ? -static_cast<double>(nearest) : static_cast<double>(nearest)) >
                      (x < 0 ? -x : x);
  if (beyond) --bits;  // truncated towards 0
  return bitsToFloat(bits | 1u);
}

}  // namespace ctc
