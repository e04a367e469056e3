#include <cmath>
#include <vector>

#include "core/decode_batch.h"
#include "core/rows.h"
#include "ctc/decode.h"

namespace ctc {

namespace {

class BestPath {
 public:
  explicit BestPath(const GreedyProblem& problem)
      : problem_(problem), row_(problem.input.classes) {}

  bool run(int64_t utterance, Decoded* decoded) {
    decoded->status = Status::ok;
    decoded->blankFrames = 0;
    decoded->paths.assign(1, DecodedPath{});
    DecodedPath& path = decoded->paths[0];
    const int64_t frames = problem_.inputLengths[utterance];
    const std::atomic<bool>* cancelled = problem_.execution.cancelled;
    int32_t previous = problem_.blank;
    for (int64_t frame = 0; frame < frames; ++frame) {
      if (cancelled && cancelled->load()) return false;
      double largest = 0;
      const auto label =
          static_cast<int32_t>(bestClass(problem_.input, frame, utterance, row_.data(), &largest));
      if (label < 0) {
        decoded->status = Status::nonfinite;
        decoded->blankFrames = 0;
        decoded->paths.clear();
        return true;
      }
      // A blank frame's softmax is for the score alone.
      const bool wanted = problem_.scored || label != problem_.blank;
      const double logProb =
          problem_.inputKind == Input::logProbs ? largest
          : wanted ? 0 - frameLogSum(problem_.input, frame, utterance, row_.data(), largest)
                   : 0;
      if (problem_.scored) path.logProb += logProb;
      if (label == problem_.blank) {
        ++decoded->blankFrames;
      } else {
        if (label != previous || !problem_.mergeRepeated) {
          path.labels.push_back(label);
          path.starts.push_back(frame);
          path.ends.push_back(frame);
          path.confidences.push_back(0);
        }
        path.ends.back() = frame + 1;
        path.confidences.back() += std::exp(logProb);  // a sum until the end
      }
      previous = label;
    }
    for (size_t i = 0; i < path.labels.size(); ++i) {
      path.confidences[i] /= static_cast<double>(path.ends[i] - path.starts[i]);
    }
    path.score = path.logProb;
    return true;
  }

 private:
  const GreedyProblem& problem_;
  std::vector<double> row_;
};

}  // namespace

Result greedyDecode(const GreedyProblem& problem, int64_t* badUtterance) {
  return decodeBatch(problem.input, problem.inputLengths, problem.blank, problem.execution,
                     badUtterance, [&](int64_t utterance, int) {
                       return BestPath(problem).run(utterance, &problem.decoded[utterance]);
                     });
}

}  // namespace ctc
