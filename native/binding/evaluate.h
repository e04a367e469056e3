#pragma once

#include <node_api.h>

namespace ctc {

// Adds
//
// newTurn(): a handle; jobs with the same one compute one after another. The next one waits for its
// turn on a thread of libuv's pool, so that no core is idle until JavaScript hears of the last one.
//
// and, as a job that returns a promise of a Code (or the Code when nothing started):
//
// evaluate(plan, labels, input, decodeLengths, turn, losses, status, pathStatus, blankFrames,
//          labelCounts, pathLabels, confidences)
//   decodeLengths: N numbers. Outputs as in ctc/evaluate.h; they may be longer than needed.
//
// Outputs must not be reachable for the caller until the promise settles.
void registerEvaluate(napi_env env, napi_value exports);

}  // namespace ctc
