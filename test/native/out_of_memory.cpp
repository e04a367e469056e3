// Every allocation of every entry point fails once: the answer is outOfMemory, or right where the
// core can do without, nothing leaks, and the next call is right. A thread that cannot be started
// only makes a call slower.
#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <vector>

#include "allocations.h"
#include "check.h"
#include "core/beam_guide.h"
#include "core/pool.h"
#include "ctc/align.h"
#include "ctc/decode.h"
#include "ctc/posteriors.h"
#include "loss_case.h"

namespace {

using namespace ctc;
using namespace ctc::test;

struct Attempt {
  bool failed = false;
  Result result = Result::ok;
  bool right = false;
  int64_t leaked = 0;
};

// One call with its n-th allocation failing (none: n < 0), on a thread of its own: what a thread
// keeps between calls starts from nothing, and is gone at the end.
Attempt attempt(int64_t n, const std::function<Result()>& call,
                const std::function<bool()>& isRight, const std::function<void()>& forget) {
  Attempt made;
  const int64_t before = liveAllocations();
  std::thread([&] {
    failAllocation(n);
    made.result = call();
    made.failed = allocationFailed();
    failAllocation(-1);
    made.right = made.result == Result::ok && isRight();
    forget();
  }).join();
  made.leaked = liveAllocations() - before;
  return made;
}

// `call` writes into memory that exists before; `forget` frees what it allocated there. Returns how
// many allocations were made to fail.
int64_t failEach(const char* name, const std::function<Result()>& call,
                 const std::function<bool()>& isRight, const std::function<void()>& forget) {
  for (int64_t n = 0; n < 100000; ++n) {
    const Attempt failing = attempt(n, call, isRight, forget);
    const Attempt next = attempt(-1, call, isRight, forget);
    const bool asItShould =
        failing.result == Result::outOfMemory || (failing.result == Result::ok && failing.right);
    if (!asItShould || failing.leaked != 0 || !next.right || next.leaked != 0) {
      fail(__FILE__, __LINE__,
           std::string(name) + ": allocation " + std::to_string(n) + " failed: result " +
               std::to_string(static_cast<int>(failing.result)) + ", " +
               std::to_string(failing.leaked) + " blocks left; then " +
               std::to_string(static_cast<int>(next.result)) +
               (next.right ? ", right, " : ", wrong, ") + std::to_string(next.leaked) + " left");
      return n;
    }
    if (!failing.failed) return n;
  }
  fail(__FILE__, __LINE__, std::string(name) + ": no end of allocations");
  return 0;
}

// A batch as the core reads it, and the labels of all utterances.
struct Batch {
  LossCase values;
  std::vector<uint8_t> bytes;
  Labels labels;
  std::vector<int64_t> offsets{0};

  explicit Batch(LossCase made)
      : values(std::move(made)), bytes(encode(values.values, values.dtype)) {
    for (const Labels& target : values.targets) {
      labels.insert(labels.end(), target.begin(), target.end());
      offsets.push_back(static_cast<int64_t>(labels.size()));
    }
  }

  Tensor tensor() const {
    Tensor tensor;
    tensor.data = bytes.data();
    tensor.dtype = values.dtype;
    tensor.frames = values.frames;
    tensor.utterances = values.utterances();
    tensor.classes = values.classes;
    tensor.frameStride = values.utterances() * values.classes;
    tensor.utteranceStride = values.classes;
    return tensor;
  }
  size_t cells() const {
    return static_cast<size_t>(values.frames * values.utterances() * values.classes);
  }
  template <class Problem>
  void describe(Problem* problem, int threads) const {
    problem->input = tensor();
    problem->inputLengths = values.lengths.data();
    problem->blank = values.blank;
    problem->execution.threads = threads;
  }
};

Batch batch(int64_t frames, DType dtype = DType::float32, int64_t utterances = 5) {
  std::mt19937 random(11);
  return Batch(randomCase(random, frames, utterances, 7, 6, dtype, 3));
}

void noMemory() {}

void checkLoss(bool gradient, int threads, int64_t frames, DType dtype) {
  const Batch in = batch(frames, dtype);
  LossProblem problem;
  in.describe(&problem, threads);
  problem.targets = {in.labels.data(), in.offsets.data()};
  std::vector<double> losses(in.values.targets.size());
  std::vector<Status> status(losses.size());
  std::vector<uint8_t> bytes(gradient ? in.cells() * bytesOf(dtype) : 0);
  problem.losses = losses.data();
  problem.status = status.data();
  if (gradient) {
    problem.gradient = {bytes.data(), problem.input.frameStride, problem.input.utteranceStride};
  }
  CHECK(loss(problem) == Result::ok);
  const auto expectedLosses = losses;
  const auto expectedBytes = bytes;
  const auto call = [&] {
    std::fill(losses.begin(), losses.end(), -1);
    std::fill(bytes.begin(), bytes.end(), uint8_t{0xa5});
    return loss(problem);
  };
  const auto isRight = [&] { return losses == expectedLosses && bytes == expectedBytes; };
  CHECK(failEach("loss", call, isRight, noMemory) >= 2);
}

bool same(const std::vector<Decoded>& a, const std::vector<Decoded>& b) {
  for (size_t n = 0; n < a.size(); ++n) {
    if (a[n].status != b[n].status || a[n].paths.size() != b[n].paths.size()) return false;
    for (size_t i = 0; i < a[n].paths.size(); ++i) {
      const DecodedPath& x = a[n].paths[i];
      const DecodedPath& y = b[n].paths[i];
      if (x.score != y.score || x.labels != y.labels || x.starts != y.starts || x.ends != y.ends ||
          x.confidences != y.confidences || x.words != y.words) {
        return false;
      }
    }
  }
  return true;
}

template <class Problem>
int64_t checkDecoding(const char* name, Problem problem, Result (*decode)(const Problem&, int64_t*),
                      size_t utterances) {
  std::vector<Decoded> decoded(utterances);
  problem.decoded = decoded.data();
  CHECK(decode(problem, nullptr) == Result::ok);
  const std::vector<Decoded> expected = decoded;
  const auto forget = [&] {
    for (Decoded& one : decoded) one = Decoded{};
  };
  forget();
  return failEach(
      name, [&] { return decode(problem, nullptr); }, [&] { return same(decoded, expected); },
      forget);
}

constexpr char arpaText[] =
    "\\data\\\n"
    "ngram 1=5\n"
    "ngram 2=3\n"
    "\n"
    "\\1-grams:\n"
    "-1.0\t<unk>\n"
    "-99\t<s>\t-0.5\n"
    "-0.8\t</s>\n"
    "-0.6\ta-word-that-is-too-long-for-any-small-string\t-0.3\n"
    "-0.9\tba\t-0.2\n"
    "\n"
    "\\2-grams:\n"
    "-0.4\t<s> ba\n"
    "-0.7\tba ba\n"
    "-0.1\tba </s>\n"
    "\n"
    "\\end\\\n";

// In two pieces, so that a line is carried over.
std::shared_ptr<const NGramModel> readArpa() {
  ArpaReader reader;
  constexpr size_t half = sizeof arpaText / 2;
  if (!reader.feed(arpaText, half) || !reader.feed(arpaText + half, sizeof arpaText - 1 - half)) {
    return nullptr;
  }
  return reader.finish();
}

std::shared_ptr<const Lexicon> readLexicon() {
  auto lexicon = std::make_shared<Lexicon>();
  for (const char* word :
       {"ba", "ab", "abba", "b", "a-word-that-is-too-long-for-any-small-string"}) {
    bool added;
    lexicon->trie.addText(word, lexicon->words.add(word, &added));
  }
  return lexicon;
}

std::shared_ptr<const BeamGuide> makeGuide() {
  GuideOptions options;
  options.lm = readArpa();
  options.lexicon = readLexicon();
  // The classes of batch(): a blank, a space, and letters.
  options.tokens = {"", " ", "a", "b", "c", "d", "e"};
  options.roles.assign(options.tokens.size(), LabelRole::inside);
  options.roles[1] = LabelRole::delimiter;
  options.hotwords.emplace_back("abba", 2.0);
  options.hotwords.emplace_back("ba", 1.0);
  options.alpha = 0.5;
  options.beta = 1;
  return std::make_shared<const BeamGuide>(std::move(options));
}

// Builds something that lives in a shared pointer.
template <class Made>
void checkMaking(const char* name, std::shared_ptr<const Made> (*make)()) {
  std::shared_ptr<const Made> made;
  const auto call = [&] {
    try {
      made = make();
      return Result::ok;
    } catch (const std::bad_alloc&) {
      return Result::outOfMemory;
    }
  };
  CHECK(failEach(
            name, call, [&] { return made != nullptr; }, [&] { made.reset(); }) >= 5);
}

}  // namespace

TEST(out_of_memory_in_the_loss) {
  for (const bool gradient : {true, false}) {
    for (const DType dtype : {DType::float32, DType::float64, DType::float16}) {
      checkLoss(gradient, 1, 30, dtype);
    }
  }
}

TEST(out_of_memory_in_the_loss_of_halved_utterances) {
  // Long enough that threads share an utterance; one lane, so that no other thread keeps memory.
  std::mt19937 random(12);
  Batch in(randomCase(random, 400, 1, 60, 40, DType::float32, 3));
  in.values.lengths[0] = 400;
  LossProblem problem;
  in.describe(&problem, 2);
  problem.targets = {in.labels.data(), in.offsets.data()};
  double value = 0;
  Status status = Status::ok;
  std::vector<float> gradient(in.cells());
  problem.losses = &value;
  problem.status = &status;
  problem.gradient = {gradient.data(), 60, 60};
  CHECK(loss(problem) == Result::ok);
  const double expected = value;
  const auto expectedGradient = gradient;
  const auto call = [&] {
    std::fill(gradient.begin(), gradient.end(), -1.0F);
    return loss(problem);
  };
  const auto isRight = [&] { return value == expected && gradient == expectedGradient; };
  CHECK(failEach("loss in halves", call, isRight, noMemory) >= 4);
}

TEST(out_of_memory_in_greedy_decoding) {
  const Batch in = batch(20);
  GreedyProblem problem;
  in.describe(&problem, 1);
  CHECK(checkDecoding<GreedyProblem>("greedy", problem, greedyDecode, 5) >= 10);
}

TEST(out_of_memory_in_beam_search) {
  const Batch in = batch(12, DType::float32, 2);
  const Batch shorter = batch(6, DType::float32, 2);
  const auto guide = makeGuide();
  for (const BeamGuide* guided : {static_cast<const BeamGuide*>(nullptr), guide.get()}) {
    BeamProblem problem;
    in.describe(&problem, 1);
    problem.beamWidth = 8;
    problem.topPaths = 3;
    problem.guide = guided;
    CHECK(checkDecoding<BeamProblem>("beam", problem, beamDecode, 2) >= 30);
    shorter.describe(&problem, 1);
    problem.cutoffTopN = 4;
    problem.beamWidth = std::numeric_limits<int64_t>::max();
    problem.beamThreshold = 4;
    CHECK(checkDecoding<BeamProblem>("wide beam", problem, beamDecode, 2) >= 30);
  }
}

TEST(out_of_memory_in_alignment) {
  const Batch in = batch(60);
  AlignProblem problem;
  in.describe(&problem, 1);
  problem.targets = {in.labels.data(), in.offsets.data()};
  std::vector<int32_t> labels(300);
  std::vector<double> logProbs(300), scores(in.labels.size()), totals(5);
  std::vector<int64_t> starts(in.labels.size()), ends(in.labels.size());
  std::vector<Status> status(5);
  problem.labels = labels.data();
  problem.logProbs = logProbs.data();
  problem.starts = starts.data();
  problem.ends = ends.data();
  problem.scores = scores.data();
  problem.totals = totals.data();
  problem.status = status.data();
  for (const Star star : {Star::none, Star::anything}) {
    problem.star = star;
    CHECK(align(problem) == Result::ok);
    const auto expected = std::make_tuple(labels, logProbs, starts, ends, scores);
    const auto call = [&] { return align(problem); };
    const auto isRight = [&] {
      return std::tie(labels, logProbs, starts, ends, scores) == expected;
    };
    CHECK(failEach("align", call, isRight, noMemory) >= 5);
  }
}

TEST(out_of_memory_in_posteriors) {
  const Batch in = batch(25);
  PosteriorProblem problem;
  in.describe(&problem, 1);
  problem.targets = {in.labels.data(), in.offsets.data()};
  std::vector<int64_t> matrices{0};
  for (size_t n = 0; n < 5; ++n) {
    const int64_t states = 2 * (in.offsets[n + 1] - in.offsets[n]) + 1;
    matrices.push_back(matrices.back() + in.values.lengths[n] * states);
  }
  const auto cells = static_cast<size_t>(matrices.back());
  std::vector<double> occupancy(cells), alpha(cells), beta(cells);
  std::vector<double> starts(in.labels.size()), ends(in.labels.size()), losses(5);
  std::vector<Status> status(5);
  problem.matrixOffsets = matrices.data();
  problem.occupancy = occupancy.data();
  problem.alpha = alpha.data();
  problem.beta = beta.data();
  problem.starts = starts.data();
  problem.ends = ends.data();
  problem.losses = losses.data();
  problem.status = status.data();
  CHECK(posteriors(problem) == Result::ok);
  const auto expected = occupancy;
  const auto call = [&] {
    std::fill(occupancy.begin(), occupancy.end(), -1);
    return posteriors(problem);
  };
  const auto isRight = [&] { return occupancy == expected; };
  CHECK(failEach("posteriors", call, isRight, noMemory) >= 5);
}

TEST(out_of_memory_in_what_guides_a_beam) {
  checkMaking<NGramModel>("ARPA", readArpa);
  checkMaking<Lexicon>("lexicon", readLexicon);
  checkMaking<BeamGuide>("guide", makeGuide);
}

TEST(out_of_memory_on_several_threads) {
  // Which thread's allocation fails is left to chance: whatever it is, the next call is right.
  const Batch in = batch(120);
  const auto guide = makeGuide();
  std::vector<Decoded> decoded(5);
  BeamProblem problem;
  in.describe(&problem, 4);
  problem.beamWidth = 8;
  problem.guide = guide.get();
  problem.decoded = decoded.data();
  CHECK(beamDecode(problem) == Result::ok);
  const std::vector<Decoded> expected = decoded;
  int refused = 0;
  for (int64_t n = 0; n < 150; ++n) {
    failAllocation(n);
    const Result result = beamDecode(problem);
    failAllocation(-1);
    refused += result == Result::outOfMemory ? 1 : 0;
    CHECK(result == Result::outOfMemory || same(decoded, expected));
    CHECK(beamDecode(problem) == Result::ok);
    CHECK(same(decoded, expected));
  }
  CHECK(refused > 20);
}

TEST(threads_that_cannot_be_started_are_done_without) {
  const auto total = [](int threads) {
    std::atomic<int64_t> sum{0};
    parallelFor(threads, 1000, [&](int64_t task, int) { sum += task; });
    return sum.load();
  };
  CHECK_EQ(total(3), 499500);
  // No memory for a thread, and then (on glibc) none for its stack: more than there can be.
  for (int n = 0; n < 4; ++n) {
    failAllocation(n);
    CHECK_EQ(total(12 + n), 499500);
    failAllocation(-1);
  }
#if defined(__GLIBC__)
  pthread_attr_t before;
  pthread_attr_t impossible;
  CHECK_EQ(pthread_getattr_default_np(&before), 0);
  CHECK_EQ(pthread_attr_init(&impossible), 0);
  CHECK_EQ(pthread_attr_setstacksize(&impossible, size_t{1} << 50), 0);
  CHECK_EQ(pthread_setattr_default_np(&impossible), 0);
  bool started = true;
  try {
    std::thread([] {}).join();
  } catch (const std::system_error&) {
    started = false;
  }
  CHECK(!started);
  CHECK_EQ(total(40), 499500);
  CHECK_EQ(pthread_setattr_default_np(&before), 0);
  CHECK_EQ(pthread_attr_destroy(&impossible), 0);
  CHECK_EQ(pthread_attr_destroy(&before), 0);
#endif
  CHECK_EQ(total(40), 499500);
}
