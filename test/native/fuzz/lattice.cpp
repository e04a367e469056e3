// The aligner and the posteriors: paths that are paths, rows that sum to 1, and no disagreement
// with each other or with the loss.
#include <algorithm>
#include <cmath>

#include "../check.h"
#include "ctc/align.h"
#include "ctc/lattice.h"
#include "ctc/posteriors.h"
#include "fuzz_case.h"
#include "targets.h"

namespace ctc::test {
namespace {

constexpr Most most{300, 3, 20, 40};

struct Aligned {
  Result result = Result::ok;
  Labels labels;
  std::vector<double> logProbs, scores, totals;
  std::vector<int64_t> starts, ends;
  std::vector<Status> status;
};

Aligned runAlign(const LossCase& c, const RawTargets& raw, const Placement& placement, Star star,
                 int threads) {
  const Placed placed = place(c, placement);
  Aligned out;
  const auto cells = static_cast<size_t>(c.frames * c.utterances());
  out.labels.assign(cells, -7);
  out.logProbs.assign(cells, -7);
  out.starts.assign(raw.labels.size(), -7);
  out.ends.assign(raw.labels.size(), -7);
  out.scores.assign(raw.labels.size(), -7);
  out.totals.assign(c.targets.size(), -7);
  out.status.assign(c.targets.size(), Status::nonfinite);
  AlignProblem p;
  p.input = placed.tensor;
  p.targets = raw.targets();
  p.inputLengths = raw.lengths.data();
  p.blank = raw.blank;
  p.inputKind = c.kind;
  p.star = star;
  p.labels = out.labels.data();
  p.logProbs = out.logProbs.data();
  p.starts = out.starts.data();
  p.ends = out.ends.data();
  p.scores = out.scores.data();
  p.totals = out.totals.data();
  p.status = out.status.data();
  p.execution.threads = threads;
  out.result = align(p);
  return out;
}

bool sameNumbers(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

bool same(const Aligned& a, const Aligned& b) {
  return a.labels == b.labels && sameNumbers(a.logProbs, b.logProbs) &&
         sameNumbers(a.scores, b.scores) && sameNumbers(a.totals, b.totals) &&
         a.starts == b.starts && a.ends == b.ends && a.status == b.status;
}

// The spans cover the frames that their labels have, in order, and all else is blank.
void checkPath(const LossCase& c, const RawTargets& raw, const Aligned& got, int64_t n) {
  const int64_t first = raw.offsets[static_cast<size_t>(n)];
  const int64_t end = raw.offsets[static_cast<size_t>(n) + 1];
  const bool ok = got.status[static_cast<size_t>(n)] == Status::ok;
  Labels expected(static_cast<size_t>(c.frames), c.blank);
  int64_t free = 0;
  int32_t before = -1;
  for (int64_t i = first; i < end; ++i) {
    const auto at = static_cast<size_t>(i);
    if (!ok) {
      CHECK(got.starts[at] == 0 && got.ends[at] == 0 && got.scores[at] == 0);
      continue;
    }
    const int32_t label = raw.labels[at];
    CHECK(got.starts[at] >= free);
    if (label == before && label != c.classes) CHECK(got.starts[at] > free);
    CHECK(got.ends[at] > got.starts[at]);
    free = got.ends[at];
    before = label;
    CHECK(free <= c.lengths[static_cast<size_t>(n)]);
    std::fill(expected.begin() + got.starts[at], expected.begin() + free, label);
  }
  const auto row = static_cast<size_t>(n * c.frames);
  CHECK(std::equal(expected.begin(), expected.end(), got.labels.begin() + row));
  double total = 0;
  for (int64_t t = 0; t < c.frames; ++t) {
    const double logProb = got.logProbs[row + static_cast<size_t>(t)];
    if (!ok || t >= c.lengths[static_cast<size_t>(n)]) CHECK_EQ(logProb, 0);
    total += logProb;
  }
  const double told = got.totals[static_cast<size_t>(n)];
  if (ok) {
    CHECK_NEAR(told, total, 1e-9);
    if (c.kind == Input::logits) CHECK(told <= 1e-9);
  } else {
    CHECK_EQ(std::isnan(told), got.status[static_cast<size_t>(n)] == Status::nonfinite);
  }
}

struct Solved {
  Result result = Result::ok;
  std::vector<int64_t> offsets{0};
  std::vector<double> occupancy, alpha, beta, starts, ends, losses;
  std::vector<Status> status;
};

Solved runPosteriors(const LossCase& c, const RawTargets& raw, const Placement& placement,
                     bool logs, int threads) {
  const Placed placed = place(c, placement);
  Solved out;
  for (size_t n = 0; n < c.targets.size(); ++n) {
    const auto labels = static_cast<int64_t>(c.targets[n].size());
    out.offsets.push_back(out.offsets.back() + c.lengths[n] * stateCount(labels));
  }
  const auto cells = static_cast<size_t>(out.offsets.back());
  out.occupancy.assign(cells, -7);
  if (logs) out.alpha.assign(cells, -7);
  if (logs) out.beta.assign(cells, -7);
  out.starts.assign(raw.labels.size(), -7);
  out.ends.assign(raw.labels.size(), -7);
  out.losses.assign(c.targets.size(), -7);
  out.status.assign(c.targets.size(), Status::nonfinite);
  PosteriorProblem p;
  p.input = placed.tensor;
  p.targets = raw.targets();
  p.inputLengths = raw.lengths.data();
  p.blank = raw.blank;
  p.inputKind = c.kind;
  p.matrixOffsets = out.offsets.data();
  p.occupancy = out.occupancy.data();
  p.alpha = logs ? out.alpha.data() : nullptr;
  p.beta = logs ? out.beta.data() : nullptr;
  p.starts = out.starts.data();
  p.ends = out.ends.data();
  p.losses = out.losses.data();
  p.status = out.status.data();
  p.execution.threads = threads;
  out.result = posteriors(p);
  return out;
}

void checkOccupancy(const LossCase& c, const RawTargets& raw, const Solved& got, size_t n) {
  const auto states = static_cast<size_t>(stateCount(static_cast<int64_t>(c.targets[n].size())));
  const bool ok = got.status[n] == Status::ok;
  for (int64_t t = 0; t < c.lengths[n]; ++t) {
    const size_t row = static_cast<size_t>(got.offsets[n]) + static_cast<size_t>(t) * states;
    double sum = 0;
    for (size_t s = 0; s < states; ++s) {
      CHECK(got.occupancy[row + s] >= 0 && got.occupancy[row + s] <= 1);
      sum += got.occupancy[row + s];
    }
    CHECK_NEAR(sum, ok ? 1 : 0, 1e-9);
  }
  double free = 0;
  for (int64_t i = raw.offsets[n]; i < raw.offsets[n + 1]; ++i) {
    const auto at = static_cast<size_t>(i);
    if (!ok) CHECK(got.starts[at] == 0 && got.ends[at] == 0);
    if (!ok) continue;
    CHECK(got.starts[at] >= free - 1e-9);
    CHECK(got.ends[at] >= got.starts[at]);
    free = got.ends[at];
  }
  CHECK(free <= static_cast<double>(c.lengths[n]) + 1e-9);
}

}  // namespace

void fuzzAlign(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  const LossCase c = readCase(bytes, most);
  const auto star = static_cast<Star>(bytes.below(3));
  RawTargets raw(c);
  if (star != Star::none) {
    for (int32_t& label : raw.labels) {
      if (bytes.oneIn(4)) label = static_cast<int32_t>(c.classes);
    }
  }
  if (bytes.oneIn(4)) {
    raw.spoil(bytes);
    const Result result = runAlign(c, raw, {}, star, 1).result;
    CHECK_EQ(result == Result::ok, raw.inRange(c, star != Star::none));
    return;
  }
  const Placement placement = readPlacement(bytes);
  const Aligned got = runAlign(c, raw, placement, star, 1);
  CHECK(got.result == Result::ok);
  for (int64_t n = 0; n < c.utterances(); ++n) checkPath(c, raw, got, n);
  CHECK(same(got, runAlign(c, raw, {}, star, static_cast<int>(bytes.between(2, 5)))));
  if (star != Star::none || !isModerate(c)) return;
  // One path is at most as probable as all of them.
  const Outcome all = runLoss(c, placement, 1, false);
  for (size_t n = 0; n < c.targets.size(); ++n) {
    CHECK(all.status[n] == got.status[n]);
    if (got.status[n] != Status::ok) continue;
    CHECK(got.totals[n] <= -all.losses[n] + 1e-6 * (1 + std::fabs(all.losses[n])));
  }
}

void fuzzPosteriors(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  const LossCase c = readCase(bytes, most);
  RawTargets raw(c);
  if (bytes.oneIn(4)) {
    raw.spoil(bytes);
    const Result result = runPosteriors(c, raw, {}, bytes.flag(), 1).result;
    // What the matrices were not made for is refused as well.
    bool fits = raw.inRange(c);
    for (size_t n = 0; fits && n < c.targets.size(); ++n) {
      fits = raw.lengths[n] * stateCount(raw.offsets[n + 1] - raw.offsets[n]) ==
             c.lengths[n] * stateCount(static_cast<int64_t>(c.targets[n].size()));
    }
    CHECK_EQ(result == Result::ok, fits);
    return;
  }
  const Placement placement = readPlacement(bytes);
  const bool logs = bytes.flag();
  const Solved got = runPosteriors(c, raw, placement, logs, 1);
  CHECK(got.result == Result::ok);
  for (size_t n = 0; n < c.targets.size(); ++n) checkOccupancy(c, raw, got, n);
  const Solved again = runPosteriors(c, raw, {}, logs, static_cast<int>(bytes.between(2, 5)));
  CHECK(sameNumbers(got.occupancy, again.occupancy) && sameNumbers(got.alpha, again.alpha) &&
        sameNumbers(got.beta, again.beta) && sameNumbers(got.starts, again.starts) &&
        sameNumbers(got.ends, again.ends) && sameNumbers(got.losses, again.losses) &&
        got.status == again.status);
  if (!isModerate(c)) return;
  const Outcome other = runLoss(c, placement, 1, false);
  for (size_t n = 0; n < c.targets.size(); ++n) {
    CHECK(other.status[n] == got.status[n]);
    CHECK_NEAR(other.losses[n], got.losses[n], 1e-6);
  }
}

}  // namespace ctc::test
