// What a finished search answers: the best hypotheses with their labels, frames and scores.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/beam_search.h"
#include "core/rows.h"

namespace ctc {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

std::vector<int32_t> BeamSearch::labelsOf(int32_t node) const {
  std::vector<int32_t> labels;
  for (; node != PrefixTrie::root; node = trie_[node].parent) labels.push_back(trie_[node].label);
  std::reverse(labels.begin(), labels.end());
  return labels;
}

void BeamSearch::finish(int64_t utterance, int64_t frames, Decoded* decoded) {
  std::vector<const Hypothesis*> ranked;
  for (Hypothesis& h : beam_) {
    h.score = h.logTotal;
    double guided;
    if (guide_) {
      if (!guide_->finish(guideStates_[h.node], &guided) || guided == -infinity) continue;
      h.score += guided;
    }
    ranked.push_back(&h);
  }
  const size_t paths = static_cast<size_t>(
      std::min<int64_t>(problem_.topPaths, static_cast<int64_t>(ranked.size())));
  std::partial_sort(ranked.begin(), ranked.begin() + paths, ranked.end(),
                    [this](const Hypothesis* a, const Hypothesis* b) {
                      if (a->score != b->score) return a->score > b->score;
                      return labelsOf(a->node) < labelsOf(b->node);
                    });
  if (ranked.empty()) decoded->status = Status::infeasible;
  decoded->paths.resize(paths);
  for (size_t i = 0; i < paths; ++i) {
    tracePath(*ranked[i], utterance, frames, &decoded->paths[i]);
  }
}

void BeamSearch::tracePath(const Hypothesis& hypothesis, int64_t utterance, int64_t frames,
                           DecodedPath* path) const {
  path->score = hypothesis.score;
  path->logProb = hypothesis.logTotal;
  path->labels = labelsOf(hypothesis.node);
  if (guide_ && guide_->hasLexicon()) path->words = guide_->words(path->labels);
  const int64_t count = static_cast<int64_t>(path->labels.size());
  path->starts.resize(count);
  path->ends.resize(count);
  path->confidences.resize(count);
  const bool sounding = hypothesis.soundingTrail.logProb > hypothesis.blankTrail.logProb;
  const Trail& trail = sounding ? hypothesis.soundingTrail : hypothesis.blankTrail;
  Closed span{trail.done, trail.start, sounding ? static_cast<int32_t>(frames) : trail.end};
  for (int64_t i = count - 1; i >= 0; --i) {
    path->starts[i] = span.start;
    path->ends[i] = span.end;
    double sum = 0;
    for (int64_t frame = span.start; frame < span.end; ++frame) {
      const double stored = readElement(problem_.input, frame, utterance, path->labels[i]);
      sum += std::exp(normalisations_[frame](stored));
    }
    path->confidences[i] = sum / static_cast<double>(span.end - span.start);
    if (i > 0) span = closed_[span.previous];
  }
}

}  // namespace ctc
