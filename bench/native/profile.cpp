// One batch of random logits, for a profiler: ctc_profile T N C L repeat [loss] [logprobs]
// [threads=K] [float16 | bfloat16] [ceiling]. Prints processor and wall time of a repetition, least
// and median. With repeat 0 only the inputs are made, so that two runs' difference in instructions
// is the loss's own. With `ceiling`, what K threads gain over one, beside what the machine allows:
// K independent calls at once, one thread each.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <vector>

#include "core/pool.h"
#include "cpu/dispatch.h"
#include "cpu/float16.h"
#include "ctc/loss.h"

namespace {

using Values = std::vector<double>;

double median(Values values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class Work>
double wallMs(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  return spent.count() * 1e3;
}

// Runs of one thread, of independent calls at once and of `problem`'s threads, in turn. The calls
// read the same input and write where nobody else does.
void printCeiling(const ctc::LossProblem& problem, size_t outputBytes, long repeat) {
  const int32_t threads = problem.execution.threads;
  const auto utterances = static_cast<size_t>(problem.input.utterances);
  std::vector<ctc::LossProblem> alone(static_cast<size_t>(threads), problem);
  std::vector<std::vector<char>> outputs(alone.size(), std::vector<char>(outputBytes));
  std::vector<Values> losses(alone.size(), Values(utterances));
  std::vector<std::vector<ctc::Status>> status(alone.size(), std::vector<ctc::Status>(utterances));
  for (size_t i = 0; i < alone.size(); ++i) {
    alone[i].execution.threads = 1;
    if (outputBytes > 0) alone[i].gradient.data = outputs[i].data();
    alone[i].losses = losses[i].data();
    alone[i].status = status[i].data();
  }
  Values one, gain, most;
  for (long round = -1; round < repeat; ++round) {
    const double single = wallMs([&] { ctc::loss(alone[0]); });
    const double atOnce = wallMs([&] {
      ctc::parallelFor(threads, threads,
                       [&](int64_t i, int) { ctc::loss(alone[static_cast<size_t>(i)]); });
    });
    const double shared = wallMs([&] { ctc::loss(problem); });
    if (round < 0) continue;
    one.push_back(single);
    gain.push_back(single / shared);
    most.push_back(threads * single / atOnce);
  }
  std::printf("%s: one thread %.3f ms; %d threads gain %.2f, independent calls at once %.2f\n",
              ctc::activeIsa(), median(one), threads, median(gain), median(most));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: ctc_profile T N C L repeat [options]\n");
    return 2;
  }
  const int64_t frames = std::atoll(argv[1]), utterances = std::atoll(argv[2]);
  const int64_t classes = std::atoll(argv[3]), labelCount = std::atoll(argv[4]);
  const long repeat = std::atol(argv[5]);
  bool gradient = true, ceiling = false;
  ctc::DType dtype = ctc::DType::float32;
  ctc::LossProblem problem;
  for (int i = 6; i < argc; ++i) {
    if (std::strcmp(argv[i], "loss") == 0) gradient = false;
    if (std::strcmp(argv[i], "ceiling") == 0) ceiling = true;
    if (std::strcmp(argv[i], "logprobs") == 0) problem.inputKind = ctc::Input::logProbs;
    if (std::strcmp(argv[i], "float16") == 0) dtype = ctc::DType::float16;
    if (std::strcmp(argv[i], "bfloat16") == 0) dtype = ctc::DType::bfloat16;
    if (std::strncmp(argv[i], "threads=", 8) == 0) {
      problem.execution.threads = std::atoi(argv[i] + 8);
    }
  }

  std::mt19937 random(1);
  const size_t count = static_cast<size_t>(frames * utterances * classes);
  std::vector<char> logits(count * ctc::bytesOf(dtype));
  std::normal_distribution<float> normal(0, 3);
  for (size_t i = 0; i < count; ++i) {
    const float x = normal(random);
    const uint16_t narrow =
        dtype == ctc::DType::float16 ? ctc::floatToHalf(x) : ctc::floatToBrain(x);
    std::memcpy(logits.data() + i * ctc::bytesOf(dtype),
                dtype == ctc::DType::float32 ? static_cast<const void*>(&x) : &narrow,
                ctc::bytesOf(dtype));
  }
  std::vector<int32_t> labels(static_cast<size_t>(utterances * labelCount));
  for (int32_t& label : labels) {
    label = 1 + static_cast<int32_t>(random() % static_cast<uint32_t>(classes - 1));
  }
  std::vector<int64_t> offsets, lengths(static_cast<size_t>(utterances), frames);
  for (int64_t n = 0; n <= utterances; ++n) offsets.push_back(n * labelCount);
  std::vector<char> output(gradient ? logits.size() : 0);
  std::vector<double> losses(static_cast<size_t>(utterances));
  std::vector<ctc::Status> status(static_cast<size_t>(utterances));

  problem.input = {logits.data(),        dtype,   frames, utterances, classes,
                   utterances * classes, classes, 1};
  problem.targets = {labels.data(), offsets.data()};
  problem.inputLengths = lengths.data();
  if (gradient) problem.gradient = {output.data(), utterances * classes, classes};
  problem.losses = losses.data();
  problem.status = status.data();
  if (ceiling) {
    printCeiling(problem, output.size(), repeat);
    return 0;
  }
  Values times, walls;
  for (long i = 0; i < repeat; ++i) {
    const std::clock_t begin = std::clock();
    bool ok = false;
    walls.push_back(wallMs([&] { ok = ctc::loss(problem) == ctc::Result::ok; }));
    if (!ok) return 1;
    times.push_back(static_cast<double>(std::clock() - begin) * 1e3 / CLOCKS_PER_SEC);
  }
  if (times.empty()) return 0;
  double sum = 0;
  for (const double loss : losses) sum += loss;
  std::printf("%s: %.4f ms at least, median %.4f; wall %.4f, %.4f; loss %.9g\n", ctc::activeIsa(),
              *std::min_element(times.begin(), times.end()), median(times),
              *std::min_element(walls.begin(), walls.end()), median(walls), sum);
  return 0;
}
