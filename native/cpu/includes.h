// What every kernel file needs before its target region: nothing of the standard library may be
// compiled for one instruction set only, or the linker might pick that copy for everybody.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#include "cpu/arena.h"
#include "cpu/float16.h"
#include "cpu/kernels.h"
#include "cpu/target.h"
