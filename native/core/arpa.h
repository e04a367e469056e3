// A back-off n-gram model, and the reader of the ARPA text that holds one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/lexicon.h"

namespace ctc {

// N-grams as a trie: a node is a word sequence, its children are one word longer. Immutable once
// read, so any number of threads may score with it.
class NGramModel {
 public:
  static constexpr int32_t root = 0;  // the state that remembers nothing
  static constexpr int32_t noWord = -1;

  int32_t order() const { return order_; }
  int64_t size() const { return static_cast<int64_t>(logProb_.size()) - 1; }
  int32_t vocabularySize() const { return words_.size(); }
  int64_t bytes() const;

  // noWord: not in the vocabulary.
  int32_t word(std::string_view text) const { return words_.find(text); }
  int32_t unknownWord() const { return unknown_; }
  const WordTrie& vocabulary() const { return vocabulary_; }

  int32_t beginState() const { return begin_ == noWord ? root : begin_ + 1; }
  int32_t endWord() const { return end_; }

  // Natural log of p(word | state), and the state after it. A word outside the vocabulary is scored
  // as <unk>; without <unk> it costs nothing here and the state is forgotten.
  double score(int32_t state, int32_t word, int32_t* next) const;

  // No score() is above this; 0 unless back-off weights are positive.
  double highestScore() const { return highestScore_; }

 private:
  friend class ArpaReader;

  // Node w + 1 is the unigram of word w; higher orders are found by (parent, word).
  int32_t find(int32_t parent, int32_t word) const;
  int32_t append(int32_t parent, int32_t word, float logProb, float backoff, uint8_t level);
  void index(int32_t node);
  void complete();

  int32_t order_ = 0;
  int32_t begin_ = noWord, end_ = noWord, unknown_ = noWord;
  double highestScore_ = 0;
  WordList words_;
  WordTrie vocabulary_;
  std::vector<int32_t> parent_, word_, suffix_;  // suffix: the longest listed proper suffix
  std::vector<float> logProb_, backoff_;         // natural logs
  std::vector<uint8_t> level_;
  std::vector<int32_t> table_;  // open addressing, a power of two, -1 is empty
  int64_t indexed_ = 0;
};

// Reads ARPA text in pieces of any size. Every failure names the line.
class ArpaReader {
 public:
  ArpaReader();

  // False: the text is broken; error() says how, and nothing more is taken.
  bool feed(const char* text, size_t length);
  // Null: broken or incomplete.
  std::shared_ptr<const NGramModel> finish();

  const std::string& error() const { return error_; }
  int64_t errorLine() const { return errorLine_; }

 private:
  enum class Part { before, counts, ngrams, done };

  bool line(std::string_view text);
  bool countLine(std::string_view text);
  bool sectionLine(std::string_view text);
  bool ngramLine(std::string_view text);
  bool sectionComplete();
  bool fail(const std::string& message);

  std::shared_ptr<NGramModel> model_;
  Part part_ = Part::before;
  std::vector<int64_t> counts_;
  int32_t level_ = 0;
  int64_t read_ = 0;
  int64_t lineNumber_ = 0;
  std::string carry_;
  std::vector<std::string_view> fields_;
  std::string error_;
  int64_t errorLine_ = 0;
};

}  // namespace ctc
