#include "binding/evaluate.h"

#include <vector>

#include "binding/batch.h"
#include "ctc/evaluate.h"

namespace ctc {
namespace {

struct EvaluateCall {
  static constexpr size_t arguments = 11;
  static constexpr size_t firstOutput = 4;
  EvaluateProblem problem;
  std::vector<int64_t> decodeLengths;

  Code read(napi_env env, const napi_value* values, const Batch& batch) {
    const int64_t n = batch.utterances();
    ArrayOf<double> lengths;
    if (!readDoubles(env, values[3], &lengths) || lengths.length < static_cast<size_t>(n) ||
        !readOutput(env, values[4], n, &problem.losses) ||
        !readOutput(env, values[5], n, &problem.status) ||
        !readOutput(env, values[6], n, &problem.pathStatus) ||
        !readOutput(env, values[7], n, &problem.blankFrames) ||
        !readOutput(env, values[8], n, &problem.labelCounts) ||
        !readOutput(env, values[9], n * batch.frames(), &problem.labels) ||
        !readOutput(env, values[10], n, &problem.confidences)) {
      return Code::badArgument;
    }
    decodeLengths.resize(static_cast<size_t>(n));
    for (size_t i = 0; i < decodeLengths.size(); ++i) {
      if (!toInteger(lengths.data[i], &decodeLengths[i])) return Code::badArgument;
    }
    problem.decodeLengths = decodeLengths.data();
    return Code::ok;
  }

  Code run(const Batch& batch, const std::atomic<bool>* cancelled) {
    batch.describe(&problem, cancelled);
    return static_cast<Code>(evaluate(problem));
  }
};

}  // namespace

void registerEvaluate(napi_env env, napi_value exports) {
  setFunction(env, exports, "evaluate", callLater<EvaluateCall>);
}

}  // namespace ctc
