// The decoders: spans in order, scores that are ranked, and for the beam search that no hypothesis
// is more probable than the sum over all of its paths.
#include <algorithm>
#include <cmath>
#include <string>

#include "../check.h"
#include "core/beam_guide.h"
#include "ctc/decode.h"
#include "fuzz_case.h"
#include "targets.h"

namespace ctc::test {
namespace {

constexpr Most mostGreedy{300, 4, 60, 0};
constexpr Most mostBeam{24, 3, 12, 0};

bool sameNumber(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

bool same(const Decoded& a, const Decoded& b) {
  return a.status == b.status && a.blankFrames == b.blankFrames &&
         std::equal(a.paths.begin(), a.paths.end(), b.paths.begin(), b.paths.end(),
                    [](const DecodedPath& x, const DecodedPath& y) {
                      return sameNumber(x.score, y.score) && sameNumber(x.logProb, y.logProb) &&
                             x.labels == y.labels && x.starts == y.starts && x.ends == y.ends &&
                             x.words == y.words &&
                             std::equal(x.confidences.begin(), x.confidences.end(),
                                        y.confidences.begin(), y.confidences.end(), sameNumber);
                    });
}

// `merged`: equal neighbours have a blank between them.
void checkPath(const LossCase& c, int64_t n, const DecodedPath& path, bool merged) {
  const size_t count = path.labels.size();
  CHECK(path.starts.size() == count && path.ends.size() == count &&
        path.confidences.size() == count);
  CHECK(!std::isnan(path.score) && !std::isnan(path.logProb));
  if (c.kind == Input::logits) CHECK(path.logProb <= 1e-9);
  int64_t free = 0;
  for (size_t i = 0; i < count; ++i) {
    CHECK(path.labels[i] >= 0 && path.labels[i] < c.classes && path.labels[i] != c.blank);
    CHECK(path.starts[i] >= free);
    if (merged && i > 0 && path.labels[i] == path.labels[i - 1]) CHECK(path.starts[i] > free);
    CHECK(path.ends[i] > path.starts[i]);
    free = path.ends[i];
    CHECK(path.confidences[i] >= 0);
    if (c.kind == Input::logits) CHECK(path.confidences[i] <= 1 + 1e-9);
  }
  CHECK(free <= c.lengths[static_cast<size_t>(n)]);
}

// A length or the blank is anything; the others of a case are not looked at here.
template <class Problem, class Run>
void checkRefusal(const LossCase& c, Bytes& bytes, Problem problem, const Run& run) {
  std::vector<int64_t> lengths = c.lengths;
  if (!lengths.empty()) {
    lengths[static_cast<size_t>(bytes.below(c.utterances()))] = bytes.integer();
  }
  if (bytes.flag()) problem.blank = static_cast<int32_t>(bytes.integer());
  problem.inputLengths = lengths.data();
  bool inRange = problem.blank >= 0 && problem.blank < c.classes;
  for (const int64_t length : lengths) inRange = inRange && length >= 0 && length <= c.frames;
  CHECK_EQ(run(problem) == Result::ok, inRange);
}

constexpr char smallArpa[] =
    "\\data\\\nngram 1=6\nngram 2=4\nngram 3=1\n\\1-grams:\n-1.0 <unk>\n-99 <s> -0.5\n-0.8 </s>\n"
    "-0.6 a -0.3\n-0.9 ab 0.4\n-1.5 b -0.2\n\\2-grams:\n-0.4 <s> ab -0.1\n-0.7 ab b\n-0.2 b a\n"
    "-0.1 a </s>\n\\3-grams:\n-0.05 <s> ab b\n\\end\\\n";
constexpr char closedArpa[] =  // neither <s> nor <unk>
    "\\data\\\nngram 1=2\n\\1-grams:\n-0.3 a\n-0.5 bc\n\\end\\\n";

std::shared_ptr<const NGramModel> model(const char* text) {
  ArpaReader reader;
  CHECK(reader.feed(text, std::string(text).size()));
  return reader.finish();
}

std::string readText(Bytes& bytes, int64_t least) {
  std::string text;
  for (int64_t length = bytes.between(least, 3); length > 0; --length) {
    text += "abc \xc3\xa9"[bytes.below(6)];
  }
  return text;
}

GuideOptions readGuide(Bytes& bytes, const LossCase& c) {
  static const std::shared_ptr<const NGramModel> models[] = {nullptr, model(smallArpa),
                                                             model(closedArpa)};
  GuideOptions options;
  const bool words = bytes.flag();
  for (int64_t label = 0; label < c.classes; ++label) {
    options.tokens.push_back(label == c.blank ? "" : readText(bytes, 0));
    options.roles.push_back(words ? static_cast<LabelRole>(bytes.below(3)) : LabelRole::inside);
  }
  options.lm = models[bytes.below(3)];
  if (bytes.oneIn(2)) {
    const auto lexicon = std::make_shared<Lexicon>();
    lexicon->spelledWithLabels = bytes.flag();
    for (int64_t count = bytes.below(6); count > 0; --count) {
      bool added;
      const std::string text = readText(bytes, 1);
      const int32_t word = lexicon->words.add(text, &added);
      if (!lexicon->spelledWithLabels) {
        lexicon->trie.addText(text, word);
        continue;
      }
      Labels spelling(static_cast<size_t>(bytes.between(1, 4)));
      for (int32_t& label : spelling) label = static_cast<int32_t>(bytes.below(c.classes));
      lexicon->trie.add(spelling.data(), static_cast<int64_t>(spelling.size()), word);
    }
    options.lexicon = lexicon;
  }
  for (int64_t count = bytes.below(4); count > 0; --count) {
    options.hotwords.emplace_back(readText(bytes, 1), bytes.bits<int8_t>() / 8.0);
  }
  options.unit = static_cast<LmUnit>(bytes.below(2));
  options.alpha = bytes.bits<int8_t>() / 16.0;
  options.beta = bytes.bits<int8_t>() / 16.0;
  options.unkScore = bytes.bits<int8_t>();
  options.sentenceBoundary = bytes.flag();
  return options;
}

BeamProblem readBeam(Bytes& bytes) {
  BeamProblem problem;
  constexpr int64_t unlimited = std::numeric_limits<int64_t>::max();
  problem.beamWidth = bytes.between(1, 40);
  problem.topPaths = bytes.oneIn(4) ? unlimited : bytes.between(1, 8);
  if (bytes.oneIn(3)) problem.cutoffTopN = bytes.between(1, 12);
  if (bytes.oneIn(3)) problem.cutoffProb = static_cast<double>(bytes.between(1, 256)) / 256;
  if (bytes.oneIn(3)) problem.tokenMinLogp = -static_cast<double>(bytes.below(256)) / 8;
  if (bytes.oneIn(3)) problem.beamThreshold = static_cast<double>(bytes.below(256)) / 4;
  return problem;
}

// The log-probability of labels, summed over all paths.
double sumOf(const LossCase& c, int64_t n, const DecodedPath& path) {
  LossCase one = c;
  one.dtype = DType::float64;
  one.targets = {path.labels};
  one.lengths = {c.lengths[static_cast<size_t>(n)]};
  one.values.clear();
  for (int64_t t = 0; t < c.frames; ++t) {
    const auto row = c.values.begin() + static_cast<int64_t>(c.place(t, n, 0));
    one.values.insert(one.values.end(), row, row + c.classes);
  }
  const Outcome out = runLoss(one, {}, 1, false);
  return out.status[0] == Status::ok ? -out.losses[0] : -infinity;
}

}  // namespace

void fuzzGreedy(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  const LossCase c = readCase(bytes, mostGreedy);
  const Placed placed = place(c, readPlacement(bytes));
  std::vector<Decoded> first(c.targets.size()), second(c.targets.size());
  GreedyProblem p;
  p.input = placed.tensor;
  p.inputLengths = c.lengths.data();
  p.blank = c.blank;
  p.inputKind = c.kind;
  p.mergeRepeated = bytes.flag();
  p.decoded = first.data();
  const auto run = [](const GreedyProblem& problem) { return greedyDecode(problem); };
  if (bytes.oneIn(4)) return checkRefusal(c, bytes, p, run);
  CHECK(greedyDecode(p) == Result::ok);
  for (size_t n = 0; n < first.size(); ++n) {
    CHECK(first[n].status != Status::infeasible);
    CHECK_EQ(first[n].paths.size(), size_t{first[n].status == Status::ok ? 1U : 0U});
    CHECK(first[n].blankFrames >= 0 && first[n].blankFrames <= c.lengths[n]);
    if (first[n].status != Status::ok) continue;
    checkPath(c, static_cast<int64_t>(n), first[n].paths[0], p.mergeRepeated);
  }
  const Placed plain = place(c, {});
  p.input = plain.tensor;
  p.decoded = second.data();
  p.execution.threads = static_cast<int>(bytes.between(2, 5));
  CHECK(greedyDecode(p) == Result::ok);
  CHECK(std::equal(first.begin(), first.end(), second.begin(), same));
}

void fuzzBeam(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  const LossCase c = readCase(bytes, mostBeam);
  const Placed placed = place(c, readPlacement(bytes));
  BeamProblem p = readBeam(bytes);
  std::unique_ptr<BeamGuide> guide;
  if (bytes.flag()) guide = std::make_unique<BeamGuide>(readGuide(bytes, c));
  std::vector<Decoded> first(c.targets.size()), second(c.targets.size());
  p.input = placed.tensor;
  p.inputLengths = c.lengths.data();
  p.blank = c.blank;
  p.inputKind = c.kind;
  p.guide = guide.get();
  p.decoded = first.data();
  const auto run = [](const BeamProblem& problem) { return beamDecode(problem); };
  if (bytes.oneIn(6)) return checkRefusal(c, bytes, p, run);
  CHECK(beamDecode(p) == Result::ok);
  const bool moderate = isModerate(c);
  for (size_t n = 0; n < first.size(); ++n) {
    const std::vector<DecodedPath>& paths = first[n].paths;
    CHECK_EQ(paths.empty(), first[n].status != Status::ok);
    CHECK(static_cast<int64_t>(paths.size()) <= std::min(p.topPaths, p.beamWidth));
    for (size_t i = 0; i < paths.size(); ++i) {
      checkPath(c, static_cast<int64_t>(n), paths[i], true);
      if (i > 0) CHECK(paths[i - 1].score >= paths[i].score);
      if (!guide) CHECK_EQ(paths[i].score, paths[i].logProb);
      if (guide == nullptr || !guide->hasLexicon()) CHECK(paths[i].words.empty());
      if (!moderate) continue;
      const double sum = sumOf(c, static_cast<int64_t>(n), paths[i]);
      CHECK(paths[i].logProb <= sum + 1e-9 * (1 + std::fabs(sum)));
    }
  }
  const Placed plain = place(c, {});
  p.input = plain.tensor;
  p.decoded = second.data();
  p.execution.threads = static_cast<int>(bytes.between(2, 5));
  CHECK(beamDecode(p) == Result::ok);
  CHECK(std::equal(first.begin(), first.end(), second.begin(), same));
}

}  // namespace ctc::test
