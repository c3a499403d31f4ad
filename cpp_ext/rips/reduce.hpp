// From witnesses to bars: the cycles that extra components of links kill, expressed in the edges that opened loops.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "interrupt.hpp"
#include "rips/edge_order.hpp"

namespace topo_interp {

constexpr std::uint32_t none = 0xffffffffu;

struct EdgeEnds {
  Vertex i, j;
};

// Arithmetic of Z/p.
class Field {
 public:
  explicit Field(std::uint32_t p) : p_(p) {
    if (p < 2 || p > 2147483647u) throw std::invalid_argument("the field is no prime below 2^31");
    for (std::uint64_t d = 2; d * d <= p; ++d) {
      if (p % d == 0) throw std::invalid_argument("the field is no prime");
    }
  }
  std::uint32_t p() const { return p_; }
  std::uint32_t negate(std::uint32_t a) const { return a == 0 ? 0 : p_ - a; }
  std::uint32_t add(std::uint32_t a, std::uint32_t b) const { return a >= p_ - b ? a - (p_ - b) : a + b; }
  std::uint32_t times(std::uint32_t a, std::uint32_t b) const {
    return static_cast<std::uint32_t>(std::uint64_t{a} * b % p_);
  }
  std::uint32_t inverse(std::uint32_t a) const {
    std::uint32_t result = 1;
    for (std::uint32_t power = p_ - 2; power != 0; power >>= 1, a = times(a, a)) {
      if (power & 1) result = times(result, a);
    }
    return result;
  }

 private:
  std::uint32_t p_;
};

// A sparse vector over the birth edges while it is being reduced: dense coefficients and a tree of bits for the maximum.
class PivotColumn {
 public:
  PivotColumn(std::size_t rows, const Field& field) : field_(field), values_(rows, 0) {
    for (std::size_t size = rows; ; size = (size + 63) / 64) {
      levels_.emplace_back(std::max<std::size_t>(1, (size + 63) / 64), 0);  // also without rows there is a word to ask
      if (size <= 64) break;
    }
  }
  void add(std::uint32_t row, std::uint32_t value) {
    std::uint32_t& held = values_[row];
    const bool was = held != 0;
    held = field_.add(held, value);
    if (was != (held != 0)) flip(row);
  }
  std::uint32_t value(std::uint32_t row) const { return values_[row]; }
  // The largest row with a nonzero value, or `none`.
  std::uint32_t pivot() const {
    std::size_t at = 0;
    for (std::size_t level = levels_.size(); level-- > 0;) {
      const std::uint64_t word = levels_[level][at];
      if (word == 0) return none;
      at = at * 64 + static_cast<std::size_t>(63 - std::countl_zero(word));
    }
    return static_cast<std::uint32_t>(at);
  }
  // Takes everything out, largest row first.
  template <class Take>
  void drain(Take&& take) {
    for (std::uint32_t row; (row = pivot()) != none;) {
      take(row, values_[row]);
      values_[row] = 0;
      flip(row);
    }
  }

 private:
  void flip(std::size_t row) {
    for (std::vector<std::uint64_t>& level : levels_) {
      std::uint64_t& word = level[row / 64];
      const bool was = word != 0;
      word ^= std::uint64_t{1} << (row % 64);
      if (was == (word != 0)) return;
      row /= 64;
    }
  }

  const Field& field_;
  std::vector<std::uint32_t> values_;
  std::vector<std::vector<std::uint64_t>> levels_;
};

// Sparse vectors over the birth edges, one after the other.
struct Columns {
  std::vector<std::uint64_t> start{0};
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> values;  // empty when p = 2: all are one
  std::size_t size() const { return start.size() - 1; }
};

struct ReduceCounts {
  std::uint64_t columns = 0, zero = 0, expanded = 0, additions = 0, added = 0;
};

// Writes chains of edges in the birth edges. `Graph` has: Key; key(u, v); ends(key); and classify(key) -> the third
// vertex of the triangle that the edge is the longest of, with is_birth / is_merge for the edges without one.
template <class Graph>
class Expander {
 public:
  using Key = typename Graph::Key;

  Expander(const Graph& graph, const Field& field) : graph_(graph), field_(field) {}

  void start() { heap_.clear(); }
  // Adds value * (the edge from u to v); the orientation of an edge is from its smaller vertex.
  void push(Vertex u, Vertex v, std::uint32_t value) { insert(oriented(u, v, value)); }
  // Calls give(birth index, value), largest first. Merge edges are left out: they follow from the rest.
  template <class Give>
  void expand(Give&& give, std::uint64_t& count) {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), less);
      Item item = heap_.back();
      heap_.pop_back();
      while (!heap_.empty() && heap_.front().key == item.key) {
        std::pop_heap(heap_.begin(), heap_.end(), less);
        item.value = field_.add(item.value, heap_.back().value);
        heap_.pop_back();
      }
      if (item.value == 0) continue;
      const auto [kind, what] = graph_.classify(item.key);
      if (kind == Graph::merge) continue;
      if (kind == Graph::birth) {
        give(what, item.value);
        continue;
      }
      ++count;
      const auto [i, j] = graph_.ends(item.key);
      const Item sides[2] = {oriented(i, what, item.value), oriented(what, j, item.value)};  // two reads far apart at once
      insert(sides[0]);
      insert(sides[1]);
    }
  }

 private:
  struct Item {
    Key key;
    std::uint32_t value;
  };
  Item oriented(Vertex u, Vertex v, std::uint32_t value) const {
    if (u > v) {
      std::swap(u, v);
      value = field_.negate(value);
    }
    return {graph_.key(u, v), value};
  }
  void insert(const Item& item) {
    heap_.push_back(item);
    std::push_heap(heap_.begin(), heap_.end(), less);
  }
  static bool less(const Item& a, const Item& b) { return a.key < b.key; }

  const Graph& graph_;
  const Field& field_;
  std::vector<Item> heap_;
};

}  // namespace topo_interp
