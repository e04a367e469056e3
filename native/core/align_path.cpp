// Viterbi alignment in two steps that need no backpointers.
//
// 1. Scores alone run forward over all frames; every `blockFrames` frames a checkpoint keeps them.
// 2. From the last block back to the first, the block's scores are computed again from its
//    checkpoint, this time all kept, and the path is followed back by asking each state which
//    predecessor is the largest. A path advances by at most one label position a frame, so only
//    `blockFrames` positions left of its end can matter: step 2 costs a small fraction of step 1.
//
// For T = 200,000 and L = 20,000 the checkpoints take 62 MB, where a table of 2 bits a state would
// take 2 GB. Short utterances are one block and skip step 1.
//
// Step 1 walks the lattice in tiles of blockFrames x tilePositions whose scores stay in L1. A tile
// needs the tile before it in time and the column of scores at its left edge, so the tiles of a
// diagonal are independent: long utterances use all threads, with the same result.
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/align_utterance.h"
#include "core/pool.h"
#include "core/rows.h"

namespace ctc::aligner {
namespace {

constexpr int64_t maxStretch = blockFrames + 2 * sweepLanes;  // positions of a block in step 2

struct Scores {
  std::vector<double> blank;
  std::vector<double> label;
  explicit Scores(int64_t count)
      : blank(static_cast<size_t>(count), minusInfinity),
        label(static_cast<size_t>(count), minusInfinity) {}
  // Before the first frame: about to enter the first blank or the first label.
  void begin() { blank[0] = 0; }
};

std::vector<double> makeSkips(const Utterance& u) {
  std::vector<double> skips(static_cast<size_t>(u.paddedPositions()), minusInfinity);
  for (int64_t i = 1; i < u.labels; ++i) {
    if (u.maySkipTo(i)) skips[static_cast<size_t>(i)] = 0;
  }
  return skips;
}

// Step 1. checkpoints[k] holds the scores before frame k * blockFrames; the last one those after
// the last frame. False: cancelled.
bool runForward(const Utterance& u, const std::vector<double>& skips, int threads,
                std::vector<Scores>& checkpoints) {
  const int64_t blocks = (u.frames + blockFrames - 1) / blockFrames;
  const int64_t columns = (u.positions() + tilePositions - 1) / tilePositions;
  std::vector<Stretch> stretches;
  for (int64_t j = 0; j < columns; ++j) {
    const int64_t first = j * tilePositions;
    stretches.push_back(makeStretch(u, first, std::min(first + tilePositions, u.positions())));
  }
  Scores current(u.paddedPositions());
  current.begin();
  // The scores at each column's right edge before each frame of a block. Two, for blocks that are
  // written while the right neighbour still reads the one before.
  std::vector<double> edges[2];
  for (auto& edge : edges) edge.assign(static_cast<size_t>(columns * blockFrames), minusInfinity);

  const auto runTile = [&](int64_t block, int64_t column) {
    const int64_t begin = block * blockFrames;
    const int64_t end = std::min(begin + blockFrames, u.frames);
    const Stretch& stretch = stretches[static_cast<size_t>(column)];
    const auto first = static_cast<size_t>(stretch.first);
    double* blank = current.blank.data() + first;
    double* label = current.label.data() + first;
    Scores& checkpoint = checkpoints[static_cast<size_t>(block)];
    std::copy_n(blank, stretch.count, checkpoint.blank.data() + first);
    std::copy_n(label, stretch.count, checkpoint.label.data() + first);
    // Cells that cannot be reached yet keep -Infinity; cells from which the end cannot be reached
    // any more, its last one before frame `begin` included, are never read by others that can.
    const bool unreached = stretch.first > end;
    const bool late = stretch.first + stretch.count < u.labels - (u.frames - begin);
    if (unreached || late) return;
    double classScores[tilePositions];
    double gathered[tilePositions];
    double* rightEdge = edges[block % 2].data() + column * blockFrames;
    const double* leftEdge = column > 0 ? rightEdge - blockFrames : nullptr;
    for (int64_t t = begin; t < end; ++t) {
      scoresOf(u, t, stretch, classScores);
      rightEdge[t - begin] = label[stretch.count - 1];
      u.sweep({classScores, stretch.slots.data(), skips.data() + first,
               u.blankScore[static_cast<size_t>(t)], leftEdge ? leftEdge[t - begin] : minusInfinity,
               blank, label, blank, label, gathered, stretch.count});
    }
  };

  for (int64_t diagonal = 0; diagonal < blocks + columns - 1; ++diagonal) {
    if (isCancelled(*u.problem)) return false;
    const int64_t firstColumn = std::max<int64_t>(0, diagonal - (blocks - 1));
    const int64_t lastColumn = std::min(columns - 1, diagonal);
    parallelFor(threads, lastColumn - firstColumn + 1, [&](int64_t task, int) {
      runTile(diagonal - (firstColumn + task), firstColumn + task);
    });
  }
  std::swap(checkpoints.back().blank, current.blank);
  std::swap(checkpoints.back().label, current.label);
  return true;
}

// Where a path is: in the label of a position, or in the blank before it.
struct State {
  int64_t position = 0;
  bool onLabel = false;
};

// Scores from position `first` on, indexed by position.
struct View {
  const double* scores;
  int64_t first;
  double operator[](int64_t position) const { return scores[position - first]; }
};

// The state after the last frame, the label winning a tie.
State lastState(const Utterance& u, View blank, View label, double* score) {
  const State afterLast{u.labels, false};
  *score = blank[u.labels];
  if (u.labels == 0 || label[u.labels - 1] < *score) return afterLast;
  *score = label[u.labels - 1];
  return {u.labels - 1, true};
}

// The state before a frame, given the one after it and the scores before it.
State previousState(const Utterance& u, State state, View blank, View label) {
  const int64_t i = state.position;
  if (!state.onLabel) {
    return i > 0 && label[i - 1] > blank[i] ? State{i - 1, true} : state;
  }
  // In the order in which they win a tie. A star leaves to its neighbours what they score as well.
  State choices[] = {state, {i, false}, {i - 1, true}};
  const int count = u.maySkipTo(i) ? 3 : 2;
  if (u.target[i] == u.star) std::rotate(choices, choices + 1, choices + count);
  State best = choices[0];
  const auto scoreOf = [&](State s) { return s.onLabel ? label[s.position] : blank[s.position]; };
  for (int k = 1; k < count; ++k) {
    if (scoreOf(choices[k]) > scoreOf(best)) best = choices[k];
  }
  return best;
}

// Room for the scores of one block of step 2; grown as needed and reused.
struct BlockScores {
  std::unique_ptr<double[]> blank;
  std::unique_ptr<double[]> label;
  int64_t capacity = 0;
  void reserve(int64_t count) {
    if (count <= capacity) return;
    blank.reset(new double[static_cast<size_t>(count)]);
    label.reset(new double[static_cast<size_t>(count)]);
    capacity = count;
  }
};

void writeFrame(const Utterance& u, int64_t t, State state, const Output& out) {
  const AlignProblem& p = *u.problem;
  const auto at = static_cast<size_t>(t);
  const int32_t label = state.onLabel ? u.target[state.position] : p.blank;
  out.labels[t] = label;
  const double score =
      label == u.star ? u.starScore[at] : readElement(p.input, t, u.index, label) - u.reference[at];
  out.logProbs[t] = score - u.norm[at];
  if (!state.onLabel) return;
  const int64_t i = state.position;
  out.starts[i] = t;  // frames come last to first
  if (out.ends[i] == 0) out.ends[i] = t + 1;
  out.scores[i] += std::exp(out.logProbs[t]);
}

// Step 2 for frames [begin, end): computes their scores again from `before` and follows the path
// from `state` after the last of them to the state before the first. With `state` null the path
// ends here, in the best last state, whose score goes to *score.
State traceBlock(const Utterance& u, const std::vector<double>& skips, const Scores& before,
                 int64_t begin, int64_t end, const State* state, BlockScores& room,
                 const Output& out, double* score) {
  const int64_t count = end - begin;
  const int64_t lastPosition = state ? state->position : u.labels;
  // The path may also end in the last label, one position left of the last blank.
  const int64_t leftmostEnd = state ? lastPosition : std::max<int64_t>(0, lastPosition - 1);
  const int64_t firstPosition = std::max<int64_t>(0, leftmostEnd - count) / sweepLanes * sweepLanes;
  const Stretch stretch = makeStretch(u, firstPosition, lastPosition + 1);
  const int64_t width = stretch.count;
  room.reserve((count + 1) * width);
  std::copy_n(before.blank.data() + firstPosition, width, room.blank.get());
  std::copy_n(before.label.data() + firstPosition, width, room.label.get());
  double classScores[maxStretch];
  double gathered[maxStretch];
  int64_t skipped = 0;  // positions from which leftmostEnd cannot be reached any more
  for (int64_t k = 0; k < count; ++k) {
    scoresOf(u, begin + k, stretch, classScores);
    const int64_t needed = leftmostEnd - (count - 1 - k) - firstPosition;
    const int64_t from = std::max<int64_t>(0, needed) / sweepLanes * sweepLanes;
    const double* blank = room.blank.get() + k * width;
    const double* label = room.label.get() + k * width;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): reserve() has made room.
    const double left = from > skipped ? label[from - 1] : minusInfinity;
    skipped = from;
    u.sweep({classScores, stretch.slots.data() + from, skips.data() + firstPosition + from,
             u.blankScore[static_cast<size_t>(begin + k)], left, blank + from, label + from,
             room.blank.get() + (k + 1) * width + from, room.label.get() + (k + 1) * width + from,
             gathered, width - from});
  }
  const auto blankBefore = [&](int64_t k) {
    return View{room.blank.get() + k * width, firstPosition};
  };
  const auto labelBefore = [&](int64_t k) {
    return View{room.label.get() + k * width, firstPosition};
  };
  State current = state ? *state : lastState(u, blankBefore(count), labelBefore(count), score);
  if (!state && *score == minusInfinity) return current;
  for (int64_t k = count - 1; k >= 0; --k) {
    writeFrame(u, begin + k, current, out);
    current = previousState(u, current, blankBefore(k), labelBefore(k));
  }
  return current;
}

}  // namespace

bool findPath(const Utterance& u, int threads, const Output& out, double* score) {
  const std::vector<double> skips = makeSkips(u);
  const int64_t blocks = (u.frames + blockFrames - 1) / blockFrames;
  BlockScores room;
  if (blocks <= 1) {
    Scores start(u.paddedPositions());
    start.begin();
    traceBlock(u, skips, start, 0, u.frames, nullptr, room, out, score);
    return true;
  }
  std::vector<Scores> checkpoints(static_cast<size_t>(blocks + 1), Scores(u.paddedPositions()));
  if (!runForward(u, skips, threads, checkpoints)) return false;
  const Scores& end = checkpoints.back();
  State state = lastState(u, {end.blank.data(), 0}, {end.label.data(), 0}, score);
  if (*score == minusInfinity) return true;
  for (int64_t block = blocks - 1; block >= 0; --block) {
    if (isCancelled(*u.problem)) return false;
    const int64_t begin = block * blockFrames;
    state = traceBlock(u, skips, checkpoints[static_cast<size_t>(block)], begin,
                       std::min(begin + blockFrames, u.frames), &state, room, out, nullptr);
  }
  return true;
}

}  // namespace ctc::aligner
