// From frames to labels: the best path, and CTC prefix beam search with an optional language model,
// lexicon and hotwords (beam_guide.h). What every score means is told in docs/decoding.md.
#pragma once

#include <limits>
#include <vector>

#include "ctc/problem.h"

namespace ctc {

class BeamGuide;

// Labels with the frames they were emitted on; the first four arrays have one element per label.
struct DecodedPath {
  double score = 0;    // natural log; what paths are ranked by
  double logProb = 0;  // natural log of the probability of the labels (greedy: of the one path)
  std::vector<int32_t> labels;
  std::vector<int64_t> starts;      // first frame
  std::vector<int64_t> ends;        // exclusive
  std::vector<double> confidences;  // mean probability of the label over its frames
  std::vector<int32_t> words;       // with a lexicon: which of its words these are
};

// One utterance's answer. `infeasible`: the guide let no hypothesis end; no paths.
// `nonfinite`: a frame holds NaN, +Infinity, or nothing but -Infinity; no paths.
struct Decoded {
  Status status = Status::ok;
  int64_t blankFrames = 0;         // greedy only: frames whose most probable class is the blank
  std::vector<DecodedPath> paths;  // best first
};

struct GreedyProblem {
  Tensor input;
  const int64_t* inputLengths = nullptr;  // [N], each in [0, T]
  int32_t blank = 0;                      // in [0, C)
  Input inputKind = Input::logits;
  bool mergeRepeated = true;   // false: every frame that is not blank is a label of its own
  bool scored = true;          // false: logProb and score stay 0, and blank frames need no softmax
  Decoded* decoded = nullptr;  // (out) [N]
  Execution execution;
};

// The most probable class of every frame (the lowest one of equals), repeats merged, blanks
// dropped. O(T C) per utterance.
Result greedyDecode(const GreedyProblem& problem, int64_t* badUtterance = nullptr);

struct BeamProblem {
  Tensor input;
  const int64_t* inputLengths = nullptr;  // [N], each in [0, T]
  int32_t blank = 0;                      // in [0, C)
  Input inputKind = Input::logits;
  // Hypotheses kept after each frame, at least 1. Beyond 2^22 alive the result is outOfMemory.
  int64_t beamWidth = 100;
  int64_t topPaths = 1;  // hypotheses returned, at least 1
  // What a frame may emit. The blank and the most probable class are never pruned.
  int64_t cutoffTopN = std::numeric_limits<int64_t>::max();  // this many most probable classes
  double cutoffProb = 1;  // the most probable classes until their sum reaches this
  double tokenMinLogp = -std::numeric_limits<double>::infinity();
  // Hypotheses that score more than this below the frame's best are dropped.
  double beamThreshold = std::numeric_limits<double>::infinity();
  const BeamGuide* guide = nullptr;  // null: CTC probabilities alone
  Decoded* decoded = nullptr;        // (out) [N]
  Execution execution;
};

// Prefix beam search (Graves 2012, section 7.5; Hannun et al. 2014): hypotheses are label
// sequences, and every one sums the paths that collapse to it, as far as the beam held its
// prefixes. Spans come from the best single path of each hypothesis. O(T (C + B log B)) per
// utterance for typical rows without a guide, O(T C B) at worst.
Result beamDecode(const BeamProblem& problem, int64_t* badUtterance = nullptr);

}  // namespace ctc
