// The platform's way of opening a shared library and of staying one; each platform's is a file of
// its own.
#pragma once

#include <cstddef>

namespace ctc {

// Opens the library at `path` for good and returns the address of its symbol `name`. Null on
// failure, with the platform's words for it in `problem`.
void* findInLibrary(const char* path, const char* name, char* problem, size_t problemBytes);

// Keeps the library that this code is part of loaded until the process ends. The pool's threads
// outlive the worker that loaded an addon, whose end would otherwise unload the code they run.
void keepLoaded();

}  // namespace ctc
