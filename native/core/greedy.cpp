#include "core/best_path.h"
#include "core/decode_batch.h"
#include "ctc/decode.h"

namespace ctc {

namespace {

// Labels with their frames and probabilities.
class Spans {
 public:
  explicit Spans(Decoded* decoded) : decoded_(*decoded), path_(decoded->paths[0]) {}

  void score(double logProb) { path_.logProb += logProb; }
  void blank() { ++decoded_.blankFrames; }
  void label(int32_t label, int64_t frame, double probability, bool isNew) {
    if (isNew) {
      path_.labels.push_back(label);
      path_.starts.push_back(frame);
      path_.ends.push_back(frame);
      path_.confidences.push_back(0);
    }
    path_.ends.back() = frame + 1;
    path_.confidences.back() += probability;  // a sum until finish()
  }

  void finish() {
    for (size_t i = 0; i < path_.labels.size(); ++i) {
      path_.confidences[i] /= static_cast<double>(path_.ends[i] - path_.starts[i]);
    }
    path_.score = path_.logProb;
  }

 private:
  Decoded& decoded_;
  DecodedPath& path_;
};

bool bestPath(const GreedyProblem& problem, int64_t utterance) {
  Decoded& decoded = problem.decoded[utterance];
  decoded.status = Status::ok;
  decoded.blankFrames = 0;
  decoded.paths.assign(1, DecodedPath{});
  Spans spans(&decoded);
  const PathEnd end = walkBestPath(problem, utterance, spans);
  if (end == PathEnd::cancelled) return false;
  spans.finish();
  if (end == PathEnd::nonfinite) {
    decoded.status = Status::nonfinite;
    decoded.blankFrames = 0;
    decoded.paths.clear();
  }
  return true;
}

}  // namespace

Result greedyDecode(const GreedyProblem& problem, int64_t* badUtterance) {
  return decodeBatch(problem.input, problem.inputLengths, problem.blank, problem.execution,
                     badUtterance,
                     [&](int64_t utterance, int) { return bestPath(problem, utterance); });
}

}  // namespace ctc
