#include "ctc/edits.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "cpu/arena.h"

namespace ctc {
namespace {

using Word = std::u16string_view;

constexpr int64_t mostKept = int64_t{1} << 14;   // words of 64 rows times columns
constexpr int64_t mostMasks = int64_t{1} << 15;  // words of 64 rows times units

size_t hashOf(char16_t unit) { return size_t{unit} * 0x9e3779b1U >> 7; }
size_t hashOf(Word word) { return std::hash<Word>{}(word); }

// What a count works on, for n units of a reference against m; sliced from an arena.
struct Memory {
  int32_t* a;       // [n]: the reference's units as numbers from 1 on, equal ones for equal units
  int32_t* b;       // [m]: the same numbers, 0 for a unit that the reference lacks
  int32_t* places;  // [size]: numbers by the hash of their unit, 0 for none
  int64_t* first;   // [n + 1]: where the unit of each number is first
  uint64_t* masks;  // [n + 1][words]: of each number, the rows that have it
  uint64_t* up;     // [words]: of the column so far, rows whose distance is one more than above
  uint64_t* down;   // [words]: and one less
  // [m][words]: of each column, the rows whose distance is that of the row above in the column
  // before, and those whose distance is one more than that of the row above.
  uint64_t* unchanged;
  uint64_t* rises;
  int64_t size;
  int64_t words;

  Memory(Arena& arena, int64_t n, int64_t m) : size(16), words((n + 63) / 64) {
    while (size < 2 * n) size *= 2;
    arena.startCounting();
    slice(arena, n, m);
    arena.reserve(arena.stopCounting());
    slice(arena, n, m);
  }

 private:
  void slice(Arena& arena, int64_t n, int64_t m) {
    a = arena.take<int32_t>(n);
    b = arena.take<int32_t>(m);
    places = arena.take<int32_t>(size);
    first = arena.take<int64_t>(n + 1);
    masks = arena.take<uint64_t>((n + 1) * words);
    up = arena.take<uint64_t>(words);
    down = arena.take<uint64_t>(words);
    unchanged = arena.take<uint64_t>(m * words);
    rises = arena.take<uint64_t>(m * words);
  }
};

// Fills a, b and masks.
template <class Unit>
void number(const Memory& memory, const Unit* reference, int64_t n, const Unit* hypothesis,
            int64_t m) {
  int32_t* const places = memory.places;
  const int64_t words = memory.words;
  const size_t last = static_cast<size_t>(memory.size) - 1;
  std::fill_n(places, memory.size, 0);
  std::fill_n(memory.masks, words, 0);
  const auto find = [&](const Unit& unit) -> int32_t& {
    size_t at = hashOf(unit) & last;
    while (places[at] != 0 && reference[memory.first[places[at]]] != unit) at = (at + 1) & last;
    return places[at];
  };
  int32_t numbers = 0;
  for (int64_t i = 0; i < n; ++i) {
    int32_t& place = find(reference[i]);
    if (place == 0) {
      place = ++numbers;
      memory.first[place] = i;
      std::fill_n(memory.masks + place * words, words, 0);
    }
    memory.a[i] = place;
    memory.masks[place * words + i / 64] |= uint64_t{1} << (i % 64);
  }
  for (int64_t j = 0; j < m; ++j) memory.b[j] = find(hypothesis[j]);
}

// Fills unchanged and rises, column by column.
void fillTable(const Memory& memory, int64_t m) {
  const int64_t words = memory.words;
  // The column before the first: 0, 1, 2, ...
  std::fill_n(memory.up, words, ~uint64_t{0});
  std::fill_n(memory.down, words, 0);
  for (int64_t j = 0, at = 0; j < m; ++j) {
    const uint64_t* const rows = memory.masks + memory.b[j] * words;
    // From one word to the next: whether the distance in its last row rose or fell from the column
    // before.
    uint64_t rose = 1;
    uint64_t fell = 0;
    for (int64_t w = 0; w < words; ++w, ++at) {
      const uint64_t up = memory.up[w];
      const uint64_t down = memory.down[w];
      const uint64_t equal = rows[w] | fell;
      const uint64_t diagonal = (((equal & up) + up) ^ up) | equal | down;
      const uint64_t horizontalPlus = down | ~(diagonal | up);
      const uint64_t horizontalMinus = up & diagonal;
      const uint64_t shiftedPlus = (horizontalPlus << 1) | rose;
      const uint64_t rises = (horizontalMinus << 1) | fell | ~(diagonal | shiftedPlus);
      rose = horizontalPlus >> 63;
      fell = horizontalMinus >> 63;
      memory.up[w] = rises;
      memory.down[w] = shiftedPlus & diagonal;
      memory.unchanged[at] = diagonal;
      memory.rises[at] = rises;
    }
  }
}

void walkBack(const Memory& memory, int64_t n, int64_t m, EditCounts* counts) {
  int64_t i = n - 1;
  int64_t j = m - 1;
  int32_t others = 0;
  while (i >= 0 && j >= 0) {
    const int64_t at = j * memory.words + i / 64;
    const uint64_t bit = uint64_t{1} << (i % 64);
    if ((memory.unchanged[at] & bit) == 0) {
      counts->substitutions += 1;
      --i;
      --j;
    } else if (memory.a[i] == memory.b[j]) {
      --i;
      --j;
    } else {
      others += 1;
      if ((memory.rises[at] & bit) == 0) {
        --j;
      } else {
        --i;
      }
    }
  }
  counts->errors = counts->substitutions + others + static_cast<int32_t>(i + 1 + j + 1);
}

template <class Unit>
bool count(Arena& arena, const Unit* reference, int64_t n, const Unit* hypothesis, int64_t m,
           EditCounts* counts) {
  *counts = {static_cast<int32_t>(n), static_cast<int32_t>(m), 0, 0};
  // Equal ends are paired, whatever comes before them.
  while (n > 0 && m > 0 && reference[n - 1] == hypothesis[m - 1]) {
    --n;
    --m;
  }
  // So are equal beginnings: distances behind them are those without them, and where the way back
  // reaches one, nothing but deletions or insertions is left to be done.
  while (n > 0 && m > 0 && *reference == *hypothesis) {
    ++reference;
    ++hypothesis;
    --n;
    --m;
  }
  if (n == 0 || m == 0) {
    counts->errors = static_cast<int32_t>(n + m);
    return true;
  }
  const int64_t words = (n + 63) / 64;
  if (words * m > mostKept || words * (n + 1) > mostMasks) return false;
  arena.rewind();
  const Memory memory(arena, n, m);
  number(memory, reference, n, hypothesis, m);
  fillTable(memory, m);
  walkBack(memory, n, m, counts);
  return true;
}

std::vector<Word> split(const char16_t* text, int64_t length) {
  std::vector<Word> words;
  const auto isSpace = [](char16_t unit) { return unit == u' ' || unit == u'\u3000'; };
  for (int64_t i = 0; i < length;) {
    const int64_t start = i;
    while (i < length && !isSpace(text[i])) ++i;
    if (i > start) words.emplace_back(text + start, static_cast<size_t>(i - start));
    ++i;
  }
  return words;
}

}  // namespace

bool countTextEdits(const char16_t* reference, int64_t n, const char16_t* hypothesis, int64_t m,
                    TextEdits* edits) {
  Arena arena;
  if (!count(arena, reference, n, hypothesis, m, &edits->characters)) return false;
  const std::vector<Word> expected = split(reference, n);
  const std::vector<Word> actual = split(hypothesis, m);
  return count(arena, expected.data(), static_cast<int64_t>(expected.size()), actual.data(),
               static_cast<int64_t>(actual.size()), &edits->words);
}

}  // namespace ctc
