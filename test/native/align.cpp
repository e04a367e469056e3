// The aligner against a plain Viterbi with a table of backpointers, and its rules for ties.
#include "ctc/align.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "check.h"

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

using Labels = std::vector<int32_t>;

struct Batch {
  int64_t frames = 0;
  int64_t classes = 0;
  std::vector<float> scores;  // T x N x C
  std::vector<Labels> targets;
  std::vector<int64_t> lengths;
  ctc::Input kind = ctc::Input::logits;
  ctc::Star star = ctc::Star::none;

  int64_t utterances() const { return static_cast<int64_t>(targets.size()); }
  float& at(int64_t t, int64_t n, int64_t c) {
    return scores[static_cast<size_t>((t * utterances() + n) * classes + c)];
  }
};

struct Aligned {
  ctc::Result result = ctc::Result::ok;
  std::vector<int32_t> labels;
  std::vector<double> logProbs, scores, totals;
  std::vector<int64_t> starts, ends, offsets{0};
  std::vector<ctc::Status> status;
};

Aligned align(Batch& batch, int threads = 1) {
  Aligned out;
  Labels labels;
  for (const Labels& target : batch.targets) {
    labels.insert(labels.end(), target.begin(), target.end());
    out.offsets.push_back(static_cast<int64_t>(labels.size()));
  }
  const auto cells = static_cast<size_t>(batch.frames * batch.utterances());
  out.labels.resize(cells);
  out.logProbs.resize(cells);
  out.starts.resize(labels.size());
  out.ends.resize(labels.size());
  out.scores.resize(labels.size());
  out.totals.resize(batch.targets.size());
  out.status.resize(batch.targets.size());
  ctc::AlignProblem p;
  p.input.data = batch.scores.data();
  p.input.frames = batch.frames;
  p.input.utterances = batch.utterances();
  p.input.classes = batch.classes;
  p.input.frameStride = batch.utterances() * batch.classes;
  p.input.utteranceStride = batch.classes;
  p.targets = {labels.data(), out.offsets.data()};
  p.inputLengths = batch.lengths.data();
  p.inputKind = batch.kind;
  p.star = batch.star;
  p.labels = out.labels.data();
  p.logProbs = out.logProbs.data();
  p.starts = out.starts.data();
  p.ends = out.ends.data();
  p.scores = out.scores.data();
  p.totals = out.totals.data();
  p.status = out.status.data();
  p.execution.threads = threads;
  out.result = ctc::align(p);
  return out;
}

// States of the best path of one utterance with blank 0, or none where it has no mass.
std::vector<int64_t> plainViterbi(Batch& batch, int64_t n) {
  const Labels& target = batch.targets[static_cast<size_t>(n)];
  const int64_t frames = batch.lengths[static_cast<size_t>(n)];
  const auto states = static_cast<int64_t>(2 * target.size() + 1);
  std::vector<double> before, now(static_cast<size_t>(states));
  std::vector<uint8_t> steps(static_cast<size_t>(frames * states));
  const auto labelOf = [&](int64_t s) { return s % 2 ? target[static_cast<size_t>(s / 2)] : 0; };
  for (int64_t t = 0; t < frames; ++t) {
    for (int64_t s = 0; s < states; ++s) {
      const auto at = static_cast<size_t>(s);
      double best = t == 0 ? (s < 2 ? 0 : -infinity) : before[at];
      uint8_t step = 0;
      if (t > 0 && s > 0 && before[at - 1] > best) {
        best = before[at - 1];
        step = 1;
      }
      const bool skip = s % 2 && s > 1 && labelOf(s) != labelOf(s - 2);
      if (t > 0 && skip && before[at - 2] > best) {
        best = before[at - 2];
        step = 2;
      }
      now[at] = best + static_cast<double>(batch.at(t, n, labelOf(s)));
      steps[static_cast<size_t>(t * states) + at] = step;
    }
    before = now;
  }
  int64_t s = states - 1;
  if (states > 1 && before[static_cast<size_t>(s - 1)] >= before[static_cast<size_t>(s)]) --s;
  if (before[static_cast<size_t>(s)] == -infinity) return {};
  std::vector<int64_t> path(static_cast<size_t>(frames));
  for (int64_t t = frames - 1; t >= 0; --t) {
    path[static_cast<size_t>(t)] = s;
    s -= steps[static_cast<size_t>(t * states + s)];
  }
  return path;
}

// Small integers make ties common and their sums exact.
Batch randomBatch(std::mt19937& random, int64_t utterances, int64_t frames, int64_t mostLabels,
                  int masked) {
  Batch batch;
  batch.frames = frames;
  batch.classes = 2 + static_cast<int64_t>(random() % 5);
  for (int64_t n = 0; n < utterances; ++n) {
    batch.lengths.push_back(1 + static_cast<int64_t>(random() % frames));
    Labels target(random() % static_cast<uint64_t>(mostLabels + 1));
    for (int32_t& label : target) label = 1 + static_cast<int32_t>(random() % (batch.classes - 1));
    batch.targets.push_back(target);
  }
  batch.scores.resize(static_cast<size_t>(frames * utterances * batch.classes));
  for (float& x : batch.scores) x = static_cast<float>(random() % 4);
  for (int i = 0; i < masked; ++i) {
    batch.at(static_cast<int64_t>(random() % frames), static_cast<int64_t>(random() % utterances),
             1) = -std::numeric_limits<float>::infinity();
  }
  return batch;
}

void checkAgainstPlain(Batch& batch, const Aligned& got) {
  CHECK(got.result == ctc::Result::ok);
  for (int64_t n = 0; n < batch.utterances(); ++n) {
    const auto at = static_cast<size_t>(n);
    const Labels& target = batch.targets[at];
    const std::vector<int64_t> path = plainViterbi(batch, n);
    const int64_t first = got.offsets[at];
    if (path.empty()) {
      CHECK(got.status[at] == ctc::Status::infeasible);
      CHECK_EQ(got.totals[at], -infinity);
      continue;
    }
    CHECK(got.status[at] == ctc::Status::ok);
    std::vector<int64_t> starts(target.size(), -1), ends(target.size(), 0);
    for (size_t t = 0; t < path.size(); ++t) {
      const auto i = static_cast<size_t>(path[t] / 2);
      const bool onLabel = path[t] % 2 == 1;
      CHECK_EQ(got.labels[at * static_cast<size_t>(batch.frames) + t], onLabel ? target[i] : 0);
      if (!onLabel) continue;
      if (starts[i] < 0) starts[i] = static_cast<int64_t>(t);
      ends[i] = static_cast<int64_t>(t) + 1;
    }
    for (size_t i = 0; i < target.size(); ++i) {
      CHECK_EQ(got.starts[static_cast<size_t>(first) + i], starts[i]);
      CHECK_EQ(got.ends[static_cast<size_t>(first) + i], ends[i]);
    }
  }
}

}  // namespace

TEST(align_equals_plain_viterbi_with_ties_and_masks) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    Batch batch =
        randomBatch(random, 1 + i % 4, 1 + static_cast<int64_t>(random() % 40), 12, i % 5);
    checkAgainstPlain(batch, align(batch, 1 + i % 2));
  }
}

// Beyond one block of frames, one tile of positions, and one thread.
TEST(align_equals_plain_viterbi_on_long_utterances) {
  std::mt19937 random(2);
  for (int i = 0; i < 6; ++i) {
    Batch batch = randomBatch(random, 1, 5000, 2000, 3);
    batch.lengths[0] = 4000 + 200 * i;
    const Aligned one = align(batch, 1);
    const Aligned two = align(batch, 2);
    checkAgainstPlain(batch, one);
    CHECK(one.labels == two.labels && one.logProbs == two.logProbs && one.totals == two.totals);
  }
}

TEST(align_keeps_to_narrow_lattices) {
  std::mt19937 random(3);
  Batch batch;  // as many frames as labels: one path
  batch.frames = 3000;
  batch.classes = 3;
  batch.lengths = {3000};
  batch.targets.emplace_back();
  for (int i = 0; i < 3000; ++i) batch.targets[0].push_back(1 + i % 2);
  batch.scores.assign(9000, 0.0f);
  for (float& x : batch.scores) x = static_cast<float>(random() % 100);
  const Aligned got = align(batch, 2);
  CHECK(got.status[0] == ctc::Status::ok);
  for (int64_t i = 0; i < 3000; ++i) CHECK_EQ(got.starts[static_cast<size_t>(i)], i);
}

TEST(align_breaks_ties_as_documented) {
  Batch batch;
  batch.frames = 6;
  batch.classes = 3;
  batch.lengths = {6};
  batch.targets = {{1, 2}};
  batch.scores.assign(18, 0.0f);
  const Aligned got = align(batch);
  // The last label wins over the blank after it, and going back a state is left as late as
  // possible.
  CHECK(got.labels == std::vector<int32_t>({1, 2, 2, 2, 2, 2}));
  CHECK_NEAR(got.totals[0], 6 * std::log(1.0 / 3), 1e-12);
  CHECK_NEAR(got.scores[1], 1.0 / 3, 1e-12);
}

TEST(align_tells_infeasible_and_nonfinite_apart) {
  Batch batch;
  batch.frames = 3;
  batch.classes = 3;
  batch.lengths = {3, 3, 3, 0};
  batch.targets = {{1, 1, 2}, {1}, {1, 2}, {}};
  batch.scores.assign(36, 0.0f);
  batch.at(1, 1, 2) = std::numeric_limits<float>::quiet_NaN();
  const Aligned got = align(batch);
  CHECK(got.status[0] == ctc::Status::infeasible);
  CHECK(got.status[1] == ctc::Status::nonfinite);
  CHECK(std::isnan(got.totals[1]));
  CHECK(got.status[2] == ctc::Status::ok);
  CHECK(got.status[3] == ctc::Status::ok);
  CHECK_EQ(got.totals[3], 0.0);
  batch.kind = ctc::Input::logProbs;  // class 2 is not used by utterance 1
  CHECK(align(batch).status[1] == ctc::Status::ok);
}

TEST(align_stars_cover_what_the_target_leaves_out) {
  Batch batch;
  batch.frames = 8;
  batch.classes = 4;
  batch.lengths = {8};
  batch.targets = {{1, 4, 2}};  // 4 is the star
  batch.scores.assign(32, 0.0f);
  const int32_t spoken[] = {0, 1, 3, 0, 3, 0, 2, 0};
  for (int64_t t = 0; t < 8; ++t) batch.at(t, 0, spoken[t]) = 10;
  CHECK(align(batch).result == ctc::Result::badArgument);
  batch.star = ctc::Star::anything;
  Aligned got = align(batch);
  CHECK(got.status[0] == ctc::Status::ok);
  CHECK_EQ(got.starts[0], 1);
  CHECK_EQ(got.starts[2], 6);
  CHECK_EQ(got.starts[1], 2);  // what its neighbours score as well, it leaves to them
  CHECK_EQ(got.ends[1], 5);
  CHECK_NEAR(got.totals[0], 8 * (10 - std::log(std::exp(10.0) + 3)), 1e-9);
  batch.star = ctc::Star::label;
  got = align(batch);
  CHECK_EQ(got.ends[1] - got.starts[1], 3);
  // Only labels count: the sum of three classes of four.
  CHECK_NEAR(got.logProbs[3], std::log(3 / (std::exp(10.0) + 3)), 1e-9);
}

TEST(align_refuses_what_is_out_of_range) {
  Batch batch;
  batch.frames = 2;
  batch.classes = 3;
  batch.lengths = {2};
  batch.scores.assign(6, 0.0f);
  for (const int32_t label : {-1, 0, 3}) {
    batch.targets = {{label}};
    CHECK(align(batch).result == ctc::Result::badArgument);
  }
  batch.targets = {{1}};
  batch.lengths = {3};
  CHECK(align(batch).result == ctc::Result::badArgument);
}
