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

}  // namespace ctc
#endif
