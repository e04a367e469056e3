// The addon with operator new and delete of its own (allocations.cpp), for tests from JavaScript:
// NODE_CTC_BINARY names it. Beside the addon's exports it has
//   failAllocation(n)    lets the n-th allocation from now on fail; negative: none
//   allocationFailed()   whether that one was asked for
//   liveAllocations()    blocks that are allocated and not freed
#include <node_api.h>

// The addon's entry becomes an ordinary function, which the one below calls.
#undef NAPI_MODULE_INITIALIZER
#define NAPI_MODULE_INITIALIZER ctc_register_counted
#include "allocations.cpp"    // NOLINT(bugprone-suspicious-include)
#include "binding/addon.cpp"  // NOLINT(bugprone-suspicious-include)

namespace {

napi_value failAllocation(napi_env env, napi_callback_info info) {
  napi_value value;
  size_t count = 1;
  int64_t n = 0;
  if (napi_get_cb_info(env, info, &count, &value, nullptr, nullptr) != napi_ok ||
      napi_get_value_int64(env, value, &n) != napi_ok) {
    return ctc::wrongArgument(env);
  }
  ctc::test::failAllocation(n);
  return nullptr;
}

napi_value allocationFailed(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  napi_get_boolean(env, ctc::test::allocationFailed(), &result);
  return result;
}

napi_value liveAllocations(napi_env env, napi_callback_info) {
  return ctc::makeNumber(env, static_cast<double>(ctc::test::liveAllocations()));
}

}  // namespace

extern "C" NAPI_MODULE_EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  ctc_register_counted(env, exports);
  ctc::setFunction(env, exports, "failAllocation", failAllocation);
  ctc::setFunction(env, exports, "allocationFailed", allocationFailed);
  ctc::setFunction(env, exports, "liveAllocations", liveAllocations);
  return exports;
}
