#if !defined(_WIN32)
#include <dlfcn.h>

#include <cstdio>

#include "core/backend_library.h"

namespace ctc {

void* findInLibrary(const char* path, const char* name, char* problem, size_t problemBytes) {
  const auto failed = [&]() -> void* {
    const char* const error = dlerror();
    std::snprintf(problem, problemBytes, "%s", error == nullptr ? "cannot be opened" : error);
    return nullptr;
  };
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return failed();
  void* const symbol = dlsym(library, name);
  return symbol == nullptr ? failed() : symbol;
}

void keepLoaded() {
  Dl_info self;
  // Once more, and never closed. The mode is for systems that look at it alone.
  if (dladdr(reinterpret_cast<const void*>(&keepLoaded), &self) != 0) {
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

}  // namespace ctc
#endif
