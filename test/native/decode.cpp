// The decoders against the enumeration of every path, and against hand-computed scores.
#include "ctc/decode.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "core/beam_guide.h"
#include "core/rows.h"

namespace {

using namespace ctc;
using Labels = std::vector<int32_t>;

constexpr double infinity = std::numeric_limits<double>::infinity();

// Log-probabilities [frames][classes] of one utterance, and a tensor over them.
struct Frames {
  int64_t frames, classes;
  std::vector<double> values;

  Frames(int64_t t, int64_t c) : frames(t), classes(c), values(t * c) {}

  Tensor tensor() const {
    Tensor tensor;
    tensor.data = values.data();
    tensor.dtype = DType::float64;
    tensor.frames = frames;
    tensor.utterances = 1;
    tensor.classes = classes;
    tensor.frameStride = classes;
    tensor.utteranceStride = frames * classes;
    return tensor;
  }

  double at(int64_t t, int64_t c) const { return values[t * classes + c]; }
};

Frames randomFrames(std::mt19937& random, int64_t frames, int64_t classes, double spread) {
  Frames made(frames, classes);
  std::normal_distribution<double> normal(0, spread);
  for (int64_t t = 0; t < frames; ++t) {
    double* row = &made.values[t * classes];
    for (int64_t c = 0; c < classes; ++c) row[c] = normal(random);
    const double largest = finiteMax(row, classes);
    const double sum = largest + logSumOver(row, classes, largest);
    for (int64_t c = 0; c < classes; ++c) row[c] -= sum;
  }
  return made;
}

double logAdd(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == -infinity ? a : a + std::log1p(std::exp(b - a));
}

struct Summed {
  double total = -infinity;
  double best = -infinity;  // of a single path
};

// Every path of every label sequence: classes^frames of them.
std::map<Labels, Summed> enumerate(const Frames& frames, int32_t blank) {
  std::map<Labels, Summed> sums;
  std::vector<int32_t> path(frames.frames, 0);
  for (;;) {
    double logProb = 0;
    Labels labels;
    int32_t previous = blank;
    for (int64_t t = 0; t < frames.frames; ++t) {
      logProb += frames.at(t, path[t]);
      if (path[t] != blank && path[t] != previous) labels.push_back(path[t]);
      previous = path[t];
    }
    Summed& sum = sums[labels];
    sum.total = logAdd(sum.total, logProb);
    sum.best = std::max(sum.best, logProb);
    int64_t t = 0;
    while (t < frames.frames && ++path[t] == frames.classes) path[t++] = 0;
    if (t == frames.frames) return sums;
  }
}

Decoded beam(const Frames& frames, BeamProblem problem) {
  problem.input = frames.tensor();
  problem.inputKind = Input::logProbs;
  problem.inputLengths = &frames.frames;
  Decoded decoded;
  problem.decoded = &decoded;
  CHECK(beamDecode(problem) == Result::ok);
  return decoded;
}

BeamProblem unbounded() {
  BeamProblem problem;
  problem.beamWidth = std::numeric_limits<int64_t>::max();
  problem.topPaths = std::numeric_limits<int64_t>::max();
  return problem;
}

// The probability of the best path that has these spans, and whether it collapses to the labels.
double spanPathLogProb(const Frames& frames, const DecodedPath& path, int32_t blank) {
  std::vector<int32_t> symbols(frames.frames, blank);
  int64_t free = 0;
  for (size_t i = 0; i < path.labels.size(); ++i) {
    CHECK(path.starts[i] >= free);
    CHECK(path.ends[i] > path.starts[i]);
    CHECK(path.ends[i] <= frames.frames);
    if (i > 0 && path.labels[i] == path.labels[i - 1]) CHECK(path.starts[i] > free);
    for (int64_t t = path.starts[i]; t < path.ends[i]; ++t) symbols[t] = path.labels[i];
    free = path.ends[i];
  }
  double logProb = 0;
  for (int64_t t = 0; t < frames.frames; ++t) logProb += frames.at(t, symbols[t]);
  return logProb;
}

std::shared_ptr<const NGramModel> arpa(const std::string& text) {
  ArpaReader reader;
  if (!reader.feed(text.data(), text.size())) return nullptr;
  return reader.finish();
}

std::string arpaError(const std::string& text) {
  ArpaReader reader;
  if (reader.feed(text.data(), text.size()) && reader.finish()) return "no error";
  return reader.error();
}

constexpr char tinyArpa[] =
    "\\data\\\n"
    "ngram 1=5\n"
    "ngram 2=3\n"
    "\n"
    "\\1-grams:\n"
    "-1.0\t<unk>\n"
    "-99\t<s>\t-0.5\n"
    "-0.8\t</s>\n"
    "-0.6\tab\t-0.3\n"
    "-0.9\tba\t-0.2\n"
    "\n"
    "\\2-grams:\n"
    "-0.4\t<s> ab\n"
    "-0.7\tab ba\n"
    "-0.1\tba </s>\n"
    "\n"
    "\\end\\\n";

constexpr double ln10 = 2.302585092994046;

TEST(beam_unbounded_equals_enumeration) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    const int64_t frames = 1 + round % 6;
    const int64_t classes = 2 + round % 3;
    const int32_t blank = static_cast<int32_t>(round % classes);
    const Frames scores = randomFrames(random, frames, classes, round % 2 ? 1 : 40);
    const auto expected = enumerate(scores, blank);
    BeamProblem problem = unbounded();
    problem.blank = blank;
    const Decoded decoded = beam(scores, problem);
    CHECK_EQ(decoded.paths.size(), expected.size());
    double total = -infinity;
    for (size_t i = 0; i < decoded.paths.size(); ++i) {
      const DecodedPath& path = decoded.paths[i];
      const auto found = expected.find(path.labels);
      CHECK(found != expected.end());
      CHECK_NEAR(path.score, found->second.total, 1e-13);
      CHECK_NEAR(path.logProb, path.score, 0);
      CHECK_NEAR(spanPathLogProb(scores, path, blank), found->second.best, 1e-13);
      if (i > 0) CHECK(decoded.paths[i - 1].score >= path.score);
      total = logAdd(total, path.score);
    }
    CHECK_NEAR(total, 0, 1e-12);
  }
}

TEST(beam_bounded_never_exceeds_the_exact_sum) {
  std::mt19937 random(8);
  for (int round = 0; round < 40; ++round) {
    const Frames scores = randomFrames(random, 6, 4, 1.5);
    const auto expected = enumerate(scores, 0);
    BeamProblem problem;
    problem.beamWidth = 1 + round % 12;
    problem.topPaths = 3;
    const Decoded decoded = beam(scores, problem);
    CHECK_EQ(decoded.paths.size(), std::min<size_t>(3, problem.beamWidth));
    for (const DecodedPath& path : decoded.paths) {
      CHECK(path.score <= expected.at(path.labels).total + 1e-12);
      CHECK_NEAR(spanPathLogProb(scores, path, 0), spanPathLogProb(scores, path, 0), 0);
    }
  }
}

// The textbook recursion over a map of label sequences, pruned to the same width each frame.
std::map<Labels, double> plainBeam(const Frames& frames, int32_t blank, size_t width) {
  std::map<Labels, std::pair<double, double>> beam{{{}, {0, -infinity}}};
  for (int64_t t = 0; t < frames.frames; ++t) {
    std::map<Labels, std::pair<double, double>> next;
    const auto slot = [&](const Labels& labels) -> std::pair<double, double>& {
      return next.emplace(labels, std::make_pair(-infinity, -infinity)).first->second;
    };
    for (const auto& [labels, ends] : beam) {
      const double total = logAdd(ends.first, ends.second);
      auto& same = slot(labels);
      same.first = logAdd(same.first, total + frames.at(t, blank));
      for (int32_t c = 0; c < frames.classes; ++c) {
        if (c == blank) continue;
        const bool repeat = !labels.empty() && labels.back() == c;
        if (repeat) {
          auto& stay = slot(labels);
          stay.second = logAdd(stay.second, ends.second + frames.at(t, c));
        }
        Labels longer = labels;
        longer.push_back(c);
        auto& grown = slot(longer);
        grown.second = logAdd(grown.second, (repeat ? ends.first : total) + frames.at(t, c));
      }
    }
    std::vector<std::pair<double, Labels>> ranked;
    for (const auto& [labels, ends] : next) {
      const double total = logAdd(ends.first, ends.second);
      if (total > -infinity) ranked.emplace_back(-total, labels);
    }
    std::sort(ranked.begin(), ranked.end());
    ranked.resize(std::min(width, ranked.size()));
    beam.clear();
    for (const auto& entry : ranked) beam[entry.second] = next[entry.second];
  }
  std::map<Labels, double> totals;
  for (const auto& [labels, ends] : beam) totals[labels] = logAdd(ends.first, ends.second);
  return totals;
}

TEST(beam_bounded_equals_the_plain_recursion) {
  std::mt19937 random(9);
  for (int round = 0; round < 60; ++round) {
    const int64_t classes = 2 + round % 11;
    const size_t width = static_cast<size_t>(1 + round % 17);
    const Frames scores = randomFrames(random, 30, classes, 0.5 + round % 4);
    const auto expected = plainBeam(scores, 0, width);
    BeamProblem problem;
    problem.beamWidth = static_cast<int64_t>(width);
    problem.topPaths = 100;
    const Decoded decoded = beam(scores, problem);
    CHECK_EQ(decoded.paths.size(), expected.size());
    for (const DecodedPath& path : decoded.paths) {
      const auto found = expected.find(path.labels);
      CHECK(found != expected.end());
      if (found != expected.end()) CHECK_NEAR(path.score, found->second, 1e-11);
    }
  }
}

TEST(beam_masks_and_hopeless_labels) {
  Frames scores(3, 3);
  scores.values = {-0.1, -infinity, -2.5, -infinity, -infinity, 0, -infinity, -1e30, 0};
  const Decoded decoded = beam(scores, unbounded());
  CHECK(decoded.status == Status::ok);
  // Only class 2 at frame 1; frame 2 is 2 again, or hopelessly 1.
  CHECK_EQ(decoded.paths.size(), size_t{2});
  CHECK((decoded.paths[0].labels == Labels{2}));
  CHECK_NEAR(decoded.paths[0].score, logAdd(-0.1, -2.5), 1e-15);
  CHECK((decoded.paths[1].labels == Labels{2, 1}));
  CHECK_NEAR(decoded.paths[1].score, -1e30, 1e-12);
}

TEST(beam_nonfinite_rows) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), infinity}) {
    Frames scores(2, 3);
    scores.values[4] = bad;
    const Decoded decoded = beam(scores, BeamProblem{});
    CHECK(decoded.status == Status::nonfinite);
    CHECK(decoded.paths.empty());
  }
  Frames scores(1, 2);
  scores.values = {-infinity, -infinity};
  CHECK(beam(scores, BeamProblem{}).status == Status::nonfinite);
}

TEST(beam_no_frames_is_the_empty_sequence) {
  const Decoded decoded = beam(Frames(0, 3), BeamProblem{});
  CHECK(decoded.status == Status::ok);
  CHECK_EQ(decoded.paths.size(), size_t{1});
  CHECK(decoded.paths[0].labels.empty());
  CHECK_EQ(decoded.paths[0].score, 0.0);
}

TEST(beam_ties_go_to_the_lower_label) {
  Frames scores(1, 4);
  std::fill(scores.values.begin(), scores.values.end(), std::log(0.25));
  BeamProblem problem;
  problem.beamWidth = 2;
  problem.topPaths = 2;
  const Decoded decoded = beam(scores, problem);
  CHECK(decoded.paths[0].labels.empty());
  CHECK((decoded.paths[1].labels == Labels{1}));
}

TEST(beam_limits_keep_blank_and_best) {
  Frames scores(1, 4);
  scores.values = {std::log(0.1), std::log(0.2), std::log(0.3), std::log(0.4)};
  BeamProblem problem = unbounded();
  problem.cutoffTopN = 1;
  CHECK_EQ(beam(scores, problem).paths.size(), size_t{2});  // the blank and class 3
  problem = unbounded();
  problem.cutoffProb = 0.65;
  CHECK_EQ(beam(scores, problem).paths.size(), size_t{3});
  problem = unbounded();
  problem.tokenMinLogp = std::log(0.25);
  CHECK_EQ(beam(scores, problem).paths.size(), size_t{3});
  problem = unbounded();
  problem.beamThreshold = std::log(1.6);
  CHECK_EQ(beam(scores, problem).paths.size(), size_t{2});  // 0.4 and 0.3
}

TEST(beam_long_input_frees_what_it_leaves_behind) {
  std::mt19937 random(3);
  const Frames scores = randomFrames(random, 20000, 5, 4);
  BeamProblem problem;
  problem.beamWidth = 20;
  const Decoded decoded = beam(scores, problem);
  CHECK(decoded.paths[0].labels.size() > 5000);
  const double path = spanPathLogProb(scores, decoded.paths[0], 0);
  CHECK(path <= decoded.paths[0].score);
  CHECK(decoded.paths[0].score - path < 8000);
}

TEST(greedy_by_hand) {
  Frames scores(6, 3);
  const int best[] = {1, 1, 0, 1, 2, 0};
  for (int t = 0; t < 6; ++t) {
    for (int c = 0; c < 3; ++c) scores.values[t * 3 + c] = std::log(c == best[t] ? 0.5 : 0.25);
  }
  scores.values[0] = std::log(0.1), scores.values[1] = std::log(0.8);
  scores.values[2] = std::log(0.1);
  GreedyProblem problem;
  problem.input = scores.tensor();
  problem.inputKind = Input::logProbs;
  problem.inputLengths = &scores.frames;
  Decoded decoded;
  problem.decoded = &decoded;
  CHECK(greedyDecode(problem) == Result::ok);
  const DecodedPath& path = decoded.paths[0];
  CHECK((path.labels == Labels{1, 1, 2}));
  CHECK((path.starts == std::vector<int64_t>{0, 3, 4}));
  CHECK((path.ends == std::vector<int64_t>{2, 4, 5}));
  CHECK_NEAR(path.confidences[0], 0.65, 1e-15);
  CHECK_NEAR(path.logProb, std::log(0.8 * std::pow(0.5, 5)), 1e-15);
  CHECK_EQ(decoded.blankFrames, int64_t{2});
  problem.mergeRepeated = false;
  CHECK(greedyDecode(problem) == Result::ok);
  CHECK((decoded.paths[0].labels == Labels{1, 1, 1, 2}));
}

TEST(decode_refuses_lengths_and_blanks_out_of_range) {
  const Frames scores(2, 3);
  int64_t length = 3;
  Decoded decoded;
  GreedyProblem greedy;
  greedy.input = scores.tensor();
  greedy.inputLengths = &length;
  greedy.decoded = &decoded;
  int64_t bad = -1;
  CHECK(greedyDecode(greedy, &bad) == Result::badArgument);
  CHECK_EQ(bad, int64_t{0});
  length = 2;
  greedy.blank = 3;
  CHECK(greedyDecode(greedy) == Result::badArgument);
}

TEST(decode_threads_and_batches_change_nothing) {
  std::mt19937 random(11);
  const int64_t frames = 40, utterances = 7, classes = 6;
  std::vector<float> scores(frames * utterances * classes);
  std::normal_distribution<float> normal(0, 2);
  for (float& x : scores) x = normal(random);
  std::vector<int64_t> lengths = {40, 0, 13, 40, 1, 22, 39};
  std::vector<Decoded> one(utterances), four(utterances);
  BeamProblem problem;
  problem.input.data = scores.data();
  problem.input.frames = frames;
  problem.input.utterances = utterances;
  problem.input.classes = classes;
  problem.input.frameStride = utterances * classes;
  problem.input.utteranceStride = classes;
  problem.inputLengths = lengths.data();
  problem.beamWidth = 10;
  problem.topPaths = 10;
  problem.decoded = one.data();
  CHECK(beamDecode(problem) == Result::ok);
  problem.execution.threads = 4;
  problem.decoded = four.data();
  CHECK(beamDecode(problem) == Result::ok);
  for (int64_t n = 0; n < utterances; ++n) {
    CHECK_EQ(one[n].paths.size(), four[n].paths.size());
    for (size_t i = 0; i < one[n].paths.size(); ++i) {
      CHECK_EQ(one[n].paths[i].score, four[n].paths[i].score);
      CHECK(one[n].paths[i].labels == four[n].paths[i].labels);
      CHECK(one[n].paths[i].starts == four[n].paths[i].starts);
      CHECK(one[n].paths[i].confidences == four[n].paths[i].confidences);
    }
  }
}

TEST(arpa_scores_by_hand) {
  const auto model = arpa(tinyArpa);
  CHECK(model != nullptr);
  if (!model) return;
  CHECK_EQ(model->order(), 2);
  CHECK_EQ(model->size(), int64_t{8});
  const int32_t ab = model->word("ab"), ba = model->word("ba");
  int32_t next;
  CHECK_NEAR(model->score(model->beginState(), ab, &next), -0.4 * ln10, 1e-6);
  CHECK_NEAR(model->score(next, ba, &next), -0.7 * ln10, 1e-6);
  CHECK_NEAR(model->score(next, model->endWord(), &next), -0.1 * ln10, 1e-6);
  // <s> ba is not listed: back-off of <s> and the unigram.
  CHECK_NEAR(model->score(model->beginState(), ba, &next), (-0.5 - 0.9) * ln10, 1e-6);
  // ba ab backs off with ba's weight although <s> ba was never a bigram.
  CHECK_NEAR(model->score(next, ab, &next), (-0.2 - 0.6) * ln10, 1e-6);
  CHECK_NEAR(model->score(next, NGramModel::noWord, &next), (-0.3 - 1.0) * ln10, 1e-6);
}

TEST(arpa_fills_in_contexts_that_are_not_listed) {
  const auto model = arpa(
      "\\data\\\nngram 1=3\nngram 2=1\nngram 3=2\n\\1-grams:\n-1 a -0.1\n-1.5 b -0.2\n-2 c -0.3\n"
      "\\2-grams:\n-0.5 b c -0.4\n\\3-grams:\n-0.25 a b c\n-0.125 b a c\n\\end\\\n");
  CHECK(model != nullptr);
  if (!model) return;
  const int32_t a = model->word("a"), b = model->word("b"), c = model->word("c");
  int32_t state, next;
  model->score(NGramModel::root, a, &state);
  // a b is unlisted: the same score as backing off, and the trigram behind it is found.
  CHECK_NEAR(model->score(state, b, &state), (-0.1 - 1.5) * ln10, 1e-6);
  CHECK_NEAR(model->score(state, c, &state), -0.25 * ln10, 1e-6);
  // After a b c the longest listed suffix is b c.
  CHECK_NEAR(model->score(state, a, &next), (-0.4 - 0.3 - 1.0) * ln10, 1e-6);
}

TEST(arpa_errors_name_the_line) {
  const std::string good(tinyArpa);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return arpaError(text);
  };
  CHECK_EQ(with("-0.7\tab", "-0.7x\tab"),
           std::string("line 14: the probability '-0.7x' is not a finite number"));
  CHECK_EQ(with("-0.7\tab", "nan\tab"),
           std::string("line 14: the probability 'nan' is not a finite number"));
  CHECK_EQ(with("-0.7\tab", "0.7\tab"),
           std::string("line 14: the log10 probability '0.7' is above 0"));
  CHECK_EQ(with("ab ba", "ab xx"), std::string("line 14: the word 'xx' is not among the 1-grams"));
  CHECK_EQ(with("ba\t-0.2", "ab\t-0.2"), std::string("line 10: the word 'ab' is listed twice"));
  CHECK_EQ(with("\\2-grams:", "\\3-grams:"),
           std::string("line 12: expected \\2-grams:, found '\\3-grams:'"));
  CHECK(with("ngram 1=5", "ngram 1=6").find("line 12: 5 1-grams were listed") == 0);
  CHECK(with("ngram 1=5", "ngram 1=4").find("line 10: more 1-grams than the 4") == 0);
  CHECK(with("ngram 2=3", "ngram 2=99999999999999").find("line 3: ") == 0);
  CHECK(with("ngram 2=3", "ngram 3=3").find("line 3: order 3 where order 2 was due") == 0);
  CHECK(with("\\end\\", "").find("the text ended without \\end\\") != std::string::npos);
  CHECK(with("-0.1\tba </s>", "-0.1\tba").find("line 15: a 2-gram line has") == 0);
  CHECK(arpaError("").find("not an ARPA file") != std::string::npos);
  CHECK(arpaError("mmap lm http://kheafield.com/code\n").find("KenLM binary") != std::string::npos);
  CHECK(arpaError(std::string(1 << 21, 'x')).find("longer than 1 MiB") != std::string::npos);
}

TEST(arpa_takes_pieces_of_any_size) {
  const std::string text(tinyArpa);
  for (size_t piece = 1; piece < 40; ++piece) {
    ArpaReader reader;
    for (size_t at = 0; at < text.size(); at += piece) {
      const std::string part = text.substr(at, piece);
      CHECK(reader.feed(part.data(), part.size()));
    }
    CHECK(reader.finish() != nullptr);
  }
}

// Damage of every kind must end in an error or a model, never in a crash.
TEST(arpa_survives_damage) {
  std::mt19937 random(5);
  const std::string good(tinyArpa);
  const char bytes[] = "\\\n\t -0123456789.eE=:\0x";
  for (int round = 0; round < 4000; ++round) {
    std::string text = good;
    for (int edits = 1 + round % 4; edits > 0; --edits) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = bytes[random() % sizeof bytes];
          break;
        case 1:
          text.erase(at, random() % 20);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 30));
      }
    }
    const auto model = arpa(text);
    if (!model) continue;
    int32_t state = model->beginState();
    for (int32_t w = 0; w < model->vocabularySize(); ++w) {
      CHECK(std::isfinite(model->score(state, w, &state)));
    }
  }
}

// Classes: 0 blank, 1 'a', 2 'b', 3 ' '.
GuideOptions wordOptions() {
  GuideOptions options;
  options.tokens = {"", "a", "b", " "};
  options.roles = {LabelRole::inside, LabelRole::inside, LabelRole::inside, LabelRole::delimiter};
  options.alpha = 0;
  options.beta = 0;
  options.unkScore = 0;
  return options;
}

std::vector<std::string> split(const Labels& labels) {
  std::vector<std::string> words(1);
  for (const int32_t label : labels) {
    if (label == 3) {
      words.emplace_back();
    } else {
      words.back() += label == 1 ? 'a' : 'b';
    }
  }
  words.erase(std::remove(words.begin(), words.end(), ""), words.end());
  return words;
}

double handScore(const NGramModel& model, const std::vector<std::string>& words, double alpha,
                 double beta, double unkScore) {
  int32_t state = model.beginState();
  double score = 0;
  for (const std::string& word : words) {
    const int32_t id = model.word(word);
    score += alpha * model.score(state, id, &state) + beta;
    if (id == NGramModel::noWord) score += unkScore;
  }
  return score + alpha * model.score(state, model.endWord(), &state);
}

TEST(beam_with_a_language_model_equals_enumeration) {
  std::mt19937 random(21);
  GuideOptions options = wordOptions();
  options.lm = arpa(tinyArpa);
  options.alpha = 0.7;
  options.beta = 0.9;
  options.unkScore = -3;
  const BeamGuide guide(options);
  for (int round = 0; round < 10; ++round) {
    const Frames scores = randomFrames(random, 6, 4, 1);
    BeamProblem problem = unbounded();
    problem.guide = &guide;
    const Decoded decoded = beam(scores, problem);
    const auto expected = enumerate(scores, 0);
    CHECK_EQ(decoded.paths.size(), expected.size());
    for (size_t i = 0; i < decoded.paths.size(); ++i) {
      const DecodedPath& path = decoded.paths[i];
      const double acoustic = expected.at(path.labels).total;
      CHECK_NEAR(path.logProb, acoustic, 1e-12);
      CHECK_NEAR(path.score, acoustic + handScore(*options.lm, split(path.labels), 0.7, 0.9, -3),
                 1e-6);
      if (i > 0) CHECK(decoded.paths[i - 1].score >= path.score);
    }
  }
}

TEST(beam_with_a_guide_and_a_bound_keeps_the_best) {
  // A wide bounded beam finds what the unbounded one ranks first, though pruning looks at bounds.
  std::mt19937 random(22);
  GuideOptions options = wordOptions();
  options.lm = arpa(tinyArpa);
  options.alpha = 1.5;
  options.beta = 4;  // rewards long outputs, against the order of labels
  options.hotwords = {{"ba", 3.0}, {"ab ba", 2.0}};
  const BeamGuide guide(options);
  for (int round = 0; round < 10; ++round) {
    const Frames scores = randomFrames(random, 7, 4, 1);
    BeamProblem problem = unbounded();
    problem.guide = &guide;
    problem.topPaths = 1;
    const Decoded exact = beam(scores, problem);
    problem.beamWidth = 1500;
    const Decoded bounded = beam(scores, problem);
    CHECK(exact.paths[0].labels == bounded.paths[0].labels);
    CHECK_NEAR(exact.paths[0].score, bounded.paths[0].score, 1e-12);
  }
}

TEST(beam_with_a_lexicon_writes_its_words_only) {
  std::mt19937 random(23);
  auto lexicon = std::make_shared<Lexicon>();
  bool added;
  for (const char* word : {"ab", "b", "aab"}) {
    lexicon->trie.addText(word, lexicon->words.add(word, &added));
  }
  GuideOptions options = wordOptions();
  options.lexicon = lexicon;
  const BeamGuide guide(options);
  for (int round = 0; round < 10; ++round) {
    const Frames scores = randomFrames(random, 6, 4, 1);
    BeamProblem problem = unbounded();
    problem.guide = &guide;
    const Decoded decoded = beam(scores, problem);
    size_t allowed = 0;
    for (const auto& [labels, sum] : enumerate(scores, 0)) {
      const auto words = split(labels);
      if (std::all_of(words.begin(), words.end(), [&](const std::string& word) {
            return lexicon->words.find(word) != WordList::none;
          })) {
        ++allowed;
      }
    }
    CHECK_EQ(decoded.paths.size(), allowed);
    for (const DecodedPath& path : decoded.paths) {
      for (const std::string& word : split(path.labels)) {
        CHECK(lexicon->words.find(word) != WordList::none);
      }
      const auto named = guide.words(path.labels);
      CHECK_EQ(named.size(), split(path.labels).size());
    }
  }
}

TEST(lexicon_spelled_with_labels_picks_homophones_by_language_model) {
  // Both words sound as 1 2; the model knows 'ba' better after <s> than 'ab' here.
  auto lexicon = std::make_shared<Lexicon>();
  lexicon->spelledWithLabels = true;
  bool added;
  const int32_t sound[] = {1, 2};
  lexicon->trie.add(sound, 2, lexicon->words.add("ba", &added));
  lexicon->trie.add(sound, 2, lexicon->words.add("ab", &added));
  GuideOptions options = wordOptions();
  options.lexicon = lexicon;
  options.lm = arpa(tinyArpa);
  options.alpha = 1;
  const BeamGuide guide(options);
  // <s> ab: -0.4; <s> ba: -1.4. Then after ab: ab ba -0.7, ab ab -0.9.
  const auto words = guide.words({1, 2, 3, 1, 2});
  CHECK_EQ(words.size(), size_t{2});
  CHECK(lexicon->words.text(words[0]) == "ab");
  CHECK(lexicon->words.text(words[1]) == "ba");
}

TEST(word_pieces_start_words) {
  auto lexicon = std::make_shared<Lexicon>();
  bool added;
  lexicon->trie.addText("abba", lexicon->words.add("abba", &added));
  GuideOptions options;
  options.tokens = {"", "ab", "ab", "ba", "a", "b"};
  options.roles = {LabelRole::inside, LabelRole::starts, LabelRole::inside,
                   LabelRole::inside, LabelRole::inside, LabelRole::inside};
  options.beta = 0;
  options.lexicon = lexicon;
  const BeamGuide guide(options);
  double score;
  const auto accepts = [&](const Labels& labels) {
    GuideState state = guide.start();
    for (const int32_t label : labels) {
      if (!guide.weigh(state, label, &score)) return false;
      state = guide.extend(state, label);
    }
    return guide.finish(state, &score);
  };
  CHECK(accepts({}));
  CHECK(accepts({1, 3}));
  CHECK(accepts({1, 5, 4}));
  CHECK(accepts({1, 3, 1, 3}));
  CHECK(!accepts({1}));
  CHECK(!accepts({1, 1}));
  CHECK(!accepts({1, 3, 3}));
}

TEST(hotwords_lend_and_earn) {
  GuideOptions options = wordOptions();
  options.hotwords = {{"ab", 10.0}};
  const BeamGuide guide(options);
  const auto scoreOf = [&](const Labels& labels, bool finished) {
    GuideState state = guide.start();
    for (const int32_t label : labels) state = guide.extend(state, label);
    double score = state.score;
    if (finished) CHECK(guide.finish(state, &score));
    return score;
  };
  CHECK_NEAR(scoreOf({1}, false), 5, 1e-12);
  CHECK_NEAR(scoreOf({1, 2}, false), 10, 1e-12);
  CHECK_NEAR(scoreOf({1, 2, 1}, false), 0, 1e-12);
  CHECK_NEAR(scoreOf({1, 2}, true), 10, 1e-12);
  CHECK_NEAR(scoreOf({1}, true), 0, 1e-12);
  CHECK_NEAR(scoreOf({2, 1, 2}, true), 0, 1e-12);  // not a whole word
  CHECK_NEAR(scoreOf({1, 2, 3, 1, 2}, true), 20, 1e-12);
  CHECK_NEAR(scoreOf({3, 1, 2, 3, 3, 1, 2, 3}, true), 20, 1e-12);

  options.tokens[3] = "c";
  options.roles[3] = LabelRole::inside;  // no delimiter: anywhere
  options.hotwords = {{"ab", 10.0}, {"b", 1.0}};
  const BeamGuide anywhere(options);
  GuideState state = anywhere.start();
  for (const int32_t label : {2, 1, 2, 1, 2}) state = anywhere.extend(state, label);
  double score;
  CHECK(anywhere.finish(state, &score));
  CHECK_NEAR(score, 23, 1e-12);
}

}  // namespace
