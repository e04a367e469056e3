#pragma once

#include <node_api.h>

namespace ctc {

// Adds countTextEdits(reference, hypothesis, counts): the two structs of ctc/edits.h into the first
// 8 places of an Int32Array. False where the texts are too long for it, and for no memory.
void registerEdits(napi_env env, napi_value exports);

}  // namespace ctc
