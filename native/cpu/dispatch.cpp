#include "cpu/dispatch.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "cpu/target.h"

#if CTC_X86_64 && defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace ctc {

extern const Kernels baselineKernels;
#if CTC_X86_64
extern const Kernels avx2Kernels;
extern const Kernels avx512Kernels;
#endif
#if CTC_ARM64
extern const Kernels neonKernels;
#endif

namespace {

#if CTC_X86_64
#if defined(_MSC_VER) && !defined(__clang__)
// The processor's flags count only where the system saves the wide registers.
bool has(int leaf1Ecx, int leaf7Ebx, unsigned long long saved) {
  int r[4];
  __cpuid(r, 0);
  if (r[0] < 7) return false;
  __cpuid(r, 1);
  const int needed = leaf1Ecx | (1 << 27);
  if ((r[2] & needed) != needed || (_xgetbv(0) & saved) != saved) return false;
  __cpuidex(r, 7, 0);
  return (r[1] & leaf7Ebx) == leaf7Ebx;
}
bool hasAvx2() { return has((1 << 12) | (1 << 29), (1 << 5) | (1 << 3) | (1 << 8), 0x6); }
bool hasAvx512() {
  return hasAvx2() && has(0, (1 << 16) | (1 << 17) | (1 << 30) | static_cast<int>(1u << 31), 0xE6);
}
#else
bool hasAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2");
}
bool hasAvx512() {
  return hasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif
#endif

struct Choice {
  const Kernels* available[4];
  int count = 0;
  const Kernels* active = nullptr;
  std::string problem;

  Choice() {
#if CTC_X86_64
    if (hasAvx512()) available[count++] = &avx512Kernels;
    if (hasAvx2()) available[count++] = &avx2Kernels;
#endif
#if CTC_ARM64
    available[count++] = &neonKernels;
#endif
    available[count++] = &baselineKernels;
    active = available[0];
    const char* const forced = std::getenv("NODE_CTC_ISA");
    if (forced == nullptr || *forced == '\0') return;
    std::string names;
    for (int i = 0; i < count; ++i) {
      if (std::strcmp(forced, available[i]->name) == 0) {
        active = available[i];
        return;
      }
      names += std::string(i == 0 ? "" : ", ") + available[i]->name;
    }
    problem = std::string("NODE_CTC_ISA is '") + forced + "'; this processor can run " + names;
  }
};

const Choice& choice() {
  static const Choice made;
  return made;
}

}  // namespace

const Kernels& activeKernels() { return *choice().active; }

const char* activeIsa() { return choice().active->name; }

IsaList availableIsas() {
  IsaList list{};
  for (int i = 0; i < choice().count; ++i) list.names[list.count++] = choice().available[i]->name;
  return list;
}

const Kernels* findKernels(const char* isa) {
  for (int i = 0; i < choice().count; ++i) {
    if (std::strcmp(isa, choice().available[i]->name) == 0) return choice().available[i];
  }
  return nullptr;
}

const char* isaProblem() { return choice().problem.empty() ? nullptr : choice().problem.c_str(); }

}  // namespace ctc
