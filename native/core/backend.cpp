#include "ctc/backend.h"

#include <cstdio>
#include <mutex>

#include "core/backend_library.h"

namespace ctc {
namespace {

void open(const char* path, OpenedBackend* opened) {
  char problem[384] = {};
  void* const function = findInLibrary(path, backendEntryName, problem, sizeof problem);
  if (function == nullptr) {
    std::snprintf(opened->reason, sizeof opened->reason, "%s", problem);
    return;
  }
  const Backend* const backend = reinterpret_cast<BackendEntry>(function)(backendAbi);
  if (backend == nullptr || backend->abi != backendAbi ||
      backend->problemBytes != static_cast<int32_t>(sizeof(LossProblem))) {
    std::snprintf(opened->reason, sizeof opened->reason,
                  "%.384s was built for another version of node-ctc: build it again", path);
    return;
  }
  opened->backend = backend;
}

}  // namespace

const OpenedBackend& openBackend(const char* path) {
  static OpenedBackend opened;
  static std::once_flag once;
  std::call_once(once, [&] { open(path, &opened); });
  return opened;
}

}  // namespace ctc
