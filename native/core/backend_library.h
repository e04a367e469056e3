// The platform's way of opening a shared library; each platform's is a file of its own.
#pragma once

#include <cstddef>

namespace ctc {

// Opens the library at `path` for good and returns the address of its symbol `name`. Null on
// failure, with the platform's words for it in `problem`.
void* findInLibrary(const char* path, const char* name, char* problem, size_t problemBytes);

}  // namespace ctc
