#include "ctc/evaluate.h"

#include "core/after_loss.h"
#include "core/best_path.h"
#include "core/check.h"

namespace ctc {
namespace {

// Labels alone, and the mean of their confidences; each of these is a mean over its frames.
class Labels {
 public:
  explicit Labels(int32_t* labels) : labels_(labels) {}

  void score(double) {}
  void blank() { ++blankFrames_; }
  void label(int32_t label, int64_t, double probability, bool isNew) {
    if (isNew) {
      closeLabel();
      labels_[count_++] = label;
    }
    // From 0, as greedy.cpp sums.
    probability_ += probability;
    ++frames_;
  }

  int32_t blankFrames() const { return blankFrames_; }
  int32_t count() const { return count_; }
  double confidence() {
    closeLabel();
    return count_ == 0 ? 0 : confidences_ / count_;
  }

 private:
  void closeLabel() {
    if (frames_ > 0) confidences_ += probability_ / static_cast<double>(frames_);
    probability_ = 0;
    frames_ = 0;
  }

  int32_t* labels_;
  int32_t count_ = 0;
  int32_t blankFrames_ = 0;
  double confidences_ = 0;
  double probability_ = 0;  // over the frames of the last label
  int64_t frames_ = 0;
};

class BestPaths final : public AfterLoss {
 public:
  explicit BestPaths(const EvaluateProblem& problem) : problem_(problem) {
    greedy_.input = problem.input;
    greedy_.inputLengths = problem.decodeLengths;
    greedy_.blank = problem.blank;
    greedy_.inputKind = problem.inputKind;
    greedy_.scored = false;
    greedy_.execution = problem.execution;
  }

  void run(int64_t n) override {
    Labels found(problem_.labels + n * problem_.input.frames);
    const bool ok = walkBestPath(greedy_, n, found) == PathEnd::reached;
    problem_.pathStatus[n] = ok ? Status::ok : Status::nonfinite;
    problem_.blankFrames[n] = ok ? found.blankFrames() : 0;
    problem_.labelCounts[n] = ok ? found.count() : 0;
    problem_.confidences[n] = ok ? found.confidence() : 0;
  }

 private:
  const EvaluateProblem& problem_;
  GreedyProblem greedy_;
};

}  // namespace

Result evaluate(const EvaluateProblem& problem, int64_t* badUtterance) {
  if (!lengthsInRange(problem.input, problem.decodeLengths, problem.blank, badUtterance)) {
    return Result::badArgument;
  }
  LossProblem loss;
  loss.input = problem.input;
  loss.targets = problem.targets;
  loss.inputLengths = problem.inputLengths;
  loss.blank = problem.blank;
  loss.inputKind = problem.inputKind;
  loss.losses = problem.losses;
  loss.status = problem.status;
  loss.execution = problem.execution;
  BestPaths paths(problem);
  return lossAnd(loss, &paths, badUtterance);
}

}  // namespace ctc
