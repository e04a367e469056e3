// Put before every source of a prebuilt Linux addon: binds to the oldest versions of the system
// libraries' functions that do the same, so that a binary built on a new distribution loads on an
// old one. scripts/prebuild.cjs checks the result.
#pragma once

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#ifdef __x86_64__
#define CTC_OLDEST "GLIBC_2.2.5"
#else
#define CTC_OLDEST "GLIBC_2.17"
#endif
// glibc 2.29 only took the SVID error handling away from these; the values are the same.
__asm__(".symver exp,exp@" CTC_OLDEST);
__asm__(".symver log,log@" CTC_OLDEST);
__asm__(".symver pow,pow@" CTC_OLDEST);
// glibc 2.34 moved these from libdl, which Node has loaded in any case, to libc.
__asm__(".symver dlopen,dlopen@" CTC_OLDEST);
__asm__(".symver dlsym,dlsym@" CTC_OLDEST);
__asm__(".symver dladdr,dladdr@" CTC_OLDEST);
__asm__(".symver dlerror,dlerror@" CTC_OLDEST);
#undef CTC_OLDEST
// std::condition_variable::wait: GCC 12 took `noexcept` away from it.
#define CTC_WAIT "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE"
__asm__(".symver " CTC_WAIT "," CTC_WAIT "@GLIBCXX_3.4.11");
#undef CTC_WAIT
#endif
