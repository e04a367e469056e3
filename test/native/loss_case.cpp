#include "loss_case.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "check.h"
#include "cpu/float16.h"

namespace ctc::test {
namespace {

using Real = double;

constexpr Real never = -std::numeric_limits<Real>::infinity();

Real logAdd(Real a, Real b) {
  if (a == never) return b;
  if (b == never) return a;
  return std::max(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
}

// Natural logarithms of the probabilities of utterance n, [T][C].
std::vector<Real> logProbabilities(const LossCase& c, int64_t n) {
  std::vector<Real> result;
  for (int64_t t = 0; t < c.lengths[static_cast<size_t>(n)]; ++t) {
    Real norm = 0;
    if (c.kind == Input::logits) {
      Real most = never;
      for (int64_t k = 0; k < c.classes; ++k) most = std::max(most, Real(c.at(t, n, k)));
      Real sum = 0;
      for (int64_t k = 0; k < c.classes; ++k) sum += std::exp(Real(c.at(t, n, k)) - most);
      norm = most + std::log(sum);
    }
    for (int64_t k = 0; k < c.classes; ++k) result.push_back(Real(c.at(t, n, k)) - norm);
  }
  return result;
}

bool isNonfinite(const LossCase& c, int64_t n) {
  const Labels& target = c.targets[static_cast<size_t>(n)];
  for (int64_t t = 0; t < c.lengths[static_cast<size_t>(n)]; ++t) {
    bool any = false;
    for (int64_t k = 0; k < c.classes; ++k) {
      const bool used = c.kind == Input::logits || k == c.blank ||
                        std::find(target.begin(), target.end(), k) != target.end();
      const double x = c.at(t, n, k);
      if (!used) continue;
      if (std::isnan(x) || x == infinity) return true;
      any = any || x > -infinity;
    }
    if (!any) return true;
  }
  return false;
}

// Logarithm of the sum of all paths, and posteriors of classes into `occupancy` ([T][C]).
using Sum = std::function<Real(const LossCase&, int64_t n, const std::vector<Real>& logs,
                               std::vector<Real>& occupancy)>;

Expected expect(const LossCase& c, const Sum& sumPaths) {
  Expected e;
  e.gradient.assign(c.values.size(), 0);
  for (int64_t n = 0; n < c.utterances(); ++n) {
    const Labels& target = c.targets[static_cast<size_t>(n)];
    const int64_t frames = c.lengths[static_cast<size_t>(n)];
    auto needed = static_cast<int64_t>(target.size());
    for (size_t i = 1; i < target.size(); ++i) needed += target[i] == target[i - 1];
    if (needed > frames) {
      e.losses.push_back(infinity);
      e.status.push_back(Status::infeasible);
      continue;
    }
    if (isNonfinite(c, n)) {
      e.losses.push_back(std::numeric_limits<double>::quiet_NaN());
      e.status.push_back(Status::nonfinite);
      continue;
    }
    const std::vector<Real> logs = logProbabilities(c, n);
    std::vector<Real> occupancy(logs.size(), 0);
    const Real total = sumPaths(c, n, logs, occupancy);
    e.losses.push_back(static_cast<double>(-total));
    e.status.push_back(total == never ? Status::infeasible : Status::ok);
    if (total == never) continue;
    for (int64_t t = 0; t < frames; ++t) {
      for (int64_t k = 0; k < c.classes; ++k) {
        const auto i = static_cast<size_t>(t * c.classes + k);
        const bool minus = c.kind == Input::logProbs && c.gradientOf == GradientOf::input;
        const Real g = (minus ? 0 : std::exp(logs[i])) - occupancy[i];
        e.gradient[c.place(t, n, k)] = static_cast<double>(g * Real(c.scale(n)));
      }
    }
  }
  return e;
}

Real sumEnumerated(const LossCase& c, int64_t n, const std::vector<Real>& logs,
                   std::vector<Real>& occupancy) {
  const Labels& target = c.targets[static_cast<size_t>(n)];
  const auto frames = static_cast<size_t>(c.lengths[static_cast<size_t>(n)]);
  const auto classes = static_cast<size_t>(c.classes);
  Labels path(frames, 0);
  Real total = 0;
  for (;;) {
    Labels read;
    Real log = 0;
    for (size_t t = 0; t < frames; ++t) {
      log += logs[t * classes + static_cast<size_t>(path[t])];
      if (path[t] != c.blank && (t == 0 || path[t] != path[t - 1])) read.push_back(path[t]);
    }
    if (read == target && log != never) {
      const Real p = std::exp(log);
      total += p;
      for (size_t t = 0; t < frames; ++t) {
        occupancy[t * classes + static_cast<size_t>(path[t])] += p;
      }
    }
    size_t t = 0;
    while (t < frames && ++path[t] == c.classes) path[t++] = 0;
    if (t == frames) break;
  }
  for (Real& o : occupancy) o /= total;
  return std::log(total);
}

Real sumRecursive(const LossCase& c, int64_t n, const std::vector<Real>& logs,
                  std::vector<Real>& occupancy) {
  const Labels& target = c.targets[static_cast<size_t>(n)];
  const auto frames = static_cast<size_t>(c.lengths[static_cast<size_t>(n)]);
  const auto classes = static_cast<size_t>(c.classes);
  const size_t states = 2 * target.size() + 1;
  if (frames == 0) return 0;
  const auto classOf = [&](size_t s) {
    return static_cast<size_t>(s % 2 == 0 ? c.blank : target[s / 2]);
  };
  const auto skips = [&](size_t s) {
    return s % 2 == 1 && s > 1 && target[s / 2] != target[s / 2 - 1];
  };
  std::vector<Real> alpha(frames * states, never), beta(frames * states, never);
  for (size_t t = 0; t < frames; ++t) {
    for (size_t s = 0; s < states; ++s) {
      Real sum = t == 0 && s < 2 ? 0 : never;
      if (t > 0) {
        const Real* before = &alpha[(t - 1) * states];
        sum = before[s];
        if (s > 0) sum = logAdd(sum, before[s - 1]);
        if (skips(s)) sum = logAdd(sum, before[s - 2]);
      }
      alpha[t * states + s] = sum + logs[t * classes + classOf(s)];
    }
  }
  for (size_t t = frames; t-- > 0;) {
    for (size_t s = 0; s < states; ++s) {
      Real sum = t + 1 == frames && s + 2 >= states ? 0 : never;
      const auto from = [&](size_t next) {
        sum = logAdd(sum, beta[(t + 1) * states + next] + logs[(t + 1) * classes + classOf(next)]);
      };
      if (t + 1 < frames) {
        from(s);
        if (s + 1 < states) from(s + 1);
        if (s + 2 < states && skips(s + 2)) from(s + 2);
      }
      beta[t * states + s] = sum;
    }
  }
  Real total = alpha[frames * states - 1];
  if (states > 1) total = logAdd(total, alpha[frames * states - 2]);
  for (size_t t = 0; t < frames; ++t) {
    for (size_t s = 0; s < states; ++s) {
      const Real both = alpha[t * states + s] + beta[t * states + s];
      if (both != never) occupancy[t * classes + classOf(s)] += std::exp(both - total);
    }
  }
  return total;
}

}  // namespace

double rounded(double x, DType dtype) {
  if (dtype == DType::float64) return x;
  const auto f = static_cast<float>(x);
  if (dtype == DType::float16) return halfToFloat(floatToHalf(f));
  if (dtype == DType::bfloat16) return brainToFloat(floatToBrain(f));
  return f;
}

double unitInLastPlace(double x, DType dtype) {
  const bool half = dtype == DType::float16;
  if (!half && dtype != DType::bfloat16) return 0;
  const int exponent = x == 0 ? -1000 : std::ilogb(x);
  return std::ldexp(1.0, std::max(exponent, half ? -14 : -126) - (half ? 10 : 7));
}

std::vector<uint8_t> encode(const std::vector<double>& values, DType dtype) {
  std::vector<uint8_t> bytes(values.size() * bytesOf(dtype));
  for (size_t i = 0; i < values.size(); ++i) {
    uint8_t* const to = bytes.data() + i * bytesOf(dtype);
    const auto f = static_cast<float>(values[i]);
    const uint16_t half = dtype == DType::float16 ? floatToHalf(f) : floatToBrain(f);
    if (dtype == DType::float64) std::memcpy(to, &values[i], 8);
    if (dtype == DType::float32) std::memcpy(to, &f, 4);
    if (bytesOf(dtype) == 2) std::memcpy(to, &half, 2);
  }
  return bytes;
}

std::vector<double> decode(const std::vector<uint8_t>& bytes, DType dtype) {
  std::vector<double> values(bytes.size() / bytesOf(dtype));
  for (size_t i = 0; i < values.size(); ++i) {
    const uint8_t* const from = bytes.data() + i * bytesOf(dtype);
    float f;
    uint16_t half;
    if (dtype == DType::float64) {
      std::memcpy(&values[i], from, 8);
    } else if (dtype == DType::float32) {
      std::memcpy(&f, from, 4);
      values[i] = f;
    } else {
      std::memcpy(&half, from, 2);
      values[i] = dtype == DType::float16 ? halfToFloat(half) : brainToFloat(half);
    }
  }
  return values;
}

Placed place(const LossCase& c, const Placement& placement) {
  const int64_t classWidth = c.classes * placement.classStep + placement.padding;
  const int64_t inner = placement.batchMajor ? c.frames : c.utterances();
  int64_t strides[3] = {classWidth, classWidth, placement.classStep};
  strides[placement.batchMajor ? 1 : 0] = inner * classWidth + placement.padding;
  const int64_t extents[3] = {c.frames, c.utterances(), c.classes};
  int64_t last = 0;
  int64_t first = 0;
  for (int d = 0; d < 3; ++d) {
    const int64_t reach = std::max<int64_t>(0, extents[d] - 1) * strides[d];
    last += reach;
    if (!placement.reversed[d]) continue;
    first += reach;
    strides[d] = -strides[d];
  }
  // What lies between the elements must never be looked at.
  std::vector<double> spread(static_cast<size_t>(last + 1),
                             std::numeric_limits<double>::quiet_NaN());
  for (int64_t t = 0; t < c.frames; ++t) {
    for (int64_t n = 0; n < c.utterances(); ++n) {
      for (int64_t k = 0; k < c.classes; ++k) {
        spread[static_cast<size_t>(first + t * strides[0] + n * strides[1] + k * strides[2])] =
            c.at(t, n, k);
      }
    }
  }
  Placed placed;
  placed.bytes = encode(spread, c.dtype);
  placed.tensor = {placed.bytes.data() + static_cast<size_t>(first) * bytesOf(c.dtype),
                   c.dtype,
                   c.frames,
                   c.utterances(),
                   c.classes,
                   strides[0],
                   strides[1],
                   strides[2]};
  return placed;
}

Outcome runLoss(const LossCase& c, const Placement& placement, int threads, bool gradient) {
  const Placed placed = place(c, placement);
  Labels labels;
  std::vector<int64_t> offsets{0};
  for (const Labels& target : c.targets) {
    labels.insert(labels.end(), target.begin(), target.end());
    offsets.push_back(static_cast<int64_t>(labels.size()));
  }
  Outcome out;
  out.losses.assign(c.targets.size(), -7);
  out.status.assign(c.targets.size(), Status::nonfinite);
  if (gradient) out.bytes.assign(c.values.size() * bytesOf(c.dtype), 0xEE);
  LossProblem p;
  p.input = placed.tensor;
  p.targets = {labels.data(), offsets.data()};
  p.inputLengths = c.lengths.data();
  p.blank = c.blank;
  p.inputKind = c.kind;
  p.gradientOf = c.gradientOf;
  p.gradientScale = c.scales.empty() ? nullptr : c.scales.data();
  if (gradient) p.gradient = {out.bytes.data(), c.utterances() * c.classes, c.classes};
  p.losses = out.losses.data();
  p.status = out.status.data();
  p.execution.threads = threads;
  out.result = loss(p, &out.badUtterance);
  out.gradient = decode(out.bytes, c.dtype);
  return out;
}

Expected enumerated(const LossCase& c) { return expect(c, sumEnumerated); }

Expected recursive(const LossCase& c) { return expect(c, sumRecursive); }

void checkOutcome(const Outcome& got, const Expected& expected, const LossCase& c) {
  CHECK(got.result == Result::ok);
  const bool wide = c.dtype == DType::float64;
  for (size_t n = 0; n < c.targets.size(); ++n) {
    CHECK_EQ(static_cast<int>(got.status[n]), static_cast<int>(expected.status[n]));
    CHECK_NEAR(got.losses[n], expected.losses[n], wide ? 1e-12 : 1e-6);
  }
  for (size_t i = 0; i < got.gradient.size(); ++i) {
    const double g = expected.gradient[i];
    // A gradient's scale is multiplied in last, so its error grows and shrinks with it.
    const auto n = static_cast<int64_t>(i) / c.classes % c.utterances();
    const double tolerance = (wide ? 1e-9 : 2e-5) * std::fabs(c.scale(n));
    const double unit = unitInLastPlace(g, c.dtype);
    // Log-probabilities above 0 have exponentials of any size.
    const double ofSize = (wide ? 1e-14 : 1e-6) * std::fabs(g);
    const double allowed = tolerance + unit + ofSize;
    // Such an exponential may be Infinity in 16 bits, and in float32 before its scale makes it
    // less.
    const double most = std::numeric_limits<float>::max() * std::fabs(c.scale(n));
    const bool beyond = std::isinf(got.gradient[i]) && (got.gradient[i] > 0) == (g > 0) &&
                        (std::isinf(rounded(g, c.dtype)) || (!wide && std::fabs(g) > most));
    if (!beyond && !(std::fabs(got.gradient[i] - g) <= allowed)) {
      CHECK_NEAR(got.gradient[i], g, 0);
    }
  }
}

bool sameBits(const Outcome& a, const Outcome& b) {
  const auto same = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return a.bytes == b.bytes && a.status == b.status &&
         std::equal(a.losses.begin(), a.losses.end(), b.losses.begin(), b.losses.end(), same);
}

LossCase randomCase(std::mt19937& random, int64_t frames, int64_t utterances, int64_t classes,
                    int64_t mostLabels, DType dtype, double spread) {
  const auto below = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  std::normal_distribution<double> normal(0, spread);
  LossCase c;
  c.frames = frames;
  c.classes = classes;
  c.dtype = dtype;
  c.kind = below(2) == 0 ? Input::logits : Input::logProbs;
  if (c.kind == Input::logProbs && below(2) == 0) c.gradientOf = GradientOf::softmax;
  c.blank = static_cast<int32_t>(below(classes));
  for (int64_t n = 0; n < utterances; ++n) {
    Labels target(static_cast<size_t>(classes > 1 ? below(mostLabels + 1) : 0));
    for (size_t i = 0; i < target.size(); ++i) {
      const auto label = static_cast<int32_t>(below(classes - 1));
      target[i] = label < c.blank ? label : label + 1;
      if (i > 0 && below(4) == 0) target[i] = target[i - 1];
    }
    c.targets.push_back(target);
    c.lengths.push_back(below(3) > 0 ? frames : below(frames + 1));
    c.scales.push_back(below(3) > 0 ? 1 : normal(random));
  }
  c.values.resize(static_cast<size_t>(frames * utterances * classes));
  for (int64_t row = 0; row < frames * utterances; ++row) {
    double* const x = c.values.data() + row * classes;
    double sum = 0;
    for (int64_t k = 0; k < classes; ++k) {
      x[k] = normal(random);
      sum += std::exp(x[k]);
    }
    for (int64_t k = 0; k < classes; ++k) {
      x[k] = rounded(c.kind == Input::logProbs ? x[k] - std::log(sum) : x[k], dtype);
    }
  }
  return c;
}

}  // namespace ctc::test
