#pragma once

#include <node_api.h>

namespace ctc {

// Adds, as a job that returns a promise of a Code (or the Code when nothing started):
//
// evaluate(plan, labels, input, decodeLengths, losses, status, pathStatus, blankFrames,
// labelCounts,
//          pathLabels, confidences)
//   decodeLengths: N numbers. Outputs as in ctc/evaluate.h; they may be longer than needed.
//
// Outputs must not be reachable for the caller until the promise settles.
void registerEvaluate(napi_env env, napi_value exports);

}  // namespace ctc
