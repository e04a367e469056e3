// Error counts by bits against Levenshtein's table, cell by cell. The texts lie in memory of their
// own size, so that a sanitizer sees what is read beyond them.
#include "ctc/edits.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "check.h"

namespace {

using Units = std::vector<std::u16string>;

ctc::EditCounts count(const Units& a, const Units& b) {
  const size_t columns = b.size() + 1;
  std::vector<int32_t> table((a.size() + 1) * columns);
  const auto at = [&](size_t i, size_t j) -> int32_t& { return table[i * columns + j]; };
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        at(i, j) = static_cast<int32_t>(i + j);
      } else {
        const int32_t pair = at(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
        at(i, j) = std::min({pair, at(i - 1, j) + 1, at(i, j - 1) + 1});
      }
    }
  }
  ctc::EditCounts counts{static_cast<int32_t>(a.size()), static_cast<int32_t>(b.size()),
                         at(a.size(), b.size()), 0};
  size_t i = a.size();
  size_t j = b.size();
  while (i > 0 && j > 0) {
    const int32_t differs = a[i - 1] == b[j - 1] ? 0 : 1;
    if (at(i, j) == at(i - 1, j - 1) + differs) {
      counts.substitutions += differs;
      --i;
      --j;
    } else if (at(i, j) == at(i - 1, j) + 1) {
      --i;
    } else {
      --j;
    }
  }
  return counts;
}

Units characters(const std::u16string& text) {
  Units units;
  for (const char16_t unit : text) units.emplace_back(1, unit);
  return units;
}

Units words(const std::u16string& text) {
  Units units(1);
  for (const char16_t unit : text) {
    if (unit == u' ' || unit == u'\u3000') {
      units.emplace_back();
    } else {
      units.back() += unit;
    }
  }
  units.erase(std::remove(units.begin(), units.end(), std::u16string()), units.end());
  return units;
}

bool countText(const std::u16string& a, const std::u16string& b, ctc::TextEdits* edits) {
  const std::vector<char16_t> reference(a.begin(), a.end());
  const std::vector<char16_t> hypothesis(b.begin(), b.end());
  return ctc::countTextEdits(reference.data(), static_cast<int64_t>(a.size()), hypothesis.data(),
                             static_cast<int64_t>(b.size()), edits);
}

void checkCounts(const ctc::EditCounts& actual, const ctc::EditCounts& expected) {
  CHECK_EQ(actual.reference, expected.reference);
  CHECK_EQ(actual.hypothesis, expected.hypothesis);
  CHECK_EQ(actual.errors, expected.errors);
  CHECK_EQ(actual.substitutions, expected.substitutions);
}

}  // namespace

TEST(edits_are_those_of_the_table) {
  std::mt19937 random(93);
  const auto below = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  for (const std::u16string alphabet :
       {u"ab", u"ab ", u"abcdefgh \u3000", u"\u4e00\uffff\u0001 "}) {
    for (const size_t most : {3, 20, 70, 200}) {
      for (int run = 0; run < 60; ++run) {
        std::u16string reference;
        std::u16string hypothesis;
        const size_t length = below(most + 1);
        for (size_t i = 0; i < length; ++i) {
          const char16_t unit = alphabet[below(alphabet.size())];
          reference += unit;
          const size_t edit = below(8);
          if (edit != 0) hypothesis += edit == 1 ? alphabet[below(alphabet.size())] : unit;
          if (edit == 2) hypothesis += alphabet[below(alphabet.size())];
        }
        if (run % 10 == 9) std::swap(reference, hypothesis);
        ctc::TextEdits edits;
        CHECK(countText(reference, hypothesis, &edits));
        checkCounts(edits.characters, count(characters(reference), characters(hypothesis)));
        checkCounts(edits.words, count(words(reference), words(hypothesis)));
      }
    }
  }
}

TEST(edits_of_long_texts_are_left_to_others) {
  const std::u16string a(1500, u'a');
  std::u16string b(1500, u'b');
  ctc::TextEdits edits;
  CHECK(!countText(a, b, &edits));
  // Nothing but the difference counts.
  b = a;
  b[700] = u'b';
  CHECK(countText(a, b, &edits));
  CHECK_EQ(edits.characters.errors, 1);
  CHECK_EQ(edits.words.errors, 1);
}
