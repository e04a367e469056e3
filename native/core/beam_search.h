// Prefix beam search over one utterance. The object is a workspace: used again for the next
// utterance, it allocates nothing once its vectors have grown.
#pragma once

#include <cstdint>
#include <vector>

#include "core/beam_guide.h"
#include "core/beam_number.h"
#include "core/beam_prefix.h"
#include "core/rows.h"
#include "ctc/decode.h"

namespace ctc {

class BeamSearch {
 public:
  explicit BeamSearch(const BeamProblem& problem);

  // False: cancelled.
  bool run(int64_t utterance, Decoded* decoded);

 private:
  // The best single path of a hypothesis that ends in a given way, for the time spans.
  struct Trail {
    double logProb;
    int32_t done;   // chain of the labels before the last, -1: none
    int32_t start;  // of the last label
    int32_t end;    // of the last label; unused while it is still sounding
  };

  struct Hypothesis {
    int32_t node;
    int32_t label;               // the last one, -1 for the empty prefix
    BeamNumber blank, sounding;  // probability of the paths that end in a blank, in the label
    Trail blankTrail, soundingTrail;
    double logTotal;
    double score;  // logTotal and what the guide adds
  };

  // Something that may be in the next beam. Equal scores: the lower sequence wins, so a hypothesis
  // goes before its extensions, a better parent's before a worse one's, a better label's first.
  struct Candidate {
    double score;
    int64_t sequence;
    int32_t from;   // position in the beam
    int32_t label;  // -1: the hypothesis itself, one frame later
  };

  struct Closed {  // a label whose frames are known; a list through `previous`
    int32_t previous;
    int32_t start;
    int32_t end;
  };

  struct Better {
    bool operator()(const Candidate& a, const Candidate& b) const {
      return a.score > b.score || (a.score == b.score && a.sequence < b.sequence);
    }
  };

  void begin();
  void limitLabels();
  void stay();
  void sortLabels();
  void raiseThreshold();
  int64_t countAbove(double score) const;
  void propose();
  void offer(const Candidate& candidate);
  void tighten();
  void keepBest();
  void advance();
  void sweepClosed();
  void finish(int64_t utterance, int64_t frames, Decoded* decoded);
  void tracePath(const Hypothesis& hypothesis, int64_t utterance, int64_t frames,
                 DecodedPath* path) const;

  double rise(const Hypothesis& hypothesis) const {
    return guide_ ? guide_->largestRise(guideStates_[hypothesis.node]) : 0;
  }
  BeamNumber probability(int32_t label);
  Trail trailFromParent(const Hypothesis& parent, int32_t label);
  std::vector<int32_t> labelsOf(int32_t node) const;

  const BeamProblem& problem_;
  const BeamGuide* guide_;
  PrefixTrie trie_;
  std::vector<GuideState> guideStates_;  // per trie node
  std::vector<Hypothesis> beam_, next_, stayed_;
  std::vector<Candidate> candidates_;
  double threshold_ = 0;  // what a candidate must exceed to be of use
  double best_ = 0;
  // raiseThreshold()'s: scores of the beam and of labels, both falling, and what is no extension.
  std::vector<double> heads_, tails_, excluded_;

  int32_t frame_ = 0;
  std::vector<double> row_;                // [C] log-probabilities of the frame
  std::vector<BeamNumber> probabilities_;  // [C], made when first used in a frame
  std::vector<int32_t> probabilityFrame_;  // [C]
  std::vector<int32_t> order_;             // labels that may follow, the most probable first
  std::vector<int64_t> taken_;  // [C]: stamp of the hypothesis whose child is in the beam already
  int64_t stamp_ = 0;
  std::vector<int32_t> firstChild_, nextChild_;  // parents and children in the beam, by position
  std::vector<uint8_t> kept_;                    // by position
  std::vector<Normalisation> normalisations_;    // [T]
  std::vector<Closed> closed_;
  size_t closedLimit_ = 0;
  std::vector<int32_t> remap_;
};

}  // namespace ctc
