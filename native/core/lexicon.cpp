#include "core/lexicon.h"

#include "core/hash.h"

namespace ctc {

std::string_view WordList::text(int32_t word) const {
  const int64_t begin = word == 0 ? 0 : ends_[word - 1];
  return std::string_view(pool_).substr(begin, ends_[word] - begin);
}

int32_t WordList::find(std::string_view wanted) const {
  if (table_.empty()) return none;
  const size_t mask = table_.size() - 1;
  for (size_t at = hashText(wanted) & mask;; at = (at + 1) & mask) {
    const int32_t word = table_[at];
    if (word == none || text(word) == wanted) return word;
  }
}

int32_t WordList::add(std::string_view wanted, bool* added) {
  const int32_t known = find(wanted);
  *added = known == none;
  if (known != none) return known;
  const auto place = [this](int32_t word) {
    const size_t mask = table_.size() - 1;
    size_t at = hashText(text(word)) & mask;
    while (table_[at] != none) at = (at + 1) & mask;
    table_[at] = word;
  };
  const int32_t word = size();
  pool_.append(wanted);
  ends_.push_back(static_cast<int64_t>(pool_.size()));
  if (ends_.size() * 3 > table_.size() * 2) {
    table_.assign(table_.empty() ? 64 : table_.size() * 2, none);
    for (int32_t w = 0; w < word; ++w) place(w);
  }
  place(word);
  return word;
}

int64_t WordList::bytes() const {
  return static_cast<int64_t>(pool_.capacity() + ends_.capacity() * sizeof(int64_t) +
                              table_.capacity() * sizeof(int32_t));
}

int32_t WordTrie::step(int32_t node, int32_t symbol) const {
  if (table_.empty()) return none;
  const size_t mask = table_.size() - 1;
  for (size_t at = hashPair(node, symbol) & mask;; at = (at + 1) & mask) {
    const Edge& edge = table_[at];
    if (edge.from == none) return none;
    if (edge.from == node && edge.symbol == symbol) return edge.to;
  }
}

int32_t WordTrie::walk(int32_t node, const int32_t* symbols, int64_t count) const {
  for (int64_t i = 0; i < count && node != none; ++i) node = step(node, symbols[i]);
  return node;
}

void WordTrie::grow() {
  std::vector<Edge> old(table_.empty() ? 64 : table_.size() * 2);
  old.swap(table_);
  const size_t mask = table_.size() - 1;
  for (const Edge& edge : old) {
    if (edge.from == none) continue;
    size_t at = hashPair(edge.from, edge.symbol) & mask;
    while (table_[at].from != none) at = (at + 1) & mask;
    table_[at] = edge;
  }
}

int32_t WordTrie::stepOrAdd(int32_t node, int32_t symbol) {
  const int32_t known = step(node, symbol);
  if (known != none) return known;
  if ((edges_ + 1) * 3 > static_cast<int64_t>(table_.size()) * 2) grow();
  const size_t mask = table_.size() - 1;
  size_t at = hashPair(node, symbol) & mask;
  while (table_[at].from != none) at = (at + 1) & mask;
  const int32_t made = static_cast<int32_t>(terminal_.size());
  terminal_.push_back(none);
  table_[at] = {node, symbol, made};
  ++edges_;
  return made;
}

void WordTrie::end(int32_t node, int32_t word) {
  for (int32_t at = terminal_[node]; at != none; at = endings_[at].next) {
    if (endings_[at].word == word) return;
  }
  endings_.push_back({word, terminal_[node]});
  terminal_[node] = static_cast<int32_t>(endings_.size()) - 1;
}

void WordTrie::add(const int32_t* symbols, int64_t count, int32_t word) {
  int32_t node = root;
  for (int64_t i = 0; i < count; ++i) node = stepOrAdd(node, symbols[i]);
  end(node, word);
}

void WordTrie::addText(std::string_view text, int32_t word) {
  int32_t node = root;
  for (const char c : text) node = stepOrAdd(node, static_cast<unsigned char>(c));
  end(node, word);
}

int64_t WordTrie::bytes() const {
  return static_cast<int64_t>(terminal_.capacity() * sizeof(int32_t) +
                              endings_.capacity() * sizeof(Ending) +
                              table_.capacity() * sizeof(Edge));
}

}  // namespace ctc
