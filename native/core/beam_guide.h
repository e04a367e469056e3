// What a beam search knows beyond the frames: a language model, a lexicon, hotwords, and where
// words begin and end. Built once, then read by any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/arpa.h"
#include "core/hotwords.h"
#include "core/lexicon.h"

namespace ctc {

// How a label stands to words. `inside`: continues one. `delimiter`: stands between words.
// `starts`: begins a new word, as the pieces that SentencePiece marks do.
enum class LabelRole : uint8_t { inside = 0, delimiter = 1, starts = 2 };

enum class LmUnit : int32_t { word = 0, token = 1 };

struct GuideOptions {
  std::vector<std::string> tokens;  // [C], without the delimiter that a `starts` label begins with
  std::vector<LabelRole> roles;     // [C]
  std::shared_ptr<const NGramModel> lm;                  // or null
  std::shared_ptr<const Lexicon> lexicon;                // or null
  std::vector<std::pair<std::string, double>> hotwords;  // phrase (' ' between words), weight
  LmUnit unit = LmUnit::word;
  double alpha = 0.5;            // weight of the language model
  double beta = 1.5;             // added per word (per label when the unit is the token)
  double unkScore = -10;         // added per word that the language model lacks
  bool sentenceBoundary = true;  // <s> before the first word, </s> after the last
};

// What a label sequence has earned and where its last word stands.
struct GuideState {
  double fixed = 0;    // earned for good
  double score = 0;    // fixed, plus what unfinished hotwords have been lent
  double wordEnd = 0;  // what ending the current word here would add
  int32_t lmState = 0;
  int32_t lmAfterWord = 0;
  int32_t word = WordTrie::root;  // node of the lexicon or vocabulary; none: in no known word
  int32_t hotState = 0;
  bool inWord = false;
  bool mayEnd = true;    // a word may end here (the lexicon allows it, or there is none)
  bool unknown = false;  // unkScore is already in `fixed`
};

class BeamGuide {
 public:
  explicit BeamGuide(GuideOptions options);

  GuideState start() const;
  // The score after one more label, without the work that only a kept hypothesis needs.
  // False: the lexicon forbids it.
  bool weigh(const GuideState& from, int32_t label, double* score) const;
  // The whole state after a label that weigh() allowed; its score is the same number.
  GuideState extend(const GuideState& from, int32_t label) const;
  // The score of the sequence as a finished sentence. False: it ends inside a lexicon word.
  bool finish(const GuideState& state, double* score) const;

  // No label raises the score by more than this.
  double largestRise(const GuideState& from) const;

  int64_t labels() const { return static_cast<int64_t>(options_.tokens.size()); }
  bool hasLexicon() const { return options_.lexicon != nullptr; }
  // Lexicon words in a sequence of labels that the guide accepts; homophones as the search chose.
  std::vector<int32_t> words(const std::vector<int32_t>& labels) const;

 private:
  const WordTrie* trie() const;
  bool advance(const GuideState& from, int32_t label, GuideState* to) const;
  void endWord(GuideState* state) const;
  void weighWord(GuideState* state, int32_t* chosen = nullptr) const;
  double lmWord(int32_t lmState, int32_t word, bool unknownPaid, int32_t* next) const;

  GuideOptions options_;
  Hotwords hotwords_;
  bool wordUnit_;
  bool hasDelimiter_ = false;
  std::vector<int32_t> symbols_;        // what every label spells in trie()
  std::vector<int64_t> symbolOffsets_;  // [C + 1]
  std::vector<int32_t> tokenWords_;     // [C], for LmUnit::token
  double largestLmRise_ = 0;            // LmUnit::token
  double largestHotwordRise_ = 0;
  double largestUnknownRise_ = 0;
};

}  // namespace ctc
