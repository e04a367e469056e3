// The label sequences of a beam as a trie. A node lives while it is in the beam or has a living
// child, so memory is the beam's prefixes and not the frames gone by; freed nodes are reused.
#pragma once

#include <cstdint>
#include <vector>

namespace ctc {

class PrefixTrie {
 public:
  static constexpr int32_t none = -1;
  static constexpr int32_t root = 0;

  struct Node {
    int32_t parent = none;
    int32_t label = none;
    int32_t firstChild = none;
    int32_t nextSibling = none;
    int32_t previousSibling = none;
    int32_t slot = none;     // position in the current beam; none: only an ancestor
    int32_t references = 0;  // living children, plus one while in the beam
  };

  const Node& operator[](int32_t node) const { return nodes_[node]; }
  size_t size() const { return nodes_.size(); }

  void clear() {
    nodes_.assign(1, Node{});
    free_.clear();
    nodes_[root].references = 1;  // never freed
  }

  void setSlot(int32_t node, int32_t slot) { nodes_[node].slot = slot; }

  // The beam's hold on a node, taken once when it enters and released once when it leaves.
  void hold(int32_t node) { ++nodes_[node].references; }

  void release(int32_t node) {
    while (--nodes_[node].references == 0) {
      Node& dead = nodes_[node];
      if (dead.previousSibling != none) {
        nodes_[dead.previousSibling].nextSibling = dead.nextSibling;
      } else {
        nodes_[dead.parent].firstChild = dead.nextSibling;
      }
      if (dead.nextSibling != none) {
        nodes_[dead.nextSibling].previousSibling = dead.previousSibling;
      }
      free_.push_back(node);
      node = dead.parent;
    }
  }

  // The child of `parent` by `label`, made when there is none; it is not held yet.
  int32_t child(int32_t parent, int32_t label) {
    for (int32_t c = nodes_[parent].firstChild; c != none; c = nodes_[c].nextSibling) {
      if (nodes_[c].label == label) return c;
    }
    int32_t made;
    if (free_.empty()) {
      made = static_cast<int32_t>(nodes_.size());
      nodes_.emplace_back();
    } else {
      made = free_.back();
      free_.pop_back();
      nodes_[made] = Node{};
    }
    Node& node = nodes_[made];
    node.parent = parent;
    node.label = label;
    node.nextSibling = nodes_[parent].firstChild;
    if (node.nextSibling != none) nodes_[node.nextSibling].previousSibling = made;
    nodes_[parent].firstChild = made;
    ++nodes_[parent].references;
    return made;
  }

 private:
  std::vector<Node> nodes_;
  std::vector<int32_t> free_;
};

}  // namespace ctc
