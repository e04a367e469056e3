#include "core/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <utility>

#include "core/rows.h"

namespace ctc {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int32_t none = -1;
constexpr size_t firstSweep = 1 << 16;
// About 1 GiB. An unbounded search is stopped here, before the machine's memory is gone.
constexpr size_t mostCandidates = size_t{1} << 22;

}  // namespace

BeamSearch::BeamSearch(const BeamProblem& problem)
    : problem_(problem),
      guide_(problem.guide),
      row_(problem.input.classes),
      probabilities_(problem.input.classes),
      probabilityFrame_(problem.input.classes),
      taken_(problem.input.classes, 0) {}

bool BeamSearch::run(int64_t utterance, Decoded* decoded) {
  const int64_t frames = problem_.inputLengths[utterance];
  decoded->status = Status::ok;
  decoded->paths.clear();
  begin();
  normalisations_.resize(frames);
  const std::atomic<bool>* cancelled = problem_.execution.cancelled;
  for (frame_ = 0; frame_ < frames; ++frame_) {
    if (cancelled && cancelled->load()) return false;
    if (!readLogProbs(problem_.input, problem_.inputKind, frame_, utterance, row_.data(),
                      &normalisations_[frame_])) {
      decoded->status = Status::nonfinite;
      return true;
    }
    limitLabels();
    stay();
    sortLabels();
    if (!guide_) raiseThreshold();
    propose();
    keepBest();
    advance();
  }
  finish(utterance, frames, decoded);
  return true;
}

void BeamSearch::begin() {
  trie_.clear();
  closed_.clear();
  closedLimit_ = firstSweep;
  std::fill(probabilityFrame_.begin(), probabilityFrame_.end(), none);
  Hypothesis empty{};
  empty.node = PrefixTrie::root;
  empty.label = none;
  empty.blank = BeamNumber::fromLog(0);
  empty.blankTrail = {0, none, none, none};
  empty.soundingTrail = {-infinity, none, none, none};
  if (guide_) {
    guideStates_.assign(1, guide_->start());
    empty.score = guideStates_[0].score;
  }
  beam_.assign(1, empty);
  trie_.hold(PrefixTrie::root);
  trie_.setSlot(PrefixTrie::root, 0);
}

BeamNumber BeamSearch::probability(int32_t label) {
  if (probabilityFrame_[label] != frame_) {
    probabilityFrame_[label] = frame_;
    probabilities_[label] = BeamNumber::fromLog(row_[label]);
  }
  return probabilities_[label];
}

// Masks the labels that the caller's limits rule out, for staying on one as well.
void BeamSearch::limitLabels() {
  const int64_t classes = problem_.input.classes;
  if (problem_.cutoffTopN >= classes && problem_.cutoffProb >= 1 &&
      problem_.tokenMinLogp == -infinity) {
    return;
  }
  order_.resize(classes);
  for (int64_t c = 0; c < classes; ++c) order_[c] = static_cast<int32_t>(c);
  const auto moreProbable = [this](int32_t a, int32_t b) {
    return row_[a] > row_[b] || (row_[a] == row_[b] && a < b);
  };
  int64_t kept = std::min(problem_.cutoffTopN, classes);
  if (kept < classes) {
    std::nth_element(order_.begin(), order_.begin() + kept, order_.end(), moreProbable);
  }
  std::sort(order_.begin(), order_.begin() + kept, moreProbable);
  double sum = 0;
  for (int64_t i = 0; i < kept; ++i) {
    const double logProb = row_[order_[i]];
    // A sum that rounding brought to 1 is no reason to drop what was not to be dropped.
    const bool reached = problem_.cutoffProb < 1 && sum >= problem_.cutoffProb;
    if (i > 0 && (reached || logProb < problem_.tokenMinLogp)) {
      kept = i;
      break;
    }
    sum += std::exp(logProb);
  }
  for (int64_t i = kept; i < classes; ++i) {
    if (order_[i] != problem_.blank) row_[order_[i]] = -infinity;
  }
}

// Every hypothesis one frame later without a new label: through a blank, through its last label
// again, or by its parent's extension, which makes the same label sequence.
void BeamSearch::stay() {
  const size_t count = beam_.size();
  candidates_.clear();
  stayed_.resize(count);
  threshold_ = -infinity;
  best_ = -infinity;
  firstChild_.assign(count, none);
  nextChild_.resize(count);
  const double logBlank = row_[problem_.blank];
  const BeamNumber blank = probability(problem_.blank);
  for (size_t i = 0; i < count; ++i) {
    const Hypothesis& old = beam_[i];
    Hypothesis& now = stayed_[i];
    now = old;
    now.blank = (old.blank + old.sounding) * blank;
    if (old.blankTrail.logProb < old.soundingTrail.logProb) {
      now.blankTrail = old.soundingTrail;
      now.blankTrail.end = frame_;
    }
    now.blankTrail.logProb += logBlank;
    if (old.label != none) {
      const double logLabel = row_[old.label];
      BeamNumber before = old.sounding;
      const int32_t parentAt = trie_[trie_[old.node].parent].slot;
      if (parentAt != none) {
        nextChild_[i] = firstChild_[parentAt];
        firstChild_[parentAt] = static_cast<int32_t>(i);
        const Hypothesis& parent = beam_[parentAt];
        double parentTrail = parent.blankTrail.logProb;
        before = before + parent.blank;
        if (parent.label != old.label) {
          before = before + parent.sounding;
          parentTrail = std::max(parentTrail, parent.soundingTrail.logProb);
        }
        if (parentTrail > old.soundingTrail.logProb) {
          now.soundingTrail = trailFromParent(parent, old.label);
        }
      }
      now.sounding = before * probability(old.label);
      now.soundingTrail.logProb += logLabel;
    }
    now.logTotal = (now.blank + now.sounding).log();
    if (now.logTotal == -infinity) continue;
    now.score = now.logTotal + (guide_ ? guideStates_[now.node].score : 0);
    best_ = std::max(best_, now.score);
    candidates_.push_back({now.score, static_cast<int64_t>(i), static_cast<int32_t>(i), none});
  }
  if (static_cast<int64_t>(candidates_.size()) >= problem_.beamWidth) {
    threshold_ = infinity;
    for (const Candidate& c : candidates_) threshold_ = std::min(threshold_, c.score);
  }
  tighten();
}

// The trail of `parent` extended by a new label, before the label's own probability.
BeamSearch::Trail BeamSearch::trailFromParent(const Hypothesis& parent, int32_t label) {
  const bool sounding =
      parent.label != label && parent.soundingTrail.logProb > parent.blankTrail.logProb;
  const Trail& from = sounding ? parent.soundingTrail : parent.blankTrail;
  int32_t done = none;
  if (parent.label != none) {
    done = static_cast<int32_t>(closed_.size());
    closed_.push_back({from.done, from.start, sounding ? frame_ : from.end});
  }
  return {from.logProb, done, frame_, none};
}

// The labels that can still lift some hypothesis above the threshold, the most probable first and
// the lower of equals first.
void BeamSearch::sortLabels() {
  double highest = -infinity;
  for (const Hypothesis& h : beam_) highest = std::max(highest, h.score + rise(h));
  order_.clear();
  for (int32_t c = 0; c < static_cast<int32_t>(row_.size()); ++c) {
    if (c == problem_.blank || row_[c] == -infinity) continue;
    if (highest + row_[c] > threshold_) order_.push_back(c);
  }
  const auto moreProbable = [this](int32_t a, int32_t b) {
    return row_[a] > row_[b] || (row_[a] == row_[b] && a < b);
  };
  // Of a hypothesis's extensions by one label more than this, beamWidth are better and new: those
  // that are in the beam already are fewer than beamWidth, and one repeats its last label.
  const int64_t useful =
      problem_.beamWidth < (int64_t{1} << 30) ? 2 * problem_.beamWidth + 1 : problem_.beamWidth;
  if (!guide_ && static_cast<int64_t>(order_.size()) > useful) {
    std::nth_element(order_.begin(), order_.begin() + useful, order_.end(), moreProbable);
    order_.resize(useful);
  }
  std::sort(order_.begin(), order_.end(), moreProbable);
}

// Candidates that score more, or fewer: heads_ are rounded down where they do not fall.
int64_t BeamSearch::countAbove(double score) const {
  int64_t count = 0;
  for (const Candidate& stays : candidates_) count += stays.score > score ? 1 : 0;
  for (const double sum : excluded_) count -= sum > score ? 1 : 0;
  size_t reach = tails_.size();
  for (const double head : heads_) {
    while (reach > 0 && !(head + tails_[reach - 1] > score)) --reach;
    if (reach == 0) break;
    count += static_cast<int64_t>(reach);
  }
  return count;
}

// Without a guide an extension's score is a sum of two that are sorted, so one walk counts those
// above a given score. Bisects for a score that beamWidth candidates exceed, and not many more:
// the others need not be looked at.
void BeamSearch::raiseThreshold() {
  const int64_t width = problem_.beamWidth;
  if (static_cast<int64_t>(beam_.size() * (order_.size() + 1)) <= width) return;
  heads_.clear();
  tails_.clear();
  excluded_.clear();
  double least = infinity;
  for (const Hypothesis& h : beam_) {
    least = std::min(least, h.logTotal);
    heads_.push_back(least);
    if (h.label == none) continue;
    excluded_.push_back(h.logTotal + row_[h.label]);  // scores less: only paths that end in blank
    const int32_t parentAt = trie_[trie_[h.node].parent].slot;
    if (parentAt != none) excluded_.push_back(beam_[parentAt].logTotal + row_[h.label]);
  }
  for (const int32_t label : order_) tails_.push_back(row_[label]);
  double low = std::max(threshold_, heads_.back() + tails_.back() - 1);
  double high = std::max(best_, heads_.front() + tails_.front());
  constexpr int steps = 16;
  for (int step = 0; step < steps && low < high; ++step) {
    const double middle = low + (high - low) / 2;
    const int64_t count = countAbove(middle);
    if (count < width) {
      high = middle;
      continue;
    }
    low = middle;
    threshold_ = std::max(threshold_, middle);
    if (count <= width + width / 4) return;
  }
}

void BeamSearch::tighten() {
  if (problem_.beamThreshold == infinity) return;
  const double floor = best_ - problem_.beamThreshold;
  threshold_ = std::max(threshold_, std::nextafter(floor, -infinity));
}

void BeamSearch::offer(const Candidate& candidate) {
  const bool unbounded = problem_.beamWidth > static_cast<int64_t>(mostCandidates);
  if (candidates_.size() == (unbounded ? 1 : 2) * mostCandidates) throw std::bad_alloc();
  candidates_.push_back(candidate);
  if (candidate.score > best_) {
    best_ = candidate.score;
    tighten();
  }
  const int64_t width = problem_.beamWidth;
  const int64_t size = static_cast<int64_t>(candidates_.size());
  if (size - width < std::max<int64_t>(width, 16)) return;
  std::nth_element(candidates_.begin(), candidates_.begin() + (width - 1), candidates_.end(),
                   Better());
  candidates_.resize(width);
  threshold_ = std::max(threshold_, candidates_.back().score);
}

// Extensions by a label that are not in the beam yet. Labels come in falling order, so the first
// one that cannot exceed the threshold ends a hypothesis's turn: about B log B of the B C pairs
// are looked at.
void BeamSearch::propose() {
  int64_t sequence = static_cast<int64_t>(beam_.size());
  for (size_t i = 0; i < beam_.size(); ++i) {
    const Hypothesis& h = beam_[i];
    const double highest = h.score + rise(h);
    ++stamp_;
    for (int32_t child = firstChild_[i]; child != none; child = nextChild_[child]) {
      taken_[beam_[child].label] = stamp_;
    }
    for (const int32_t label : order_) {
      if (highest + row_[label] <= threshold_) break;
      if (taken_[label] == stamp_) continue;
      const double logTotal = (label == h.label ? h.blank.log() : h.logTotal) + row_[label];
      double score = logTotal;
      if (guide_) {
        double guided;
        if (!guide_->weigh(guideStates_[h.node], label, &guided)) continue;
        score += guided;
      }
      if (score > threshold_ && score > -infinity) {
        offer({score, sequence, static_cast<int32_t>(i), label});
      }
      ++sequence;
    }
  }
}

void BeamSearch::keepBest() {
  const size_t width = static_cast<size_t>(
      std::min<int64_t>(problem_.beamWidth, static_cast<int64_t>(candidates_.size())));
  if (width < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + width, candidates_.end(), Better());
    candidates_.resize(width);
  }
  std::sort(candidates_.begin(), candidates_.end(), Better());
  while (!candidates_.empty() &&
         candidates_.back().score < candidates_.front().score - problem_.beamThreshold) {
    candidates_.pop_back();
  }
}

void BeamSearch::advance() {
  // Positions in these are 32 bits wide.
  constexpr size_t most = std::numeric_limits<int32_t>::max();
  if (std::max(closed_.size(), trie_.size()) + 2 * candidates_.size() > most)
    throw std::bad_alloc();
  next_.clear();
  kept_.assign(beam_.size(), 0);
  for (const Candidate& candidate : candidates_) {
    if (candidate.label == none) {
      kept_[candidate.from] = 1;
      next_.push_back(stayed_[candidate.from]);
      continue;
    }
    const Hypothesis& parent = beam_[candidate.from];
    Hypothesis made{};
    made.label = candidate.label;
    made.node = trie_.child(parent.node, made.label);
    trie_.hold(made.node);
    if (guide_) {
      guideStates_.resize(trie_.size());
      guideStates_[made.node] = guide_->extend(guideStates_[parent.node], made.label);
    }
    const BeamNumber before =
        parent.label == made.label ? parent.blank : parent.blank + parent.sounding;
    made.sounding = before * probability(made.label);
    made.blankTrail = {-infinity, none, none, none};
    made.soundingTrail = trailFromParent(parent, made.label);
    made.soundingTrail.logProb += row_[made.label];
    made.logTotal = made.sounding.log();
    made.score = made.logTotal + (guide_ ? guideStates_[made.node].score : 0);
    next_.push_back(made);
  }
  for (size_t i = 0; i < beam_.size(); ++i) {
    if (kept_[i]) continue;
    trie_.setSlot(beam_[i].node, none);
    trie_.release(beam_[i].node);
  }
  beam_.swap(next_);
  for (size_t i = 0; i < beam_.size(); ++i) {
    trie_.setSlot(beam_[i].node, static_cast<int32_t>(i));
  }
  if (closed_.size() > closedLimit_) sweepClosed();
}

// Drops the closed labels that no trail reaches. A list's tail was always made before its head, so
// one pass in order both moves and relinks.
void BeamSearch::sweepClosed() {
  remap_.assign(closed_.size(), 0);
  const auto mark = [this](const Hypothesis& h, const Trail& trail) {
    if (h.label == none) return;
    for (int32_t at = trail.done; at != none && remap_[at] == 0; at = closed_[at].previous) {
      remap_[at] = 1;
    }
  };
  for (const Hypothesis& h : beam_) {
    mark(h, h.blankTrail);
    mark(h, h.soundingTrail);
  }
  int32_t live = 0;
  for (size_t at = 0; at < closed_.size(); ++at) {
    if (remap_[at] == 0) continue;
    Closed moved = closed_[at];
    if (moved.previous != none) moved.previous = remap_[moved.previous];
    closed_[live] = moved;
    remap_[at] = live++;
  }
  closed_.resize(live);
  for (Hypothesis& h : beam_) {
    if (h.blankTrail.done != none) h.blankTrail.done = remap_[h.blankTrail.done];
    if (h.soundingTrail.done != none) h.soundingTrail.done = remap_[h.soundingTrail.done];
  }
  closedLimit_ = std::max(firstSweep, 2 * static_cast<size_t>(live));
}

}  // namespace ctc
