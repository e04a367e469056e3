#include "cuda_case.h"

#include <cmath>
#include <cstring>

#include "check.h"
#include "cpu/float16.h"

extern "C" const ctc::Backend* ctc_backend(int32_t abi);

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

double get(DType dtype, const std::vector<char>& memory, int64_t at) {
  const char* const from = memory.data() + at * static_cast<int64_t>(bytesOf(dtype));
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

// Runs `solve` on the case laid out in memory.
Answer solve(const Case& c, const std::function<int32_t(LossProblem&, size_t, size_t)>& solveIt) {
  const Laid laid(c);
  LossProblem problem;
  problem.input = laid.tensor;
  problem.targets = laid.targets();
  const size_t size = bytesOf(c.dtype);
  const auto count = static_cast<size_t>(c.T * c.N * c.C);
  std::vector<char> gradient(c.gradient ? count * size : 0, 0x55);
  Answer answer;
  answer.losses.assign(static_cast<size_t>(c.N), -1);
  answer.status.assign(static_cast<size_t>(c.N), Status::ok);
  problem.inputLengths = c.lengths.data();
  problem.blank = c.blank;
  problem.inputKind = c.kind;
  problem.gradientOf = c.gradientOf;
  problem.gradientScale = c.scales.empty() ? nullptr : c.scales.data();
  problem.losses = answer.losses.data();
  problem.status = answer.status.data();
  if (c.gradient && count > 0) problem.gradient.data = gradient.data();
  problem.gradient.frameStride = c.batchMajor ? c.C : c.N * c.C;
  problem.gradient.utteranceStride = c.batchMajor ? c.T * c.C : c.C;
  answer.result = solveIt(problem, laid.memory.size(), gradient.size());
  if (c.gradient) {
    answer.gradient.resize(count);
    for (int64_t t = 0; t < c.T; ++t) {
      for (int64_t n = 0; n < c.N; ++n) {
        for (int64_t k = 0; k < c.C; ++k) {
          answer.gradient[static_cast<size_t>((t * c.N + n) * c.C + k)] =
              get(c.dtype, gradient,
                  t * problem.gradient.frameStride + n * problem.gradient.utteranceStride + k);
        }
      }
    }
  }
  return answer;
}

}  // namespace

const Backend& emulated() { return *ctc_backend(backendAbi); }

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

Answer solveOnCpu(const Case& c) {
  return solve(
      c, [](LossProblem& problem, size_t, size_t) { return static_cast<int32_t>(loss(problem)); });
}

Answer solveOnDevice(const Case& c, Where where) {
  const Backend& backend = emulated();
  return solve(c, [&](LossProblem& problem, size_t inputBytes, size_t gradientBytes) -> int32_t {
    if (where == Where::host) return backend.loss(0, &problem, {0, 0});
    const bool onDevice = where == Where::device;
    const auto make = [&](size_t bytes, void** memory) {
      return onDevice ? backend.allocate(0, static_cast<int64_t>(bytes), memory)
                      : backend.allocatePinned(static_cast<int64_t>(bytes), memory);
    };
    void* input = nullptr;
    void* gradient = nullptr;
    const void* const from = problem.input.data;
    void* const to = problem.gradient.data;
    int32_t code = make(inputBytes, &input);
    if (code == 0 && to != nullptr) code = make(gradientBytes, &gradient);
    if (code == 0 && onDevice) {
      code = backend.upload(0, input, from, static_cast<int64_t>(inputBytes));
    }
    if (code == 0 && !onDevice) std::memcpy(input, from, inputBytes);
    problem.input.data = input;
    problem.gradient.data = gradient;
    const int32_t placed = onDevice ? 1 : 0;
    if (code == 0) code = backend.loss(0, &problem, {placed, placed});
    if (code == 0 && to != nullptr) {
      if (onDevice) {
        code = backend.download(0, to, gradient, static_cast<int64_t>(gradientBytes));
      } else {
        std::memcpy(to, gradient, gradientBytes);
      }
    }
    for (void* memory : {input, gradient}) {
      if (memory == nullptr) continue;
      if (onDevice) {
        backend.release(0, memory);
      } else {
        backend.releasePinned(memory);
      }
    }
    return code;
  });
}

void checkAgrees(const Answer& actual, const Answer& expected, const Case& c,
                 const std::string& what) {
  const double unit = c.dtype == DType::float16    ? std::ldexp(1.0, -10)
                      : c.dtype == DType::bfloat16 ? std::ldexp(1.0, -7)
                                                   : 0;
  const auto report = [&](const char* name, size_t i, double got, double wanted) {
    fail(__FILE__, __LINE__,
         what + ": " + name + "[" + std::to_string(i) + "] is " + std::to_string(got) + ", not " +
             std::to_string(wanted));
  };
  CHECK_EQ(actual.result, expected.result);
  if (actual.result != 0) return;
  for (size_t n = 0; n < expected.losses.size(); ++n) {
    const double a = actual.losses[n], e = expected.losses[n];
    const bool same = a == e || (std::isnan(a) && std::isnan(e)) ||
                      std::fabs(a - e) <= 1e-6 * std::fmax(1, std::fabs(e));
    if (!same) report("loss", n, a, e);
    if (actual.status[n] != expected.status[n]) {
      report("status", n, static_cast<double>(actual.status[n]),
             static_cast<double>(expected.status[n]));
    }
  }
  for (size_t i = 0; i < expected.gradient.size(); ++i) {
    const double a = actual.gradient[i], e = expected.gradient[i];
    const double most = 2e-5 * std::fmax(1, std::fabs(e)) + unit * std::fabs(e);
    if (!(a == e || std::fabs(a - e) <= most)) {
      report("gradient", i, a, e);
      return;
    }
  }
}

bool identical(const Answer& a, const Answer& b) {
  const auto same = [](const std::vector<double>& x, const std::vector<double>& y) {
    return x.size() == y.size() &&
           (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0);
  };
  return a.result == b.result && a.status == b.status && same(a.losses, b.losses) &&
         same(a.gradient, b.gradient);
}

}  // namespace ctc::test
