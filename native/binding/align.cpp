#include "binding/align.h"

#include <vector>

#include "binding/batch.h"
#include "ctc/align.h"
#include "ctc/backend.h"
#include "ctc/lattice.h"
#include "ctc/posteriors.h"

namespace ctc {
namespace {

struct AlignCall {
  static constexpr size_t arguments = 11;
  static constexpr size_t firstOutput = 4;
  AlignProblem problem;

  Code read(napi_env env, const napi_value* values, const Batch& batch) {
    double star = 0;
    const int64_t cells = batch.utterances() * batch.frames();
    const int64_t labels = batch.labels();
    if (napi_get_value_double(env, values[3], &star) != napi_ok ||
        !(star == 0 || star == 1 || star == 2) ||
        !readOutput(env, values[4], cells, &problem.labels) ||
        !readOutput(env, values[5], cells, &problem.logProbs) ||
        !readOutput(env, values[6], labels, &problem.starts) ||
        !readOutput(env, values[7], labels, &problem.ends) ||
        !readOutput(env, values[8], labels, &problem.scores) ||
        !readOutput(env, values[9], batch.utterances(), &problem.totals) ||
        !readOutput(env, values[10], batch.utterances(), &problem.status)) {
      return Code::badArgument;
    }
    problem.star = static_cast<Star>(static_cast<int32_t>(star));
    return Code::ok;
  }

  Code run(const Batch& batch, const std::atomic<bool>* cancelled) {
    batch.describe(&problem, cancelled);
    return batch.place(
        [&] { return align(problem); },
        [&](int32_t device, Placement at) { return alignOnDevice(device, problem, at); });
  }
};

struct PosteriorCall {
  static constexpr size_t arguments = 10;
  static constexpr size_t firstOutput = 3;
  PosteriorProblem problem;
  std::vector<int64_t> matrixOffsets{0};

  Code read(napi_env env, const napi_value* values, const Batch& batch) {
    for (int64_t n = 0; n < batch.utterances(); ++n) {
      // The core refuses negative ones; here they must only not look small.
      if (batch.frames(n) < 0 || batch.frames(n) > batch.frames() || batch.labels(n) < 0 ||
          batch.labels(n) > batch.labels()) {
        return Code::badArgument;
      }
      matrixOffsets.push_back(matrixOffsets.back() + batch.frames(n) * stateCount(batch.labels(n)));
    }
    const int64_t cells = matrixOffsets.back();
    napi_valuetype alphaType = napi_undefined;
    napi_typeof(env, values[4], &alphaType);
    const int64_t wanted = alphaType == napi_undefined ? 0 : cells;
    if (!readOutput(env, values[3], cells, &problem.occupancy) ||
        !readOutput(env, values[4], wanted, &problem.alpha) ||
        !readOutput(env, values[5], wanted, &problem.beta) ||
        !readOutput(env, values[6], batch.labels(), &problem.starts) ||
        !readOutput(env, values[7], batch.labels(), &problem.ends) ||
        !readOutput(env, values[8], batch.utterances(), &problem.losses) ||
        !readOutput(env, values[9], batch.utterances(), &problem.status)) {
      return Code::badArgument;
    }
    problem.matrixOffsets = matrixOffsets.data();
    return Code::ok;
  }

  Code run(const Batch& batch, const std::atomic<bool>* cancelled) {
    batch.describe(&problem, cancelled);
    return batch.place(
        [&] { return posteriors(problem); },
        [&](int32_t device, Placement at) { return posteriorsOnDevice(device, problem, at); });
  }
};

}  // namespace

void registerAlign(napi_env env, napi_value exports) {
  setFunction(env, exports, "alignSync", callNow<AlignCall>);
  setFunction(env, exports, "align", callLater<AlignCall>);
  setFunction(env, exports, "posteriorsSync", callNow<PosteriorCall>);
  setFunction(env, exports, "posteriors", callLater<PosteriorCall>);
}

}  // namespace ctc
