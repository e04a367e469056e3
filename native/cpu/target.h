// Compiles a region for one instruction set whatever the file's flags are, so that every body is in
// every binary and the choice is made at run time. MSVC needs no permission to use intrinsics.
#pragma once

#if defined(__clang__)
#define CTC_PRAGMA(x) _Pragma(#x)
#define CTC_TARGET_REGION(isa) \
  CTC_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define CTC_END_TARGET_REGION _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#define CTC_PRAGMA(x) _Pragma(#x)
#define CTC_TARGET_REGION(isa) _Pragma("GCC push_options") CTC_PRAGMA(GCC target(isa))
#define CTC_END_TARGET_REGION _Pragma("GCC pop_options")
#else
#define CTC_TARGET_REGION(isa)
#define CTC_END_TARGET_REGION
#endif

#if defined(__CUDACC__)
#define CTC_INLINE __host__ __device__ __forceinline__
#elif defined(_MSC_VER) && !defined(__clang__)
#define CTC_INLINE __forceinline
#else
#define CTC_INLINE inline __attribute__((always_inline))
#endif

#if defined(__x86_64__) || defined(_M_X64)
#define CTC_X86_64 1
#else
#define CTC_X86_64 0
#endif

#if defined(__aarch64__) || defined(_M_ARM64)
#define CTC_ARM64 1
#else
#define CTC_ARM64 0
#endif

// Lambdas in a hot loop: an attribute on the lambda itself, where a compiler takes one there.
#if defined(_MSC_VER) && !defined(__clang__)
#define CTC_LAMBDA
#else
#define CTC_LAMBDA __attribute__((always_inline))
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define CTC_PREFETCH(p) _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0)
#define CTC_POPCOUNT(x) static_cast<int>(__popcnt(x))
#else
#define CTC_PREFETCH(p) __builtin_prefetch(p, 0, 3)
#define CTC_POPCOUNT(x) __builtin_popcount(x)
#endif
