// Two names that a new compiler's libstdc++ headers refer to and an old system does not have.
#ifdef __linux__
#include <new>

// A flag of glibc 2.32 that saves atomic operations in programs of one thread. Node has several.
extern "C" char __libc_single_threaded;  // NOLINT(bugprone-reserved-identifier)
char __libc_single_threaded = 0;         // NOLINT(bugprone-reserved-identifier)

// NOLINTNEXTLINE(cert-dcl58-cpp)
namespace std {
[[noreturn]] void __throw_bad_array_new_length() {  // NOLINT(bugprone-reserved-identifier)
  throw bad_array_new_length();
}
}  // namespace std
#endif
