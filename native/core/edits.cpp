#include "ctc/edits.h"

#include <functional>
#include <string_view>
#include <vector>

namespace ctc {
namespace {

using Word = std::u16string_view;

constexpr int64_t mostKept = int64_t{1} << 14;   // words of 64 rows times columns
constexpr int64_t mostMasks = int64_t{1} << 15;  // words of 64 rows times units

size_t hashOf(char16_t unit) { return size_t{unit} * 0x9e3779b1U >> 7; }
size_t hashOf(Word word) { return std::hash<Word>{}(word); }

// Units as numbers: of the reference from 1 on, equal ones for equal units, and the same of the
// hypothesis, with 0 for a unit that the reference lacks.
struct Numbered {
  std::vector<int32_t> a;  // [n]
  std::vector<int32_t> b;  // [m]
  int32_t units = 0;
};

template <class Unit>
Numbered number(const Unit* reference, int64_t n, const Unit* hypothesis, int64_t m) {
  Numbered numbered;
  numbered.a.resize(static_cast<size_t>(n));
  numbered.b.resize(static_cast<size_t>(m));
  size_t size = 16;
  while (size < 2 * numbered.a.size()) size *= 2;
  // By hash, with the next free place where that is taken; 0 is free.
  std::vector<int32_t> places(size);
  std::vector<const Unit*> first(static_cast<size_t>(n) + 1);  // by number
  const auto find = [&](const Unit& unit) -> int32_t& {
    size_t at = hashOf(unit) & (size - 1);
    while (places[at] != 0 && *first[static_cast<size_t>(places[at])] != unit) {
      at = (at + 1) & (size - 1);
    }
    return places[at];
  };
  for (size_t i = 0; i < numbered.a.size(); ++i) {
    int32_t& place = find(reference[i]);
    if (place == 0) {
      place = ++numbered.units;
      first[static_cast<size_t>(place)] = &reference[i];
    }
    numbered.a[i] = place;
  }
  for (size_t j = 0; j < numbered.b.size(); ++j) numbered.b[j] = find(hypothesis[j]);
  return numbered;
}

// The table of Levenshtein's distances, 64 rows at a time.
class Table {
 public:
  explicit Table(const Numbered& numbered)
      : a_(numbered.a),
        b_(numbered.b),
        words_((a_.size() + 63) / 64),
        masks_((static_cast<size_t>(numbered.units) + 1) * words_),
        columns_(b_.size() * words_),
        last_(words_, Last{~uint64_t{0}, 0}) {}

  void fill() {
    for (size_t i = 0; i < a_.size(); ++i) {
      masks_[static_cast<size_t>(a_[i]) * words_ + i / 64] |= uint64_t{1} << (i % 64);
    }
    Column* column = columns_.data();
    for (const int32_t unit : b_) {
      const uint64_t* const rows = &masks_[static_cast<size_t>(unit) * words_];
      // From one word to the next: whether the distance in its last row rose or fell from the
      // column before.
      uint64_t rose = 1;
      uint64_t fell = 0;
      for (size_t w = 0; w < words_; ++w, ++column) {
        const auto [up, down] = last_[w];
        const uint64_t equal = rows[w] | fell;
        const uint64_t diagonal = (((equal & up) + up) ^ up) | equal | down;
        const uint64_t horizontalPlus = down | ~(diagonal | up);
        const uint64_t horizontalMinus = up & diagonal;
        const uint64_t shiftedPlus = (horizontalPlus << 1) | rose;
        const uint64_t rises = (horizontalMinus << 1) | fell | ~(diagonal | shiftedPlus);
        rose = horizontalPlus >> 63;
        fell = horizontalMinus >> 63;
        last_[w] = {rises, shiftedPlus & diagonal};
        *column = {diagonal, rises};
      }
    }
  }

  void walkBack(EditCounts* counts) const {
    size_t i = a_.size();
    size_t j = b_.size();
    int32_t others = 0;
    while (i > 0 && j > 0) {
      const Column& column = columns_[(j - 1) * words_ + (i - 1) / 64];
      const uint64_t bit = uint64_t{1} << ((i - 1) % 64);
      if ((column.unchanged & bit) == 0) {
        counts->substitutions += 1;
        --i;
        --j;
      } else if (a_[i - 1] == b_[j - 1]) {
        --i;
        --j;
      } else {
        others += 1;
        if ((column.rises & bit) == 0) {
          --j;
        } else {
          --i;
        }
      }
    }
    counts->errors = counts->substitutions + others + static_cast<int32_t>(i + j);
  }

 private:
  struct Last {
    uint64_t up;    // rows one more than the row above
    uint64_t down;  // rows one less
  };
  struct Column {
    uint64_t unchanged;  // rows whose distance is that of the row above in the column before
    uint64_t rises;      // rows whose distance is one more than that of the row above
  };

  const std::vector<int32_t>& a_;
  const std::vector<int32_t>& b_;
  size_t words_;
  std::vector<uint64_t> masks_;  // of each unit, the rows that have it
  std::vector<Column> columns_;
  std::vector<Last> last_;  // of the column so far; before the first the distances are 0, 1, 2, ...
};

template <class Unit>
bool count(const Unit* reference, int64_t n, const Unit* hypothesis, int64_t m,
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
  const Numbered numbered = number(reference, n, hypothesis, m);
  Table table(numbered);
  table.fill();
  table.walkBack(counts);
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
  if (!count(reference, n, hypothesis, m, &edits->characters)) return false;
  const std::vector<Word> expected = split(reference, n);
  const std::vector<Word> actual = split(hypothesis, m);
  return count(expected.data(), static_cast<int64_t>(expected.size()), actual.data(),
               static_cast<int64_t>(actual.size()), &edits->words);
}

}  // namespace ctc
