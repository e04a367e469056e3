// The addon's exports. One per function; their meaning is told where they are declared.
#include <node_api.h>

#include <algorithm>
#include <thread>

#include "binding/align.h"
#include "binding/arguments.h"
#include "binding/decode.h"
#include "binding/device.h"
#include "binding/edits.h"
#include "binding/evaluate.h"
#include "binding/job.h"
#include "binding/loss.h"
#include "binding/plan.h"
#include "core/backend_library.h"
#include "cpu/dispatch.h"

namespace ctc {
namespace {

// isa(): { active, available: string[], problem: why NODE_CTC_ISA cannot be honoured, if so }.
napi_value isa(napi_env env, napi_callback_info) {
  napi_value result;
  napi_value available;
  if (napi_create_object(env, &result) != napi_ok ||
      napi_create_array(env, &available) != napi_ok) {
    return nullptr;
  }
  const IsaList list = availableIsas();
  for (int i = 0; i < list.count; ++i) {
    napi_set_element(env, available, static_cast<uint32_t>(i), makeString(env, list.names[i]));
  }
  setValue(env, result, "active", makeString(env, activeIsa()));
  setValue(env, result, "available", available);
  if (isaProblem() != nullptr) setValue(env, result, "problem", makeString(env, isaProblem()));
  return result;
}

// defaultThreads(): how many threads this process may keep busy.
napi_value defaultThreads(napi_env env, napi_callback_info) {
  return makeNumber(env, std::max(1U, std::thread::hardware_concurrency()));
}

napi_value initialise(napi_env env, napi_value exports) {
  keepLoaded();
  if (!prepareEnvironment(env)) return exports;
  setValue(env, exports, "interfaceVersion", makeNumber(env, interfaceVersion));
  setFunction(env, exports, "lossSync", lossSync);
  setFunction(env, exports, "loss", lossAsync);
  registerAlign(env, exports);
  registerDecode(env, exports);
  registerDevice(env, exports);
  registerEdits(env, exports);
  registerEvaluate(env, exports);
  setFunction(env, exports, "newJob", newJob);
  setFunction(env, exports, "cancel", cancelJobs);
  setFunction(env, exports, "isa", isa);
  setFunction(env, exports, "defaultThreads", defaultThreads);
  return exports;
}

}  // namespace
}  // namespace ctc

NAPI_MODULE_INIT() { return ctc::initialise(env, exports); }
