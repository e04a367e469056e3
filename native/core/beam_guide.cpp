#include "core/beam_guide.h"

#include <algorithm>

namespace ctc {

BeamGuide::BeamGuide(GuideOptions options)
    : options_(std::move(options)),
      hotwords_(std::count(options_.roles.begin(), options_.roles.end(), LabelRole::inside) !=
                static_cast<int64_t>(options_.roles.size())),
      wordUnit_(options_.unit == LmUnit::word) {
  const bool byLabel = options_.lexicon && options_.lexicon->spelledWithLabels;
  symbolOffsets_.push_back(0);
  for (size_t label = 0; label < options_.tokens.size(); ++label) {
    const std::string& token = options_.tokens[label];
    if (options_.roles[label] != LabelRole::inside) hasDelimiter_ = true;
    if (byLabel) {
      symbols_.push_back(static_cast<int32_t>(label));
    } else {
      for (const char c : token) symbols_.push_back(static_cast<unsigned char>(c));
    }
    symbolOffsets_.push_back(static_cast<int64_t>(symbols_.size()));
    if (!wordUnit_ && options_.lm) tokenWords_.push_back(options_.lm->word(token));
  }
  for (const auto& [phrase, weight] : options_.hotwords) hotwords_.add(phrase, weight);
  hotwords_.finish();
  if (!hotwords_.empty()) {
    size_t longest = 0;
    for (const std::string& token : options_.tokens) longest = std::max(longest, token.size());
    largestHotwordRise_ = hotwords_.largestRise(static_cast<int64_t>(longest) + 1);
  }
  if (options_.lm) {
    largestUnknownRise_ = std::max(0.0, options_.unkScore);
    if (!wordUnit_) {
      largestLmRise_ = std::max(0.0, options_.alpha * options_.lm->highestScore() + options_.beta);
    }
  }
}

// With a lexicon its words are the only ones; with a language model alone, its vocabulary tells
// early that a word is unknown.
const WordTrie* BeamGuide::trie() const {
  if (options_.lexicon) return &options_.lexicon->trie;
  return options_.lm && wordUnit_ ? &options_.lm->vocabulary() : nullptr;
}

GuideState BeamGuide::start() const {
  GuideState state;
  if (options_.lm && options_.sentenceBoundary) state.lmState = options_.lm->beginState();
  state.lmAfterWord = state.lmState;
  state.hotState = hotwords_.start();
  state.score = hotwords_.lent(state.hotState);
  return state;
}

double BeamGuide::lmWord(int32_t lmState, int32_t word, bool unknownPaid, int32_t* next) const {
  double added = options_.beta + options_.alpha * options_.lm->score(lmState, word, next);
  if (word == NGramModel::noWord && !unknownPaid) added += options_.unkScore;
  return added;
}

// Fills wordEnd, lmAfterWord and mayEnd of a state inside a word. Among words that are spelled
// alike the language model's favourite is taken; without one, the first in the lexicon.
void BeamGuide::weighWord(GuideState* state, int32_t* chosen) const {
  const Lexicon* lexicon = options_.lexicon.get();
  const NGramModel* lm = wordUnit_ ? options_.lm.get() : nullptr;
  state->wordEnd = wordUnit_ ? options_.beta : 0;
  state->lmAfterWord = state->lmState;
  state->mayEnd = true;
  if (!lexicon) {
    if (!lm) return;
    const int32_t ending =
        state->word == WordTrie::none ? WordTrie::none : trie()->firstEnding(state->word);
    const int32_t word =
        ending == WordTrie::none ? NGramModel::noWord : trie()->ending(ending).word;
    state->wordEnd = lmWord(state->lmState, word, state->unknown, &state->lmAfterWord);
    return;
  }
  int32_t best = WordTrie::none;
  for (int32_t at = lexicon->trie.firstEnding(state->word); at != WordTrie::none;
       at = lexicon->trie.ending(at).next) {
    const int32_t word = lexicon->trie.ending(at).word;
    int32_t after = state->lmState;
    const double added =
        lm ? lmWord(state->lmState, lm->word(lexicon->words.text(word)), false, &after)
           : state->wordEnd;
    const bool better = best == WordTrie::none || added > state->wordEnd ||
                        (added == state->wordEnd && word < best);
    if (!better) continue;
    best = word;
    state->wordEnd = added;
    state->lmAfterWord = after;
  }
  state->mayEnd = best != WordTrie::none;
  if (chosen) *chosen = best;
}

void BeamGuide::endWord(GuideState* state) const {
  if (state->inWord) {
    state->fixed += state->wordEnd;
    state->lmState = state->lmAfterWord;
  }
  state->wordEnd = 0;
  state->inWord = false;
  state->mayEnd = true;
  state->unknown = false;
  state->word = WordTrie::root;
}

// Everything but the weight of the word's end.
bool BeamGuide::advance(const GuideState& from, int32_t label, GuideState* to) const {
  const LabelRole role = options_.roles[label];
  *to = from;
  if (role != LabelRole::inside) {
    if (!from.mayEnd) return false;
    endWord(to);
  }
  const int64_t symbols = symbolOffsets_[label + 1] - symbolOffsets_[label];
  if (role != LabelRole::delimiter && (symbols > 0 || to->inWord)) {
    const WordTrie* words = trie();
    if (words) {
      to->word = words->walk(to->word, symbols_.data() + symbolOffsets_[label], symbols);
      if (to->word == WordTrie::none) {
        if (options_.lexicon) return false;
        if (!to->unknown) to->fixed += options_.unkScore;
        to->unknown = true;
      }
    }
    to->inWord = true;
  }
  if (!wordUnit_ && options_.lm) {
    to->fixed += lmWord(from.lmState, tokenWords_[label], false, &to->lmState);
  }
  if (!hotwords_.empty()) {
    // A boundary already stands before the first word, so one is spelled only after a word.
    if (role != LabelRole::inside && from.inWord) {
      to->hotState = hotwords_.step(to->hotState, ' ', &to->fixed);
    }
    if (role != LabelRole::delimiter) {
      for (const char c : options_.tokens[label]) {
        to->hotState = hotwords_.step(to->hotState, static_cast<unsigned char>(c), &to->fixed);
      }
    }
  }
  to->score = to->fixed + hotwords_.lent(to->hotState);
  return true;
}

bool BeamGuide::weigh(const GuideState& from, int32_t label, double* score) const {
  GuideState to;
  if (!advance(from, label, &to)) return false;
  *score = to.score;
  return true;
}

GuideState BeamGuide::extend(const GuideState& from, int32_t label) const {
  GuideState to;
  if (advance(from, label, &to) && to.inWord) weighWord(&to);
  return to;
}

bool BeamGuide::finish(const GuideState& state, double* score) const {
  if (!state.mayEnd) return false;
  GuideState last = state;
  if (!hotwords_.empty() && hasDelimiter_ && last.inWord) {
    hotwords_.step(last.hotState, ' ', &last.fixed);
  }
  endWord(&last);
  if (options_.lm && options_.sentenceBoundary && options_.lm->endWord() != NGramModel::noWord) {
    int32_t next;
    last.fixed += options_.alpha * options_.lm->score(last.lmState, options_.lm->endWord(), &next);
  }
  *score = last.fixed;
  return true;
}

double BeamGuide::largestRise(const GuideState& from) const {
  const double wordEnd = from.inWord && from.mayEnd ? std::max(0.0, from.wordEnd) : 0;
  return wordEnd + largestLmRise_ + largestUnknownRise_ + largestHotwordRise_;
}

std::vector<int32_t> BeamGuide::words(const std::vector<int32_t>& labels) const {
  std::vector<int32_t> found;
  GuideState state = start();
  int32_t current = WordTrie::none;
  for (const int32_t label : labels) {
    if (options_.roles[label] != LabelRole::inside && state.inWord) found.push_back(current);
    state = extend(state, label);
    if (state.inWord) {
      GuideState weighed = state;
      weighWord(&weighed, &current);
    }
  }
  if (state.inWord && state.mayEnd) found.push_back(current);
  return found;
}

}  // namespace ctc
