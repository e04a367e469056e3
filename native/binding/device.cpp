#include "binding/device.h"

#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "binding/arguments.h"
#include "binding/handle.h"
#include "binding/job.h"

namespace ctc {
namespace {

napi_value answer(napi_env env, int32_t code) {
  napi_value value = nullptr;
  napi_create_int32(env, code, &value);
  return value;
}

template <size_t Count>
bool readArguments(napi_env env, napi_callback_info info, napi_value (&values)[Count]) {
  size_t count = Count;
  return napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok && count == Count;
}

bool readInteger(napi_env env, napi_value value, int64_t* integer) {
  double number = 0;
  return napi_get_value_double(env, value, &number) == napi_ok && toInteger(number, integer);
}

napi_value openBackendNow(napi_env env, napi_callback_info info) {
  napi_value values[1];
  size_t length = 0;
  if (!readArguments(env, info, values) ||
      napi_get_value_string_utf8(env, values[0], nullptr, 0, &length) != napi_ok) {
    return wrongArgument(env);
  }
  const std::unique_ptr<char[]> path(new (std::nothrow) char[length + 1]);
  if (path == nullptr) return makeString(env, "not enough memory for its path");
  napi_get_value_string_utf8(env, values[0], path.get(), length + 1, &length);
  const OpenedBackend& opened = openBackend(path.get());
  return opened.backend == nullptr ? makeString(env, opened.reason) : nullptr;
}

napi_value backendDevices(napi_env env, napi_callback_info) {
  const Backend* const backend = openedBackend();
  if (backend == nullptr) return makeString(env, "no backend is open");
  char reason[256] = {};
  const int32_t count = backend->deviceCount(reason, sizeof reason);
  if (count < 1) return makeString(env, reason);
  napi_value list = nullptr;
  if (napi_create_array(env, &list) != napi_ok) return nullptr;
  for (int32_t i = 0; i < count; ++i) {
    BackendDevice device;
    backend->describe(i, &device);
    const std::string capability =
        std::to_string(device.major) + "." + std::to_string(device.minor);
    napi_value row = nullptr;
    if (napi_create_array(env, &row) != napi_ok) return nullptr;
    napi_set_element(env, row, 0, makeString(env, device.name));
    napi_set_element(env, row, 1, makeString(env, device.reason));
    napi_set_element(env, row, 2, makeNumber(env, static_cast<double>(device.memoryBytes)));
    napi_set_element(env, row, 3, makeString(env, capability.c_str()));
    napi_set_element(env, list, static_cast<uint32_t>(i), row);
  }
  return list;
}

napi_value backendErrorText(napi_env env, napi_callback_info info) {
  napi_value values[1];
  int64_t code = 0;
  if (!readArguments(env, info, values) || !readInteger(env, values[0], &code)) {
    return wrongArgument(env);
  }
  char text[256] = {};
  if (openedBackend() != nullptr) {
    openedBackend()->errorText(static_cast<int32_t>(code), text, sizeof text);
  }
  return makeString(env, text);
}

napi_value allocateDevice(napi_env env, napi_callback_info info) {
  napi_value values[2];
  int64_t device = 0;
  int64_t bytes = 0;
  if (!readArguments(env, info, values) || !readInteger(env, values[0], &device) ||
      !readInteger(env, values[1], &bytes) || openedBackend() == nullptr || bytes < 0) {
    return wrongArgument(env);
  }
  const auto place = static_cast<int32_t>(device);
  void* memory = nullptr;
  const int32_t code = openedBackend()->allocate(place, bytes, &memory);
  if (code != 0) return answer(env, code);
  try {
    auto owned = std::make_shared<DeviceMemory>(place, bytes, memory);
    napi_value handle = makeHandle(env, HandleKind::deviceMemory, std::move(owned), bytes);
    return handle == nullptr ? answer(env, static_cast<int32_t>(Code::outOfMemory)) : handle;
  } catch (const std::bad_alloc&) {
    openedBackend()->release(place, memory);
    return answer(env, static_cast<int32_t>(Code::outOfMemory));
  }
}

napi_value releaseDevice(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!readArguments(env, info, values) ||
      !emptyHandle<DeviceMemory>(env, values[0], HandleKind::deviceMemory)) {
    return wrongArgument(env);
  }
  return nullptr;
}

// A copy between a handle's memory and an array.
struct Copy {
  std::shared_ptr<DeviceMemory> memory;
  Span span;
  bool up = false;

  bool read(napi_env env, const napi_value* values) {
    memory = deviceMemoryOf(env, values[0]);
    return memory != nullptr && readSpan(env, values[1], &span) &&
           static_cast<int64_t>(span.bytes) <= memory->bytes();
  }
  Code run() const {
    const Backend& backend = *openedBackend();
    const auto bytes = static_cast<int64_t>(span.bytes);
    return static_cast<Code>(
        up ? backend.upload(memory->device(), memory->memory(), span.data, bytes)
           : backend.download(memory->device(), span.data, memory->memory(), bytes));
  }
};

class CopyJob final : public Job {
 public:
  Copy copy;
  Code run() override { return copy.run(); }
};

template <bool up>
napi_value copySync(napi_env env, napi_callback_info info) {
  napi_value values[2];
  Copy copy;
  copy.up = up;
  if (!readArguments(env, info, values) || !copy.read(env, values)) return wrongArgument(env);
  return answer(env, static_cast<int32_t>(copy.run()));
}

template <bool up>
napi_value copyAsync(napi_env env, napi_callback_info info) {
  napi_value values[2];
  std::unique_ptr<CopyJob> job(new (std::nothrow) CopyJob);
  if (job == nullptr) return answer(env, static_cast<int32_t>(Code::outOfMemory));
  job->copy.up = up;
  if (!readArguments(env, info, values) || !job->copy.read(env, values)) return wrongArgument(env);
  if (!job->hold(env, values[1])) return answer(env, static_cast<int32_t>(Code::outOfMemory));
  return Job::start(env, std::move(job), 0);
}

napi_value allocatePinned(napi_env env, napi_callback_info info) {
  napi_value values[1];
  int64_t bytes = 0;
  if (!readArguments(env, info, values) || !readInteger(env, values[0], &bytes) ||
      openedBackend() == nullptr || bytes < 0) {
    return wrongArgument(env);
  }
  void* memory = nullptr;
  const int32_t code = openedBackend()->allocatePinned(bytes, &memory);
  if (code != 0) return answer(env, code);
  std::memset(memory, 0, static_cast<size_t>(bytes));
  const auto release = [](napi_env, void* data, void*) { openedBackend()->releasePinned(data); };
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, memory, static_cast<size_t>(bytes), release, nullptr, &buffer);
  if (status == napi_ok) return buffer;
  openedBackend()->releasePinned(memory);
  return answer(env, static_cast<int32_t>(Code::noExternalMemory));
}

}  // namespace

std::shared_ptr<DeviceMemory> deviceMemoryOf(napi_env env, napi_value value) {
  return fromHandle<DeviceMemory>(env, value, HandleKind::deviceMemory);
}

void registerDevice(napi_env env, napi_value exports) {
  setFunction(env, exports, "openBackend", openBackendNow);
  setFunction(env, exports, "backendDevices", backendDevices);
  setFunction(env, exports, "backendErrorText", backendErrorText);
  setFunction(env, exports, "allocateDevice", allocateDevice);
  setFunction(env, exports, "releaseDevice", releaseDevice);
  setFunction(env, exports, "uploadSync", copySync<true>);
  setFunction(env, exports, "downloadSync", copySync<false>);
  setFunction(env, exports, "upload", copyAsync<true>);
  setFunction(env, exports, "download", copyAsync<false>);
  setFunction(env, exports, "allocatePinned", allocatePinned);
}

}  // namespace ctc
