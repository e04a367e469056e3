// Phrases that a search should prefer, found in running text by an Aho-Corasick automaton over
// bytes. A phrase earns its weight when it is complete; while it is being spelled, the hypothesis
// is lent the share of the weight that matches so far, and loses it when the spelling goes astray.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "core/lexicon.h"

namespace ctc {

class Hotwords {
 public:
  // `wholeWords`: phrases must start and end at word boundaries, which the caller spells as ' '.
  explicit Hotwords(bool wholeWords) : wholeWords_(wholeWords), states_(1) {}

  void add(std::string_view phrase, double weight);
  void finish();  // after the last add()

  bool empty() const { return states_.size() == 1; }
  int32_t start() const { return start_; }
  // The state after one more byte; *earned grows by the phrases that it completes.
  int32_t step(int32_t state, unsigned char byte, double* earned) const;
  // What the phrase being spelled has been lent.
  double lent(int32_t state) const { return states_[state].lent; }

  // No run of so many bytes raises earned + lent by more than this.
  double largestRise(int64_t bytes) const {
    return static_cast<double>(bytes) * mostEarned_ + mostLent_;
  }

 private:
  struct State {
    int32_t fail = 0;
    double lent = 0;
    double earns = 0;  // all phrases that end here, shorter ones included
  };

  int32_t next(int32_t state, unsigned char byte) const;

  bool wholeWords_;
  int32_t start_ = 0;
  double mostEarned_ = 0;
  double mostLent_ = 0;
  WordTrie trie_;
  std::vector<State> states_;
  std::vector<std::pair<int32_t, unsigned char>> cameFrom_;  // per state but the first
};

}  // namespace ctc
