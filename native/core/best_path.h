// The walk along an utterance's most probable classes, frame by frame; greedy.cpp and evaluate.cpp
// differ in what they keep of it.
#pragma once

#include <atomic>
#include <cmath>
#include <vector>

#include "core/rows.h"
#include "ctc/decode.h"

namespace ctc {

enum class PathEnd { reached, nonfinite, cancelled };

// Calls sink.score(logProb) for every frame when the problem is scored, sink.blank() for one whose
// best class is the blank, else sink.label(label, frame, probability, isNew).
template <class Sink>
PathEnd walkBestPath(const GreedyProblem& problem, int64_t utterance, Sink& sink) {
  std::vector<double> row(static_cast<size_t>(problem.input.classes));
  const int64_t frames = problem.inputLengths[utterance];
  const std::atomic<bool>* cancelled = problem.execution.cancelled;
  int32_t previous = problem.blank;
  for (int64_t frame = 0; frame < frames; ++frame) {
    if (cancelled && cancelled->load(std::memory_order_relaxed)) return PathEnd::cancelled;
    double largest = 0;
    const auto label =
        static_cast<int32_t>(bestClass(problem.input, frame, utterance, row.data(), &largest));
    if (label < 0) return PathEnd::nonfinite;
    // A blank frame's softmax is for the score alone.
    const bool wanted = problem.scored || label != problem.blank;
    const double logProb =
        problem.inputKind == Input::logProbs ? largest
        : wanted ? 0 - frameLogSum(problem.input, frame, utterance, row.data(), largest)
                 : 0;
    if (problem.scored) sink.score(logProb);
    if (label == problem.blank) {
      sink.blank();
    } else {
      const bool isNew = label != previous || !problem.mergeRepeated;
      sink.label(label, frame, std::exp(logProb), isNew);
    }
    previous = label;
  }
  return PathEnd::reached;
}

}  // namespace ctc
