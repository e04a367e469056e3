#include "binding/evaluate.h"

#include <memory>
#include <mutex>
#include <vector>

#include "binding/batch.h"
#include "binding/handle.h"
#include "ctc/evaluate.h"

namespace ctc {
namespace {

struct EvaluateCall {
  static constexpr size_t arguments = 12;
  static constexpr size_t firstOutput = 5;
  EvaluateProblem problem;
  std::vector<int64_t> decodeLengths;
  std::shared_ptr<std::mutex> turn;

  Code read(napi_env env, const napi_value* values, const Batch& batch) {
    const int64_t n = batch.utterances();
    ArrayOf<double> lengths;
    turn = fromHandle<std::mutex>(env, values[4], HandleKind::turn);
    if (turn == nullptr || !readDoubles(env, values[3], &lengths) ||
        lengths.length < static_cast<size_t>(n) ||
        !readOutput(env, values[5], n, &problem.losses) ||
        !readOutput(env, values[6], n, &problem.status) ||
        !readOutput(env, values[7], n, &problem.pathStatus) ||
        !readOutput(env, values[8], n, &problem.blankFrames) ||
        !readOutput(env, values[9], n, &problem.labelCounts) ||
        !readOutput(env, values[10], n * batch.frames(), &problem.labels) ||
        !readOutput(env, values[11], n, &problem.confidences)) {
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
    const std::lock_guard<std::mutex> lock(*turn);
    return static_cast<Code>(evaluate(problem));
  }
};

napi_value newTurn(napi_env env, napi_callback_info) {
  try {
    return makeHandle(env, HandleKind::turn, std::make_shared<std::mutex>(), 0);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace

void registerEvaluate(napi_env env, napi_value exports) {
  setFunction(env, exports, "newTurn", newTurn);
  setFunction(env, exports, "evaluate", callLater<EvaluateCall>);
}

}  // namespace ctc
