#include "core/align_utterance.h"

#include <algorithm>
#include <cmath>

#include "core/pool.h"
#include "core/rows.h"

namespace ctc::aligner {
namespace {

bool usesStar(const Utterance& u) {
  return std::find(u.target, u.target + u.labels, u.star) != u.target + u.labels;
}

double scoreOf(const Utterance& u, int64_t frame, int32_t label) {
  if (label == noLabel) return minusInfinity;
  if (label == u.star) return u.starScore[static_cast<size_t>(frame)];
  return readElement(u.problem->input, frame, u.index, label) -
         u.reference[static_cast<size_t>(frame)];
}

// Log of the summed exponentials of all classes but the blank, `reference` subtracted; `row` is as
// stored.
double logSumOfLabels(double* row, int64_t classes, int32_t blank, double reference) {
  row[blank] = minusInfinity;
  const double largest = finiteMax(row, classes);
  if (std::isnan(largest)) return minusInfinity;
  return largest - reference + logSumOver(row, classes, largest);
}

// Fills the per-frame numbers of frames [begin, end). False: a frame is nonfinite. row: [C],
// scratch.
bool prepareFrames(Utterance& u, const std::vector<int32_t>& used, int64_t begin, int64_t end,
                   double* row) {
  const AlignProblem& p = *u.problem;
  const bool star = !u.starScore.empty();
  for (int64_t t = begin; t < end; ++t) {
    const auto at = static_cast<size_t>(t);
    double largest = 0;
    if (p.inputKind == Input::logits || star) {
      readRow(p.input, t, u.index, row);
      largest = finiteMax(row, p.input.classes);
      if (std::isnan(largest)) return false;
    } else {
      bool masked = true;
      for (const int32_t c : used) {
        const double x = readElement(p.input, t, u.index, c);
        if (!(x < std::numeric_limits<double>::infinity())) return false;
        masked = masked && x == minusInfinity;
      }
      if (masked) return false;
    }
    if (p.inputKind == Input::logits) {
      u.reference[at] = largest;
      u.norm[at] = logSumOver(row, p.input.classes, largest);
    }
    u.blankScore[at] = readElement(p.input, t, u.index, p.blank) - u.reference[at];
    if (star) {
      const double reference = u.reference[at];
      u.starScore[at] = p.star == Star::anything
                            ? largest - reference
                            : logSumOfLabels(row, p.input.classes, p.blank, reference);
    }
  }
  return true;
}

}  // namespace

bool fits(const Utterance& u) {
  int64_t needed = u.labels;
  for (int64_t i = 1; i < u.labels; ++i) needed += !u.maySkipTo(i);
  return needed <= u.frames;
}

Stretch makeStretch(const Utterance& u, int64_t first, int64_t end) {
  Stretch stretch;
  stretch.first = first;
  stretch.count = roundUp(end - first);
  std::vector<int32_t>& classes = stretch.classes;
  for (int64_t i = first; i < first + stretch.count; ++i) classes.push_back(u.labelAt(i));
  stretch.slots = classes;
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  for (int32_t& slot : stretch.slots) {
    slot = static_cast<int32_t>(std::lower_bound(classes.begin(), classes.end(), slot) -
                                classes.begin());
  }
  return stretch;
}

void scoresOf(const Utterance& u, int64_t frame, const Stretch& stretch, double* scores) {
  for (size_t d = 0; d < stretch.classes.size(); ++d) {
    scores[d] = scoreOf(u, frame, stretch.classes[d]);
  }
}

bool prepare(Utterance& u, int threads) {
  const auto frames = static_cast<size_t>(u.frames);
  u.reference.assign(frames, 0);
  u.norm.assign(frames, 0);
  u.blankScore.assign(frames, 0);
  if (usesStar(u)) u.starScore.assign(frames, 0);
  std::vector<int32_t> used(u.target, u.target + u.labels);
  used.push_back(u.problem->blank);
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  const int64_t blocks = (u.frames + blockFrames - 1) / blockFrames;
  const int64_t classes = u.problem->input.classes;
  threads = static_cast<int>(std::min<int64_t>(threads, std::max<int64_t>(blocks, 1)));
  std::vector<double> rows(static_cast<size_t>(threads * classes));  // one a lane
  std::atomic<bool> finite{true};
  parallelFor(threads, blocks, [&](int64_t block, int lane) {
    if (!finite.load(std::memory_order_relaxed) || isCancelled(*u.problem)) return;
    const int64_t begin = block * blockFrames;
    if (!prepareFrames(u, used, begin, std::min(begin + blockFrames, u.frames),
                       rows.data() + lane * classes)) {
      finite = false;
    }
  });
  return finite;
}

}  // namespace ctc::aligner
