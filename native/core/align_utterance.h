// What the parts of the aligner share about one utterance. How it works is told in align_path.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include "cpu/viterbi.h"
#include "ctc/align.h"

namespace ctc::aligner {

constexpr double minusInfinity = -std::numeric_limits<double>::infinity();
constexpr int64_t blockFrames = 1024;
constexpr int64_t tilePositions = 512;
constexpr int32_t noLabel = -1;  // the pair of the last blank, and padding

inline int64_t roundUp(int64_t n) { return (n + sweepLanes - 1) / sweepLanes * sweepLanes; }

// Everything about one utterance that both steps read.
struct Utterance {
  const AlignProblem* problem = nullptr;
  int64_t index = 0;
  int64_t frames = 0;
  int64_t labels = 0;
  const int32_t* target = nullptr;
  int32_t star = 0;  // the label that is one; in no target where stars are off
  SweepFunction sweep = nullptr;

  // Per frame. Scores are compared as stored minus `reference`, which is exact; less `norm` they
  // are log-probabilities.
  std::vector<double> reference;
  std::vector<double> norm;
  std::vector<double> blankScore;  // reference subtracted
  std::vector<double> starScore;   // reference subtracted; empty without a star

  int64_t positions() const { return labels + 1; }
  int64_t paddedPositions() const { return roundUp(positions()); }
  int32_t labelAt(int64_t i) const { return i >= 0 && i < labels ? target[i] : noLabel; }
  // Equal neighbours need a blank between them; stars never do.
  bool maySkipTo(int64_t i) const {
    return i > 0 && i < labels && (target[i] != target[i - 1] || target[i] == star);
  }
};

// A stretch of label positions and the distinct classes that it needs.
struct Stretch {
  int64_t first = 0;
  int64_t count = 0;             // padded
  std::vector<int32_t> classes;  // distinct, sorted
  std::vector<int32_t> slots;    // [count] into classes
};

// Where one utterance's results go.
struct Output {
  int32_t* labels;
  double* logProbs;
  int64_t* starts;
  int64_t* ends;
  double* scores;
};

inline bool isCancelled(const AlignProblem& p) {
  return p.execution.cancelled && p.execution.cancelled->load(std::memory_order_relaxed);
}

// Whether there are enough frames for the labels and the blanks between repeated ones.
bool fits(const Utterance& utterance);

// Reads every frame's numbers. False: a frame is nonfinite.
bool prepare(Utterance& utterance, int threads);

// The classes that positions [first, end) need, padded to whole vectors.
Stretch makeStretch(const Utterance& utterance, int64_t first, int64_t end);

// Scores of a stretch's classes at a frame, reference subtracted.
void scoresOf(const Utterance& utterance, int64_t frame, const Stretch& stretch, double* scores);

// Writes the best path of an utterance that fits and is finite. False: cancelled. *score gets the
// path's score, -Infinity where no path has any mass (then nothing is written).
bool findPath(const Utterance& utterance, int threads, const Output& out, double* score);

}  // namespace ctc::aligner
