// One batch of random logits, for a profiler: ctc_profile T N C L repeat [loss] [logprobs]
// [threads=K] [float16 | bfloat16]. Prints processor and wall time of a repetition, least and
// median. With repeat 0 only the inputs are made, so that two runs' difference in instructions is
// the loss's own.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <vector>

#include "cpu/dispatch.h"
#include "cpu/float16.h"
#include "ctc/loss.h"

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: ctc_profile T N C L repeat [loss] [logprobs] [threads=K]\n");
    return 2;
  }
  const int64_t frames = std::atoll(argv[1]), utterances = std::atoll(argv[2]);
  const int64_t classes = std::atoll(argv[3]), labelCount = std::atoll(argv[4]);
  const long repeat = std::atol(argv[5]);
  bool gradient = true;
  ctc::DType dtype = ctc::DType::float32;
  ctc::LossProblem problem;
  for (int i = 6; i < argc; ++i) {
    if (std::strcmp(argv[i], "loss") == 0) gradient = false;
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
  std::vector<double> times, walls;
  for (long i = 0; i < repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t begin = std::clock();
    if (ctc::loss(problem) != ctc::Result::ok) return 1;
    times.push_back(static_cast<double>(std::clock() - begin) * 1e3 / CLOCKS_PER_SEC);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    walls.push_back(wall.count() * 1e3);
  }
  if (times.empty()) return 0;
  double sum = 0;
  for (const double loss : losses) sum += loss;
  std::sort(times.begin(), times.end());
  std::sort(walls.begin(), walls.end());
  std::printf("%s: %.4f ms at least, median %.4f; wall %.4f, %.4f; loss %.9g\n", ctc::activeIsa(),
              times[0], times[times.size() / 2], walls[0], walls[walls.size() / 2], sum);
  return 0;
}
