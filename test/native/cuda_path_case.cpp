#include "cuda_path_case.h"

#include <cmath>
#include <cstring>
#include <functional>

#include "check.h"
#include "ctc/lattice.h"
#include "ctc/posteriors.h"

namespace ctc::test {
namespace {

// Calls run(data, placement) with the case's input where it is to be.
int32_t withInput(const Laid& laid, Where where,
                  const std::function<int32_t(const void*, Placement)>& run) {
  const Backend& backend = emulated();
  if (where == Where::host) return run(laid.memory.data(), {0, 0});
  const bool onDevice = where == Where::device;
  const auto bytes = static_cast<int64_t>(laid.memory.size());
  void* memory = nullptr;
  int32_t code =
      onDevice ? backend.allocate(0, bytes, &memory) : backend.allocatePinned(bytes, &memory);
  if (code == 0 && onDevice) code = backend.upload(0, memory, laid.memory.data(), bytes);
  if (code == 0 && !onDevice) std::memcpy(memory, laid.memory.data(), laid.memory.size());
  if (code == 0) code = run(memory, {onDevice, 0});
  if (memory != nullptr && onDevice) backend.release(0, memory);
  if (memory != nullptr && !onDevice) backend.releasePinned(memory);
  return code;
}

template <class Values>
void append(const Values& values, std::vector<int64_t>* to) {
  for (const auto value : values) to->push_back(static_cast<int64_t>(value));
}
void append(const std::vector<double>& values, std::vector<double>* to) {
  to->insert(to->end(), values.begin(), values.end());
}

Found greedyOnCpu(const Case& c, const Laid& laid, bool merge) {
  std::vector<Decoded> decoded(static_cast<size_t>(c.N));
  GreedyProblem p;
  p.input = laid.tensor;
  p.inputLengths = c.lengths.data();
  p.blank = c.blank;
  p.inputKind = c.kind;
  p.mergeRepeated = merge;
  p.decoded = decoded.data();
  Found found;
  found.result = static_cast<int32_t>(greedyDecode(p));
  for (const Decoded& d : decoded) {
    found.exact.push_back(static_cast<int64_t>(d.status));
    if (d.status != Status::ok) continue;
    const DecodedPath& path = d.paths[0];
    found.exact.push_back(d.blankFrames);
    found.exact.push_back(static_cast<int64_t>(path.labels.size()));
    append(path.labels, &found.exact);
    append(path.starts, &found.exact);
    append(path.ends, &found.exact);
    found.rounded.push_back(path.logProb);
    append(path.confidences, &found.rounded);
  }
  return found;
}

Found greedyOnDevice(const Case& c, const Laid& laid, bool merge, Where where) {
  const auto utterances = static_cast<size_t>(c.N);
  const auto cells = static_cast<size_t>(c.N * c.T);
  std::vector<Status> status(utterances);
  std::vector<int64_t> counts(utterances), blankFrames(utterances);
  std::vector<double> logProbs(utterances), confidences(cells);
  std::vector<int32_t> labels(cells), starts(cells), ends(cells);
  DeviceGreedy p = {};
  p.input = laid.tensor;
  p.inputLengths = c.lengths.data();
  p.blank = c.blank;
  p.inputKind = c.kind;
  p.mergeRepeated = merge ? 1 : 0;
  p.status = status.data();
  p.counts = counts.data();
  p.blankFrames = blankFrames.data();
  p.logProbs = logProbs.data();
  p.labels = labels.data();
  p.starts = starts.data();
  p.ends = ends.data();
  p.confidences = confidences.data();
  Found found;
  found.result = withInput(laid, where, [&](const void* data, Placement at) {
    p.input.data = data;
    return emulated().greedy(0, &p, at);
  });
  if (found.result != 0) return found;
  for (size_t n = 0; n < utterances; ++n) {
    found.exact.push_back(static_cast<int64_t>(status[n]));
    if (status[n] != Status::ok) continue;
    const auto from = static_cast<int64_t>(n) * c.T;
    const auto part = [&](const auto& all) {
      return std::vector<typename std::decay_t<decltype(all)>::value_type>(
          all.begin() + from, all.begin() + from + counts[n]);
    };
    found.exact.push_back(blankFrames[n]);
    found.exact.push_back(counts[n]);
    append(part(labels), &found.exact);
    append(part(starts), &found.exact);
    append(part(ends), &found.exact);
    found.rounded.push_back(logProbs[n]);
    append(part(confidences), &found.rounded);
  }
  return found;
}

Found alignWith(const Case& c, const Laid& laid, Star star,
                const std::function<int32_t(AlignProblem&)>& run) {
  const auto cells = static_cast<size_t>(c.N * c.T);
  const size_t count = laid.labels.size();
  std::vector<int32_t> labels(cells, 77);
  std::vector<double> logProbs(cells, 77), scores(count, 77), totals(static_cast<size_t>(c.N), 77);
  std::vector<int64_t> starts(count, 77), ends(count, 77);
  std::vector<Status> status(static_cast<size_t>(c.N));
  AlignProblem p;
  p.input = laid.tensor;
  p.targets = laid.targets();
  p.inputLengths = c.lengths.data();
  p.blank = c.blank;
  p.inputKind = c.kind;
  p.star = star;
  p.labels = labels.data();
  p.logProbs = logProbs.data();
  p.starts = starts.data();
  p.ends = ends.data();
  p.scores = scores.data();
  p.totals = totals.data();
  p.status = status.data();
  Found found;
  found.result = run(p);
  if (found.result != 0) return found;
  append(labels, &found.exact);
  append(starts, &found.exact);
  append(ends, &found.exact);
  append(status, &found.exact);
  append(logProbs, &found.rounded);
  append(scores, &found.rounded);
  append(totals, &found.rounded);
  return found;
}

Found posteriorsWith(const Case& c, const Laid& laid, bool recursions,
                     const std::function<int32_t(PosteriorProblem&)>& run) {
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
  PosteriorProblem p;
  p.input = laid.tensor;
  p.targets = laid.targets();
  p.inputLengths = c.lengths.data();
  p.blank = c.blank;
  p.inputKind = c.kind;
  p.matrixOffsets = offsets.data();
  p.occupancy = occupancy.data();
  p.alpha = recursions ? alpha.data() : nullptr;
  p.beta = recursions ? beta.data() : nullptr;
  p.starts = starts.data();
  p.ends = ends.data();
  p.losses = losses.data();
  p.status = status.data();
  Found found;
  found.result = run(p);
  if (found.result != 0) return found;
  append(status, &found.exact);
  append(losses, &found.rounded);
  append(occupancy, &found.rounded);
  append(starts, &found.rounded);
  append(ends, &found.rounded);
  append(alpha, &found.rounded);
  append(beta, &found.rounded);
  return found;
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

}  // namespace

const char* nameOf(Call call) {
  constexpr const char* names[] = {"greedy",       "greedy unmerged",  "align",
                                   "align with *", "align with label", "posteriors",
                                   "recursions"};
  return names[static_cast<size_t>(call)];
}

Found findOnCpu(Call call, const Case& given) {
  const Case c = prepared(call, given);
  const Laid laid(c);
  switch (call) {
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

Found findOnDevice(Call call, const Case& given, Where where) {
  const Case c = prepared(call, given);
  const Laid laid(c);
  const auto on = [&](auto& problem, auto function) {
    return withInput(laid, where, [&](const void* data, Placement at) {
      problem.input.data = data;
      return function(0, &problem, at);
    });
  };
  switch (call) {
    case Call::greedy:
    case Call::greedyUnmerged:
      return greedyOnDevice(c, laid, call == Call::greedy, where);
    case Call::posteriors:
    case Call::recursions:
      return posteriorsWith(c, laid, call == Call::recursions,
                            [&](PosteriorProblem& p) { return on(p, emulated().posteriors); });
    default:
      return alignWith(c, laid, starOf(call),
                       [&](AlignProblem& p) { return on(p, emulated().align); });
  }
}

void checkSame(const Found& actual, const Found& expected, double tolerance,
               const std::string& what) {
  CHECK_EQ(actual.result, expected.result);
  if (actual.result != 0) return;
  if (actual.exact != expected.exact) {
    fail(__FILE__, __LINE__, what + ": labels, frames or statuses differ");
    return;
  }
  CHECK_EQ(actual.rounded.size(), expected.rounded.size());
  for (size_t i = 0; i < expected.rounded.size(); ++i) {
    const double a = actual.rounded[i], e = expected.rounded[i];
    if (a == e || (std::isnan(a) && std::isnan(e))) continue;
    if (std::fabs(a - e) <= tolerance * std::fmax(1, std::fabs(e))) continue;
    fail(__FILE__, __LINE__,
         what + ": number " + std::to_string(i) + " is " + std::to_string(a) + ", not " +
             std::to_string(e));
    return;
  }
}

bool identical(const Found& a, const Found& b) {
  return a.result == b.result && a.exact == b.exact && a.rounded.size() == b.rounded.size() &&
         (a.rounded.empty() ||
          std::memcmp(a.rounded.data(), b.rounded.data(), a.rounded.size() * sizeof(double)) == 0);
}

}  // namespace ctc::test
