// Probabilities that cannot underflow: a mantissa with an exponent of its own. Summing and
// multiplying them costs a few additions where log-probabilities need exp and log1p.
#pragma once

#include <cmath>

namespace ctc {

// mantissa * 2^exponent, with the mantissa in [1, 2) or 0. The exponent is a whole number kept in
// a double, so that a log-probability of -1e30 is still a number and not an overflow.
struct BeamNumber {
  double mantissa = 0;
  double exponent = -1e300;

  static BeamNumber fromLog(double logProb) {
    if (!(logProb > -1e290)) return {};
    const double bits = logProb * 1.4426950408889634;
    const double whole = std::floor(bits);
    // Reduced in natural logs: the bits of `bits - whole` are gone once logProb is large.
    double fraction = logProb - whole * 0x1.62e42fefap-1;
    fraction -= whole * 0x1.cf79abc9e3b3ap-40;
    if (!(fraction > 0)) return {1, whole};
    const double mantissa = std::exp(fraction < 0.6931471805599453 ? fraction : 0);
    return {mantissa < 2 ? mantissa : 1.9999999999999998, whole};
  }

  double log() const {
    if (mantissa == 0) return -HUGE_VAL;
    return std::log(mantissa) + exponent * 0.6931471805599453;
  }
};

inline BeamNumber operator*(BeamNumber a, BeamNumber b) {
  const double product = a.mantissa * b.mantissa;
  const double carry = product >= 2 ? 1.0 : 0.0;
  return {carry != 0 ? product * 0.5 : product, a.exponent + b.exponent + carry};
}

inline BeamNumber operator+(BeamNumber a, BeamNumber b) {
  const bool swap = a.exponent < b.exponent;
  const BeamNumber large = swap ? b : a;
  const BeamNumber small = swap ? a : b;
  const double apart = large.exponent - small.exponent;
  if (!(apart < 60)) return large;  // beyond the mantissa's bits, and whatever a zero brings
  const double scale = 1.0 / static_cast<double>(uint64_t{1} << static_cast<int>(apart));
  const double sum = large.mantissa + small.mantissa * scale;
  return sum >= 2 ? BeamNumber{sum * 0.5, large.exponent + 1} : BeamNumber{sum, large.exponent};
}

}  // namespace ctc
