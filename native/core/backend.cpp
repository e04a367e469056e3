#include "ctc/backend.h"

#include <atomic>
#include <cstdio>

#include "core/backend_library.h"
#include "core/check.h"

namespace ctc {
namespace {

std::atomic<const Backend*> found{nullptr};

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
  found = backend;
}

}  // namespace

const OpenedBackend& openBackend(const char* path) {
  static const OpenedBackend opened = [path] {
    OpenedBackend fresh;
    open(path, &fresh);
    return fresh;
  }();
  return opened;
}

const Backend* openedBackend() { return found; }

int32_t lossOnDevice(int32_t device, const LossProblem& problem, Placement placement) {
  const Backend* const backend = openedBackend();
  if (backend == nullptr || !targetsInRange(problem.input, problem.targets, problem.inputLengths,
                                            problem.blank, nullptr)) {
    return static_cast<int32_t>(Result::badArgument);
  }
  return backend->loss(device, &problem, placement);
}

}  // namespace ctc
