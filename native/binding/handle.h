// JavaScript values that own something native: shared with the jobs that use it, freed when
// neither is left.
#pragma once

#include <node_api.h>

#include <memory>
#include <new>

namespace ctc {

enum class HandleKind : uint32_t { guide = 0x4c1d0001, lexicon, arpa, model, deviceMemory, turn };

template <class T>
struct Handle {
  HandleKind kind;
  std::shared_ptr<T> value;
  int64_t bytes;  // reported to the garbage collector
};

// Null when memory or the environment is gone.
template <class T>
napi_value makeHandle(napi_env env, HandleKind kind, std::shared_ptr<T> value, int64_t bytes) {
  auto* const handle = new (std::nothrow) Handle<T>{kind, std::move(value), bytes};
  if (handle == nullptr) return nullptr;
  const auto destroy = [](napi_env at, void* data, void*) {
    auto* const dead = static_cast<Handle<T>*>(data);
    int64_t total;
    napi_adjust_external_memory(at, -dead->bytes, &total);
    delete dead;
  };
  napi_value external;
  if (napi_create_external(env, handle, destroy, nullptr, &external) != napi_ok) {
    delete handle;
    return nullptr;
  }
  int64_t total;
  napi_adjust_external_memory(env, bytes, &total);
  return external;
}

// Null unless `external` is a handle of that kind. lib/ keeps handles in private fields, so that no
// other addon's external can come here.
template <class T>
std::shared_ptr<T> fromHandle(napi_env env, napi_value external, HandleKind kind) {
  void* data = nullptr;
  napi_valuetype type;
  if (napi_typeof(env, external, &type) != napi_ok || type != napi_external ||
      napi_get_value_external(env, external, &data) != napi_ok || data == nullptr) {
    return nullptr;
  }
  auto* const handle = static_cast<Handle<T>*>(data);
  return handle->kind == kind ? handle->value : nullptr;
}

// Lets go of what a handle owns before it is collected. False unless it is a handle of that kind.
template <class T>
bool emptyHandle(napi_env env, napi_value external, HandleKind kind) {
  void* data = nullptr;
  napi_valuetype type;
  if (napi_typeof(env, external, &type) != napi_ok || type != napi_external ||
      napi_get_value_external(env, external, &data) != napi_ok || data == nullptr ||
      static_cast<Handle<T>*>(data)->kind != kind) {
    return false;
  }
  auto* const handle = static_cast<Handle<T>*>(data);
  int64_t total;
  napi_adjust_external_memory(env, -handle->bytes, &total);
  handle->bytes = 0;
  handle->value.reset();
  return true;
}

inline bool isUndefined(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_undefined;
}

}  // namespace ctc
