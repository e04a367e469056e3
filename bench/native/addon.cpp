// What bench/ compares with, in native code: the plain cost of memory and of a job.
#include <node_api.h>

#include <chrono>
#include <cstring>

#include "core/pool.h"

namespace {

struct View {
  char* data = nullptr;
  size_t bytes = 0;
};

bool readView(napi_env env, napi_value value, View* view) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return false;
  }
  view->data = static_cast<char*>(data);
  view->bytes = length;
  return true;
}

// copy(from: Uint8Array, to: Uint8Array, threads, repeat): seconds for one read of `from` and one
// write of `to`, by the C library's own copy, on the pool that the losses are computed on.
napi_value copy(napi_env env, napi_callback_info info) {
  napi_value values[4];
  size_t count = 4;
  View from, to;
  int32_t threads = 0, repeat = 0;
  if (napi_get_cb_info(env, info, &count, values, nullptr, nullptr) != napi_ok || count != 4 ||
      !readView(env, values[0], &from) || !readView(env, values[1], &to) ||
      napi_get_value_int32(env, values[2], &threads) != napi_ok ||
      napi_get_value_int32(env, values[3], &repeat) != napi_ok || to.bytes < from.bytes ||
      threads < 1 || repeat < 1) {
    napi_throw_type_error(env, nullptr, "copy(from, to, threads, repeat)");
    return nullptr;
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int32_t i = 0; i < repeat; ++i) {
    ctc::parallelFor(threads, threads, [&](int64_t task, int) {
      const size_t first = from.bytes / static_cast<size_t>(threads) * static_cast<size_t>(task);
      const size_t end =
          task + 1 == threads ? from.bytes : first + from.bytes / static_cast<size_t>(threads);
      std::memcpy(to.data + first, from.data + first, end - first);
    });
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  napi_value result = nullptr;
  napi_create_double(env, spent.count() / repeat, &result);
  return result;
}

struct Nothing {
  napi_async_work work;
  napi_deferred deferred;
};

// nothing(): a promise of undefined, by way of the thread pool and without any work.
napi_value nothing(napi_env env, napi_callback_info) {
  auto* const job = new Nothing;
  napi_value promise = nullptr, name;
  napi_create_string_utf8(env, "nothing", NAPI_AUTO_LENGTH, &name);
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_async_work(
      env, nullptr, name, [](napi_env, void*) {},
      [](napi_env inner, napi_status, void* data) {
        auto* const done = static_cast<Nothing*>(data);
        napi_value undefined;
        napi_get_undefined(inner, &undefined);
        napi_resolve_deferred(inner, done->deferred, undefined);
        napi_delete_async_work(inner, done->work);
        delete done;
      },
      job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "copy", NAPI_AUTO_LENGTH, copy, nullptr, &function);
  napi_set_named_property(env, exports, "copy", function);
  napi_create_function(env, "nothing", NAPI_AUTO_LENGTH, nothing, nullptr, &function);
  napi_set_named_property(env, exports, "nothing", function);
  return exports;
}
