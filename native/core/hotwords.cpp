#include "core/hotwords.h"

#include <algorithm>
#include <string>

namespace ctc {

void Hotwords::add(std::string_view phrase, double weight) {
  std::string spelled(phrase);
  if (wholeWords_) spelled = " " + spelled + " ";
  const double letters = static_cast<double>(phrase.size());
  int32_t state = 0;
  for (size_t i = 0; i < spelled.size(); ++i) {
    const unsigned char byte = static_cast<unsigned char>(spelled[i]);
    int32_t child = trie_.step(state, byte);
    if (child == WordTrie::none) {
      child = trie_.stepOrAdd(state, byte);
      states_.emplace_back();
      cameFrom_.emplace_back(state, byte);
    }
    state = child;
    if (i + 1 == spelled.size()) {
      states_[state].earns += weight;
    } else {
      const double matched = static_cast<double>(wholeWords_ ? i : i + 1);
      states_[state].lent = std::max(states_[state].lent, weight * matched / letters);
    }
  }
}

int32_t Hotwords::next(int32_t state, unsigned char byte) const {
  for (;;) {
    const int32_t child = trie_.step(state, byte);
    if (child != WordTrie::none) return child;
    if (state == 0) return 0;
    state = states_[state].fail;
  }
}

void Hotwords::finish() {
  // A suffix is shorter than what it is a suffix of, so states go by their depth.
  std::vector<int32_t> depth(states_.size(), 0);
  std::vector<int32_t> byDepth(states_.size());
  for (size_t s = 0; s < states_.size(); ++s) {
    if (s > 0) depth[s] = depth[cameFrom_[s - 1].first] + 1;  // parents come first
    byDepth[s] = static_cast<int32_t>(s);
  }
  std::stable_sort(byDepth.begin(), byDepth.end(),
                   [&](int32_t a, int32_t b) { return depth[a] < depth[b]; });
  for (const int32_t s : byDepth) {
    State& state = states_[s];
    if (depth[s] >= 2) {
      const auto [parent, byte] = cameFrom_[s - 1];
      state.fail = next(states_[parent].fail, byte);
      state.earns += states_[state.fail].earns;
      state.lent = std::max(state.lent, states_[state.fail].lent);
    }
    mostEarned_ = std::max(mostEarned_, state.earns);
    mostLent_ = std::max(mostLent_, state.lent);
  }
  if (wholeWords_) start_ = next(0, ' ');
}

int32_t Hotwords::step(int32_t state, unsigned char byte, double* earned) const {
  state = next(state, byte);
  *earned += states_[state].earns;
  return state;
}

}  // namespace ctc
