// operator new and delete of a whole program or library, counted, and failing when a test says so.
// Link allocations.cpp into what is to be tested.
#pragma once

#include <cstdint>

namespace ctc::test {

// Lets the n-th allocation from now on fail, 0 being the next one, whatever thread it is on. A
// negative n lets none fail.
void failAllocation(int64_t n);

// Whether the one that was to fail has been asked for.
bool allocationFailed();

// Blocks that are allocated and not freed.
int64_t liveAllocations();

}  // namespace ctc::test
