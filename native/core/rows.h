// One frame's scores of one utterance, of any dtype and stride, as contiguous double
// log-probabilities. Shared by the decoders and the aligner.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "cpu/float16.h"
#include "ctc/problem.h"

namespace ctc {

// The element (frame, utterance, label) as stored, widened.
inline double readElement(const Tensor& input, int64_t frame, int64_t utterance, int64_t label) {
  const int64_t at =
      frame * input.frameStride + utterance * input.utteranceStride + label * input.classStride;
  switch (input.dtype) {
    case DType::float32:
      return static_cast<const float*>(input.data)[at];
    case DType::float64:
      return static_cast<const double*>(input.data)[at];
    case DType::float16:
      return halfToFloat(static_cast<const uint16_t*>(input.data)[at]);
    case DType::bfloat16:
      return brainToFloat(static_cast<const uint16_t*>(input.data)[at]);
  }
  return 0;
}

namespace rows {

// The stride-1 loop is apart so that the compiler can vectorise it.
template <class Stored, class Real, class Widen>
void copyStrided(const Stored* from, int64_t stride, int64_t count, Real* to, Widen widen) {
  if (stride == 1) {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<Real>(widen(from[i]));
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<Real>(widen(from[i * stride]));
  }
}

// exp(x) for x in [-700, 0], relative error below 3e-16: 2^k times a minimax polynomial of the
// remainder, without a branch or a call, so that a loop over it vectorises (libm's exp does not).
inline double expSmall(double x) {
  const double shift = 0x1.8p52;  // adding it rounds to an integer, kept in the low mantissa bits
  const double shifted = x * 1.4426950408889634 + shift;
  const double k = shifted - shift;
  // ln 2 in two parts; the first has enough trailing zeros for k times it to be exact.
  const double r = (x - k * 0x1.62e42fefap-1) - k * 0x1.cf79abc9e3b3ap-40;
  double q = 2.49997683978424e-08;
  q = q * r + 2.7630623278116767e-07;
  q = q * r + 2.7557589194833036e-06;
  q = q * r + 2.480149212918539e-05;
  q = q * r + 0.00019841269501331382;
  q = q * r + 0.0013888888944476123;
  q = q * r + 0.00833333333349782;
  q = q * r + 0.041666666666527345;
  q = q * r + 0.16666666666666405;
  q = q * r + 0.5000000000000011;
  const double p = r * r * q + (r + 1);
  uint64_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 52) + 0x3ff0000000000000u;  // k, as a double's exponent field
  double power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

}  // namespace rows

// Copies a frame's scores, as stored, to row [C].
template <class Real>
void readRow(const Tensor& input, int64_t frame, int64_t utterance, Real* row) {
  const int64_t at = frame * input.frameStride + utterance * input.utteranceStride;
  const int64_t stride = input.classStride;
  const int64_t count = input.classes;
  switch (input.dtype) {
    case DType::float32:
      return rows::copyStrided(static_cast<const float*>(input.data) + at, stride, count, row,
                               [](float x) { return x; });
    case DType::float64:
      return rows::copyStrided(static_cast<const double*>(input.data) + at, stride, count, row,
                               [](double x) { return x; });
    case DType::float16:
      return rows::copyStrided(static_cast<const uint16_t*>(input.data) + at, stride, count, row,
                               halfToFloat);
    case DType::bfloat16:
      return rows::copyStrided(static_cast<const uint16_t*>(input.data) + at, stride, count, row,
                               brainToFloat);
  }
}

// A row's largest score, or NaN when the row is nonfinite in the loss's sense: a NaN, a +Infinity,
// or nothing but -Infinity.
inline double finiteMax(const double* row, int64_t classes) {
  constexpr int lanes = 8;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double largest[lanes];
  double poison[lanes] = {};  // stays 0 unless NaN or +Infinity is met; -Infinity is only a mask
  for (int lane = 0; lane < lanes; ++lane) largest[lane] = -infinity;
  const int64_t whole = classes - classes % lanes;
  for (int64_t c = 0; c < whole; c += lanes) {
    for (int lane = 0; lane < lanes; ++lane) {
      const double x = row[c + lane];
      largest[lane] = x > largest[lane] ? x : largest[lane];
      poison[lane] += x < infinity ? 0.0 : 1.0;
    }
  }
  for (int64_t c = whole; c < classes; ++c) {
    largest[0] = row[c] > largest[0] ? row[c] : largest[0];
    poison[0] += row[c] < infinity ? 0.0 : 1.0;
  }
  for (int lane = 1; lane < lanes; ++lane) {
    largest[0] = largest[lane] > largest[0] ? largest[lane] : largest[0];
    poison[0] += poison[lane];
  }
  if (poison[0] != 0 || largest[0] == -infinity) return std::numeric_limits<double>::quiet_NaN();
  return largest[0];
}

// log(sum(exp(row - largest))): small, so that no digit is lost to a large offset of the row.
inline double logSumOver(const double* row, int64_t classes, double largest) {
  constexpr int lanes = 8;
  double sums[lanes] = {};
  const int64_t whole = classes - classes % lanes;
  for (int64_t c = 0; c < whole; c += lanes) {
    for (int lane = 0; lane < lanes; ++lane) {
      const double x = row[c + lane] - largest;
      sums[lane] += rows::expSmall(x > -700 ? x : -700);
    }
  }
  for (int64_t c = whole; c < classes; ++c) {
    const double x = row[c] - largest;
    sums[0] += rows::expSmall(x > -700 ? x : -700);
  }
  for (int half = lanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return std::log(sums[0]);
}

// log(sum(exp(row))) given the row's largest score.
inline double logSumExp(const double* row, int64_t classes, double largest) {
  return largest + logSumOver(row, classes, largest);
}

// Reads a frame as log-probabilities into row [C]: log-softmax of logits; log-probabilities are
// taken as they are, normalised or not. *shift gets what was subtracted from every score (0 for
// log-probabilities), so that readElement() - *shift gives the same number again.
// False: the row is nonfinite (NaN, +Infinity, or nothing but -Infinity) and must not be used.
inline bool readLogProbs(const Tensor& input, Input kind, int64_t frame, int64_t utterance,
                         double* row, double* shift = nullptr) {
  readRow(input, frame, utterance, row);
  const double largest = finiteMax(row, input.classes);
  if (std::isnan(largest)) return false;
  double subtract = 0;
  if (kind == Input::logits) {
    subtract = logSumExp(row, input.classes, largest);
    for (int64_t c = 0; c < input.classes; ++c) row[c] -= subtract;
  }
  if (shift) *shift = subtract;
  return true;
}

}  // namespace ctc
