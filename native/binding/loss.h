#pragma once

#include <node_api.h>

namespace ctc {

// lossSync(plan, labels, input, gradient | undefined, losses, status): a Code. On a device, input
// and gradient may be handles of its memory (binding/device.h) instead of arrays.
napi_value lossSync(napi_env env, napi_callback_info info);

// loss(...): the same off the JavaScript thread; a promise of a Code, or the Code when nothing
// started. `labels` and `plan` are copied, `input` as the plan says; `losses` and `status` must not
// be reachable for the caller until then.
napi_value lossAsync(napi_env env, napi_callback_info info);

}  // namespace ctc
