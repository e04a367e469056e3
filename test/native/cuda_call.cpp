#include "cuda_call.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "check.h"
#include "ctc/align.h"
#include "ctc/decode.h"
#include "ctc/lattice.h"
#include "ctc/loss.h"
#include "ctc/posteriors.h"
#include "cuda/emulation/runtime.h"
#include "cuda/plan.h"

extern "C" const ctc::Backend* ctc_backend(int32_t abi);

namespace ctc::test {
namespace {

// A copy of memory where a call is to find it. What cannot be had is a code other than 0.
class Placed {
 public:
  Placed(Where where, std::vector<char>* memory) : where_(where), memory_(*memory) {
    if (where == Where::host) {
      data_ = memory_.data();
    } else if (where == Where::pinned) {
      code = emulated().allocatePinned(bytes(), &data_);
      if (code == 0) std::copy(memory_.begin(), memory_.end(), static_cast<char*>(data_));
    } else {
      code = emulated().allocate(0, bytes(), &data_);
      if (code == 0) code = emulated().upload(0, data_, memory_.data(), bytes());
    }
  }
  Placed(const Placed&) = delete;
  Placed& operator=(const Placed&) = delete;
  ~Placed() {
    if (data_ == nullptr) return;
    if (where_ == Where::pinned) emulated().releasePinned(data_);
    if (where_ == Where::device) emulated().release(0, data_);
  }

  void* data() const { return data_; }
  int32_t bringBack() const {
    if (where_ == Where::device) return emulated().download(0, memory_.data(), data_, bytes());
    if (where_ == Where::pinned) {
      std::copy_n(static_cast<const char*>(data_), memory_.size(), memory_.begin());
    }
    return 0;
  }

  int32_t code = 0;

 private:
  int64_t bytes() const { return static_cast<int64_t>(memory_.size()); }

  const Where where_;
  std::vector<char>& memory_;
  void* data_ = nullptr;
};

// A call of the emulated backend with the case's input where it is to be.
template <class Problem, class Function>
int32_t onDevice(Problem& problem, Laid& laid, Where where, Function function) {
  const Placed input(where, &laid.memory);
  if (input.code != 0) return input.code;
  problem.input.data = input.data();
  return function(0, &problem, Placement{where == Where::device ? 1 : 0, 0});
}

template <class Values>
void append(const Values& values, int64_t from, int64_t count, std::vector<int64_t>* to) {
  for (int64_t i = from; i < from + count; ++i) {
    to->push_back(static_cast<int64_t>(values[static_cast<size_t>(i)]));
  }
}
void append(const std::vector<double>& values, int64_t from, int64_t count,
            std::vector<double>* to) {
  to->insert(to->end(), values.begin() + from, values.begin() + from + count);
}

// What every problem says of the case.
template <class Problem>
Problem describe(const Case& c, const Laid& laid) {
  Problem p = {};
  p.input = laid.tensor;
  p.inputLengths = c.lengths.data();
  p.blank = c.blank;
  p.inputKind = c.kind;
  return p;
}

template <class Run>
Answer lossWith(const Case& c, const Laid& laid, std::vector<char>* gradient, const Run& run) {
  std::vector<double> losses(static_cast<size_t>(c.N), -1);
  std::vector<Status> status(static_cast<size_t>(c.N));
  auto p = describe<LossProblem>(c, laid);
  p.targets = laid.targets();
  p.gradientOf = c.gradientOf;
  p.gradientScale = c.scales.empty() ? nullptr : c.scales.data();
  p.losses = losses.data();
  p.status = status.data();
  p.gradient.data = gradient->empty() ? nullptr : gradient->data();
  p.gradient.frameStride = c.batchMajor ? c.C : c.N * c.C;
  p.gradient.utteranceStride = c.batchMajor ? c.T * c.C : c.C;
  Answer answer{run(p), {}};
  for (int64_t n = 0; n < c.N && answer.result == 0; ++n) {
    Found& found = answer.utterances.emplace_back();
    append(status, n, 1, &found.exact);
    append(losses, n, 1, &found.rounded);
    for (int64_t t = 0; t < c.T && !gradient->empty(); ++t) {
      const int64_t row = t * p.gradient.frameStride + n * p.gradient.utteranceStride;
      for (int64_t k = 0; k < c.C; ++k) {
        found.gradient.push_back(loaded(c.dtype, gradient->data(), row + k));
      }
    }
  }
  return answer;
}

Answer greedyOnCpu(const Case& c, const Laid& laid, bool merge) {
  std::vector<Decoded> decoded(static_cast<size_t>(c.N));
  auto p = describe<GreedyProblem>(c, laid);
  p.mergeRepeated = merge;
  p.decoded = decoded.data();
  Answer answer{static_cast<int32_t>(greedyDecode(p)), {}};
  for (const Decoded& d : decoded) {
    Found& found = answer.utterances.emplace_back();
    found.exact.push_back(static_cast<int64_t>(d.status));
    if (d.status != Status::ok) continue;
    const DecodedPath& path = d.paths[0];
    const auto count = static_cast<int64_t>(path.labels.size());
    found.exact.push_back(d.blankFrames);
    append(path.labels, 0, count, &found.exact);
    append(path.starts, 0, count, &found.exact);
    append(path.ends, 0, count, &found.exact);
    found.rounded.push_back(path.logProb);
    append(path.confidences, 0, count, &found.rounded);
  }
  return answer;
}

Answer greedyOnDevice(const Case& c, Laid& laid, bool merge, Where where) {
  const auto utterances = static_cast<size_t>(c.N);
  const auto cells = static_cast<size_t>(c.N * c.T);
  std::vector<Status> status(utterances);
  std::vector<int64_t> counts(utterances), blankFrames(utterances);
  std::vector<double> logProbs(utterances), confidences(cells);
  std::vector<int32_t> labels(cells), starts(cells), ends(cells);
  auto p = describe<DeviceGreedy>(c, laid);
  p.mergeRepeated = merge ? 1 : 0;
  p.status = status.data();
  p.counts = counts.data();
  p.blankFrames = blankFrames.data();
  p.logProbs = logProbs.data();
  p.labels = labels.data();
  p.starts = starts.data();
  p.ends = ends.data();
  p.confidences = confidences.data();
  Answer answer{onDevice(p, laid, where, emulated().greedy), {}};
  for (int64_t n = 0; n < c.N && answer.result == 0; ++n) {
    Found& found = answer.utterances.emplace_back();
    append(status, n, 1, &found.exact);
    if (status[static_cast<size_t>(n)] != Status::ok) continue;
    const int64_t count = counts[static_cast<size_t>(n)];
    append(blankFrames, n, 1, &found.exact);
    append(labels, n * c.T, count, &found.exact);
    append(starts, n * c.T, count, &found.exact);
    append(ends, n * c.T, count, &found.exact);
    append(logProbs, n, 1, &found.rounded);
    append(confidences, n * c.T, count, &found.rounded);
  }
  return answer;
}

template <class Run>
Answer alignWith(const Case& c, const Laid& laid, Star star, const Run& run) {
  const auto cells = static_cast<size_t>(c.N * c.T);
  const size_t count = laid.labels.size();
  std::vector<int32_t> labels(cells, 77);
  std::vector<double> logProbs(cells, 77), scores(count, 77), totals(static_cast<size_t>(c.N), 77);
  std::vector<int64_t> starts(count, 77), ends(count, 77);
  std::vector<Status> status(static_cast<size_t>(c.N));
  auto p = describe<AlignProblem>(c, laid);
  p.targets = laid.targets();
  p.star = star;
  p.labels = labels.data();
  p.logProbs = logProbs.data();
  p.starts = starts.data();
  p.ends = ends.data();
  p.scores = scores.data();
  p.totals = totals.data();
  p.status = status.data();
  Answer answer{run(p), {}};
  for (int64_t n = 0; n < c.N && answer.result == 0; ++n) {
    Found& found = answer.utterances.emplace_back();
    const int64_t first = p.targets.offsets[n];
    append(status, n, 1, &found.exact);
    append(labels, n * c.T, c.T, &found.exact);
    append(starts, first, p.targets.count(n), &found.exact);
    append(ends, first, p.targets.count(n), &found.exact);
    append(totals, n, 1, &found.rounded);
    append(logProbs, n * c.T, c.T, &found.rounded);
    append(scores, first, p.targets.count(n), &found.rounded);
  }
  return answer;
}

template <class Run>
Answer posteriorsWith(const Case& c, const Laid& laid, bool recursions, const Run& run) {
  std::vector<int64_t> offsets{0};
  for (size_t n = 0; n < static_cast<size_t>(c.N); ++n) {
    const auto labels = static_cast<int64_t>(c.targets[n].size());
    offsets.push_back(offsets.back() + c.lengths[n] * stateCount(labels));
  }
  const auto cells = static_cast<size_t>(offsets.back());
  std::vector<double> occupancy(cells, 77), alpha(cells, 77), beta(cells, 77);
  std::vector<double> starts(laid.labels.size(), 77), ends(laid.labels.size(), 77);
  std::vector<double> losses(static_cast<size_t>(c.N), 77);
  std::vector<Status> status(static_cast<size_t>(c.N));
  auto p = describe<PosteriorProblem>(c, laid);
  p.targets = laid.targets();
  p.matrixOffsets = offsets.data();
  p.occupancy = occupancy.data();
  p.alpha = recursions ? alpha.data() : nullptr;
  p.beta = recursions ? beta.data() : nullptr;
  p.starts = starts.data();
  p.ends = ends.data();
  p.losses = losses.data();
  p.status = status.data();
  Answer answer{run(p), {}};
  for (int64_t n = 0; n < c.N && answer.result == 0; ++n) {
    Found& found = answer.utterances.emplace_back();
    const int64_t first = p.targets.offsets[n];
    const int64_t from = offsets[static_cast<size_t>(n)];
    const int64_t count = offsets[static_cast<size_t>(n) + 1] - from;
    append(status, n, 1, &found.exact);
    append(losses, n, 1, &found.rounded);
    append(starts, first, p.targets.count(n), &found.rounded);
    append(ends, first, p.targets.count(n), &found.rounded);
    for (const auto* matrix : {&occupancy, &alpha, &beta}) {
      append(*matrix, from, count, &found.rounded);
    }
  }
  return answer;
}

Star starOf(Call call) {
  if (call == Call::alignStar) return Star::anything;
  return call == Call::alignStarLabel ? Star::label : Star::none;
}

// A star in place of every third label.
Case prepared(Call call, const Case& c) {
  Case own = c;
  for (std::vector<int32_t>& target : own.targets) {
    for (size_t i = 1; i < target.size() && starOf(call) != Star::none; i += 3) {
      target[i] = static_cast<int32_t>(c.C);
    }
  }
  return own;
}

// Memory for the gradient where one is asked for, full of something else.
std::vector<char> gradientFor(Call call, const Case& c) {
  const auto count = static_cast<size_t>(c.T * c.N * c.C);
  return std::vector<char>(call == Call::loss ? count * bytesOf(c.dtype) : 0, 0x55);
}

}  // namespace

const Backend& emulated() { return *ctc_backend(backendAbi); }

Turned::~Turned() {
  cuda::tuning = {};
  emulation::options = {};
  emulation::clearProblem();
  emulated().trim();
}

const char* nameOf(Call call) {
  constexpr const char* names[] = {
      "loss",         "loss alone",       "greedy",     "greedy unmerged", "align",
      "align with *", "align with label", "posteriors", "recursions"};
  return names[static_cast<size_t>(call)];
}

Answer findOnCpu(Call call, const Case& given) {
  const Case c = prepared(call, given);
  const Laid laid(c);
  std::vector<char> gradient = gradientFor(call, c);
  switch (call) {
    case Call::loss:
    case Call::lossAlone:
      return lossWith(c, laid, &gradient,
                      [](LossProblem& p) { return static_cast<int32_t>(loss(p)); });
    case Call::greedy:
    case Call::greedyUnmerged:
      return greedyOnCpu(c, laid, call == Call::greedy);
    case Call::posteriors:
    case Call::recursions:
      return posteriorsWith(c, laid, call == Call::recursions, [](PosteriorProblem& p) {
        return static_cast<int32_t>(posteriors(p));
      });
    default:
      return alignWith(c, laid, starOf(call),
                       [](AlignProblem& p) { return static_cast<int32_t>(align(p)); });
  }
}

Answer findOnDevice(Call call, const Case& given, Where where) {
  const Case c = prepared(call, given);
  Laid laid(c);
  std::vector<char> gradient = gradientFor(call, c);
  switch (call) {
    case Call::loss:
    case Call::lossAlone:
      return lossWith(c, laid, &gradient, [&](LossProblem& p) {
        const Placed out(gradient.empty() ? Where::host : where, &gradient);
        if (out.code != 0) return out.code;
        p.gradient.data = out.data();
        const int32_t code = onDevice(p, laid, where, [&](int32_t device, auto* problem, auto at) {
          return emulated().loss(device, problem, Placement{at.inputOnDevice, at.inputOnDevice});
        });
        return code == 0 ? out.bringBack() : code;
      });
    case Call::greedy:
    case Call::greedyUnmerged:
      return greedyOnDevice(c, laid, call == Call::greedy, where);
    case Call::posteriors:
    case Call::recursions:
      return posteriorsWith(c, laid, call == Call::recursions, [&](PosteriorProblem& p) {
        return onDevice(p, laid, where, emulated().posteriors);
      });
    default:
      return alignWith(c, laid, starOf(call),
                       [&](AlignProblem& p) { return onDevice(p, laid, where, emulated().align); });
  }
}

void checkAgrees(Call call, const Case& c, const std::string& what, Where where) {
  const Answer actual = findOnDevice(call, c, where);
  const Answer expected = findOnCpu(call, c);
  // Posteriors are formed in float64 whatever the input is.
  const bool wide =
      c.dtype == DType::float64 || call == Call::posteriors || call == Call::recursions;
  const double unit = c.dtype == DType::float16    ? std::ldexp(1.0, -10)
                      : c.dtype == DType::bfloat16 ? std::ldexp(1.0, -7)
                                                   : 0;
  const std::string where_ = std::string(nameOf(call)) + ", " + what + ": ";
  const auto compare = [&](const char* name, const std::vector<double>& got,
                           const std::vector<double>& wanted, double tolerance, double relative) {
    CHECK_EQ(got.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      const double a = got[i], e = wanted[i];
      if (a == e || (std::isnan(a) && std::isnan(e))) continue;
      const double most = tolerance * std::fmax(1, std::fabs(e)) + relative * std::fabs(e);
      if (std::fabs(a - e) <= most) continue;
      fail(__FILE__, __LINE__,
           where_ + name + " " + std::to_string(i) + " is " + std::to_string(a) + ", not " +
               std::to_string(e));
      return;
    }
  };
  CHECK_EQ(actual.result, expected.result);
  CHECK_EQ(actual.utterances.size(), expected.utterances.size());
  for (size_t n = 0; n < expected.utterances.size() && actual.result == 0; ++n) {
    const Found& got = actual.utterances[n];
    const Found& wanted = expected.utterances[n];
    if (got.exact != wanted.exact) {
      fail(__FILE__, __LINE__, where_ + "labels, frames or the status differ");
    }
    compare("number", got.rounded, wanted.rounded, wide ? 1e-11 : 1e-6, 0);
    compare("gradient", got.gradient, wanted.gradient, wide ? 1e-11 : 2e-5, unit);
  }
  if (*emulation::lastProblem() != '\0') fail(__FILE__, __LINE__, emulation::lastProblem());
}

bool identical(const Found& a, const Found& b) {
  const auto same = [](const std::vector<double>& x, const std::vector<double>& y) {
    return x.size() == y.size() &&
           (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0);
  };
  return a.exact == b.exact && same(a.rounded, b.rounded) && same(a.gradient, b.gradient);
}

bool identical(const Answer& a, const Answer& b) {
  if (a.result != b.result || a.utterances.size() != b.utterances.size()) return false;
  for (size_t n = 0; n < a.utterances.size(); ++n) {
    if (!identical(a.utterances[n], b.utterances[n])) return false;
  }
  return true;
}

}  // namespace ctc::test
