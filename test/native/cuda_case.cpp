#include "cuda_case.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/float16.h"
#include "ctc/lattice.h"

namespace ctc::test {
namespace {

void put(DType dtype, double value, std::vector<char>* memory, int64_t at) {
  char* const to = memory->data() + at * static_cast<int64_t>(bytesOf(dtype));
  const auto narrow = static_cast<float>(value);
  const uint16_t half = dtype == DType::float16 ? floatToHalf(narrow) : floatToBrain(narrow);
  if (dtype == DType::float64) std::memcpy(to, &value, 8);
  if (dtype == DType::float32) std::memcpy(to, &narrow, 4);
  if (bytesOf(dtype) == 2) std::memcpy(to, &half, 2);
}

}  // namespace

double loaded(DType dtype, const char* memory, int64_t at) {
  const char* const from = memory + at * static_cast<int64_t>(bytesOf(dtype));
  double wide = 0;
  float narrow = 0;
  uint16_t half = 0;
  switch (dtype) {
    case DType::float64:
      std::memcpy(&wide, from, 8);
      return wide;
    case DType::float32:
      std::memcpy(&narrow, from, 4);
      return narrow;
    case DType::float16:
      std::memcpy(&half, from, 2);
      return halfToFloat(half);
    default:
      std::memcpy(&half, from, 2);
      return brainToFloat(half);
  }
}

Laid::Laid(const Case& c) {
  Tensor& in = tensor;
  in.dtype = c.dtype;
  in.frames = c.T;
  in.utterances = c.N;
  in.classes = c.C;
  in.classStride = c.classStride;
  in.frameStride = (c.batchMajor ? c.C : c.N * c.C) * c.classStride;
  in.utteranceStride = (c.batchMajor ? c.T * c.C : c.C) * c.classStride;
  memory.resize(static_cast<size_t>(c.T * c.N * c.C * c.classStride) * bytesOf(c.dtype));
  for (int64_t t = 0; t < c.T; ++t) {
    for (int64_t n = 0; n < c.N; ++n) {
      for (int64_t k = 0; k < c.C; ++k) {
        put(c.dtype, c.values[static_cast<size_t>((t * c.N + n) * c.C + k)], &memory,
            t * in.frameStride + n * in.utteranceStride + k * in.classStride);
      }
    }
  }
  in.data = memory.data();
  for (const std::vector<int32_t>& target : c.targets) {
    labels.insert(labels.end(), target.begin(), target.end());
    offsets.push_back(static_cast<int64_t>(labels.size()));
  }
}

Case Case::part(const std::vector<int64_t>& numbers) const {
  Case p = *this;
  p.N = static_cast<int64_t>(numbers.size());
  p.targets.clear();
  p.lengths.clear();
  p.scales.clear();
  p.values.resize(static_cast<size_t>(T * p.N * C));
  for (int64_t i = 0; i < p.N; ++i) {
    const auto n = static_cast<size_t>(numbers[static_cast<size_t>(i)]);
    p.targets.push_back(targets[n]);
    p.lengths.push_back(lengths[n]);
    if (!scales.empty()) p.scales.push_back(scales[n]);
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t k = 0; k < C; ++k) {
        p.at(t, i, k) = values[static_cast<size_t>((t * N + static_cast<int64_t>(n)) * C + k)];
      }
    }
  }
  return p;
}

Case randomCase(int64_t T, int64_t N, int64_t C, int64_t L, uint64_t seed, double spread) {
  Random random(seed);
  Case c;
  c.T = T;
  c.N = N;
  c.C = C;
  c.blank = static_cast<int32_t>(random.below(C));
  c.values.resize(static_cast<size_t>(T * N * C));
  for (double& value : c.values) value = spread * (2 * random.uniform() - 1);
  for (int64_t n = 0; n < N; ++n) {
    c.lengths.push_back(n == 0 ? T : T - random.below(T / 4 + 1));
    std::vector<int32_t> target;
    const int64_t labels = n == 0 ? L : random.below(L + 1);
    while (static_cast<int64_t>(target.size()) < labels && C > 1) {
      auto label = static_cast<int32_t>(random.below(C));
      if (!target.empty() && random.below(8) == 0) label = target.back();
      if (label != c.blank) target.push_back(label);
    }
    c.targets.push_back(target);
  }
  return c;
}

Case Case::tied() const {
  Case c = *this;
  for (double& value : c.values) value = std::round(value / 2);
  return c;
}

Case tightCase(int64_t spare, int64_t C, int64_t L, uint64_t seed, bool repeats) {
  const Case model = randomCase(L, 1, C, L, seed);
  std::vector<int32_t> target = model.targets[0];
  for (size_t i = 1; i < target.size() && !repeats; ++i) {
    while (target[i] == target[i - 1] || target[i] == model.blank) {
      target[i] = (target[i] + 1) % static_cast<int32_t>(C);
    }
  }
  Case c = randomCase(framesNeeded(target.data(), L) + spare, 1, C, L, seed);
  c.targets[0] = target;
  return c;
}

Case statusCase(DType dtype, Input kind) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Case c = randomCase(12, 10, 5, 4, 3);
  c.dtype = dtype;
  c.kind = kind;
  c.blank = 0;
  c.targets.assign(10, {1, 2, 2, 3});
  c.lengths.assign(10, 12);
  c.lengths[0] = 4;  // too short: needs 5
  c.lengths[1] = 0;
  c.targets[2] = {};
  c.lengths[2] = 0;
  c.at(5, 3, 2) = std::nan("");
  c.at(5, 4, 4) = infinity;  // a class that the lattice does not use
  for (int64_t k = 0; k < 5; ++k) c.at(6, 5, k) = -infinity;
  for (int64_t t = 0; t < 12; ++t) c.at(t, 6, 3) = -infinity;  // a label that never is
  c.at(2, 7, 1) = -infinity;
  c.at(3, 7, 4) = -infinity;
  c.targets[8] = {};
  for (int64_t k = 1; k < 5; ++k) c.at(4, 9, k) = -infinity;  // nothing but the blank
  return c;
}

Case extremeCase(Input kind) {
  Case c = randomCase(40, 6, 7, 9, 8);
  c.kind = kind;
  for (int64_t t = 0; t < c.T; ++t) {
    for (int64_t k = 0; k < c.C; ++k) {
      c.at(t, 1, k) *= 1e3;   // peaky: float32's exponents do
      c.at(t, 2, k) *= 1e6;   // float64 has to take over
      c.at(t, 3, k) *= 1e12;  // and no digit of a loss below 1e4 is left
      c.at(t, 4, k) += 1e4;   // digits lost to an offset
    }
  }
  for (double& value : c.values) value = kind == Input::logProbs ? -std::fabs(value) : value;
  c.scales.assign(6, 1);
  c.scales[5] = 1e-35;
  return c;
}

Enumerated enumeratePaths(const Case& c) {
  Enumerated result;
  std::vector<int32_t> path(static_cast<size_t>(c.T), 0);
  for (size_t end = 0; end < path.size();) {
    std::vector<int32_t> read;
    double weight = 1;
    for (int64_t t = 0; t < c.T; ++t) {
      const int32_t label = path[static_cast<size_t>(t)];
      const auto row = c.values.begin() + t * c.N * c.C;
      double sum = 0;
      for (int64_t k = 0; k < c.C; ++k) sum += std::exp(row[k]);
      weight *= std::exp(row[label]) / sum;
      const bool repeated = t > 0 && path[static_cast<size_t>(t - 1)] == label;
      if (label != c.blank && !repeated) read.push_back(label);
    }
    if (read == c.targets[0]) {
      result.best = std::fmax(result.best, weight);
      result.total += weight;
    }
    for (end = 0; end < path.size() && ++path[end] == c.C; ++end) path[end] = 0;
  }
  return result;
}

}  // namespace ctc::test
