// Words: a list with a lookup by text, and a trie over what words are spelled with (UTF-8 bytes, or
// labels). The lexicon of a beam search and the vocabulary of a language model are both these.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ctc {

class WordList {
 public:
  static constexpr int32_t none = -1;

  int32_t size() const { return static_cast<int32_t>(ends_.size()); }
  std::string_view text(int32_t word) const;
  int32_t find(std::string_view text) const;
  // The word's index; *added says whether it was new.
  int32_t add(std::string_view text, bool* added);
  int64_t bytes() const;

 private:
  std::string pool_;  // all words, one after another
  std::vector<int64_t> ends_;
  std::vector<int32_t> table_;  // open addressing, a power of two, -1 is empty
};

class WordTrie {
 public:
  static constexpr int32_t none = -1;
  static constexpr int32_t root = 0;

  WordTrie() : terminal_(1, none) {}

  int32_t step(int32_t node, int32_t symbol) const;
  // Walks several symbols; none as soon as one does not fit.
  int32_t walk(int32_t node, const int32_t* symbols, int64_t count) const;

  // The words spelled by the way to a node: a list, because homophones share a spelling.
  struct Ending {
    int32_t word;
    int32_t next;  // none: the last one
  };
  int32_t firstEnding(int32_t node) const { return terminal_[node]; }
  const Ending& ending(int32_t at) const { return endings_[at]; }

  int32_t stepOrAdd(int32_t node, int32_t symbol);
  // Spells `word`. Adding the same spelling of the same word again changes nothing.
  void add(const int32_t* symbols, int64_t count, int32_t word);
  void addText(std::string_view text, int32_t word);

  int64_t nodes() const { return static_cast<int64_t>(terminal_.size()); }
  int64_t bytes() const;

 private:
  struct Edge {
    int32_t from = none;
    int32_t symbol = 0;
    int32_t to = none;
  };

  void end(int32_t node, int32_t word);
  void grow();

  std::vector<int32_t> terminal_;  // per node: its first ending
  std::vector<Ending> endings_;
  std::vector<Edge> table_;  // open addressing, a power of two
  int64_t edges_ = 0;
};

// The words that a search may write. `spelledWithLabels`: symbols are labels; otherwise they are
// the UTF-8 bytes of the words, and any split of a word into tokens will do.
struct Lexicon {
  WordList words;
  WordTrie trie;
  bool spelledWithLabels = false;
};

}  // namespace ctc
