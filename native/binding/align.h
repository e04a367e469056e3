#pragma once

#include <node_api.h>

namespace ctc {

// Adds, each with a job form that returns a promise of a Code (or the Code when nothing started):
//
// alignSync(plan, labels, input, star, frameLabels, logProbs, starts, ends, scores, totals, status)
//   star: 0, 1 or 2 as ctc::Star. Outputs as in ctc/align.h; starts and ends are BigInt64Arrays.
// posteriorsSync(plan, labels, input, occupancy, alpha | undefined, beta | undefined, starts, ends,
//                losses, status)
//   Outputs as in ctc/posteriors.h; the utterances' matrices lie one after another.
//
// The input may be a handle of allocateDevice().
//
// Outputs must not be reachable for the caller until the promise settles.
void registerAlign(napi_env env, napi_value exports);

}  // namespace ctc
