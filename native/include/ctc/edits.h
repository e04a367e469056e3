// Error counts of a text against another one: what character and word error rates are made of.
#pragma once

#include <cstdint>

namespace ctc {

// Of the alignment that, going backwards from the ends, pairs units first, deletes next and inserts
// last, among those with the fewest errors.
struct EditCounts {
  int32_t reference;   // units of the reference
  int32_t hypothesis;  // units of the hypothesis
  int32_t errors;
  int32_t substitutions;
};

struct TextEdits {
  EditCounts characters;
  EditCounts words;
};

// Counts code units as characters, and words between spaces (U+0020, U+3000). False where the texts
// are so long that tables would take more than some hundred kilobytes; nothing is counted then.
//
// Myers 1999, "A fast bit-vector algorithm for approximate string matching based on dynamic
// programming", in blocks. O(n m / 64) time and memory.
bool countTextEdits(const char16_t* reference, int64_t n, const char16_t* hypothesis, int64_t m,
                    TextEdits* edits);

}  // namespace ctc
