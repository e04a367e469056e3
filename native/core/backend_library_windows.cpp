#if defined(_WIN32)
#include <windows.h>

#include <cstdio>
#include <string>

#include "core/backend_library.h"

namespace ctc {

void* findInLibrary(const char* path, const char* name, char* problem, size_t problemBytes) {
  const auto failed = [&](const char* what) -> void* {
    std::snprintf(problem, problemBytes, "%s: %s (Windows error %lu)", path, what, GetLastError());
    return nullptr;
  };
  const int length = MultiByteToWideChar(CP_UTF8, 0, path, -1, nullptr, 0);
  std::wstring wide(static_cast<size_t>(length > 0 ? length : 1), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path, -1, wide.data(), length);
  const HMODULE library = LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
  if (library == nullptr) return failed("cannot be opened");
  const FARPROC symbol = GetProcAddress(library, name);
  return symbol == nullptr ? failed("exports no backend") : reinterpret_cast<void*>(symbol);
}

void keepLoaded() {
  HMODULE self;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     reinterpret_cast<LPCWSTR>(&keepLoaded), &self);
}

}  // namespace ctc
#endif
