// The complete graph of a distance matrix with its witnesses, as the reduction sees it, and the reduction of what a scan found.
#pragma once
#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rips/links.hpp"
#include "rips/relations.hpp"

namespace topo_interp {

inline constexpr const char* wrong_witness = "a witness is no vertex whose edges to both ends come before the edge";

// Whether k lies in the lune of the edge (i, j), i < j: its edges to both ends come before that edge.
inline bool in_lune(const Condensed& matrix, Vertex i, Vertex j, Vertex k) {
  if (k >= matrix.n || k == i || k == j) return false;
  const auto key = [&](Vertex u, Vertex v) {
    if (u > v) std::swap(u, v);
    return std::tuple(length_bits(matrix.lengths[matrix.row(u) + v]), u, v);
  };
  return std::max(key(i, k), key(j, k)) < key(i, j);
}

// `checked`: the witnesses came from elsewhere, and one that is not before its edge is an error; the reduction would else never end.
template <class Format, bool checked = false>
class DenseGraph {
 public:
  using Key = typename Format::Key;
  enum Kind { merge, birth, witnessed };
  struct Class {
    Kind kind;
    std::uint32_t what;  // birth index, or the witness
  };

  DenseGraph(const Condensed& matrix, const typename Format::Witness* witness, const std::vector<EdgeEnds>& births)
      : matrix_(matrix), witness_(witness) {
    index_.reserve(births.size());
    for (std::size_t k = 0; k < births.size(); ++k) {
      index_.emplace(pack_edge<Format>(births[k].i, births[k].j), static_cast<std::uint32_t>(k));
    }
  }
  Key key(Vertex i, Vertex j) const {
    const std::uint64_t at = matrix_.row(i) + j;
    __builtin_prefetch(witness_ + at);  // asked for when the edge comes up
    return (static_cast<Key>(length_bits(matrix_.lengths[at])) << (2 * Format::shift)) |
           pack_edge<Format>(i, j);
  }
  EdgeEnds ends(Key key) const {
    const auto edge = static_cast<typename Format::Packed>(key);
    return {first_vertex<Format>(edge), second_vertex<Format>(edge)};
  }
  Class classify(Key key) const {
    const auto [i, j] = ends(key);
    const auto mark = witness_[matrix_.row(i) + j];
    if (mark == merge_mark<Format>) return {merge, 0};
    if (mark == birth_mark<Format>) return {birth, index_.at(pack_edge<Format>(i, j))};
    if constexpr (checked) {
      if (!in_lune(matrix_, i, j, mark)) throw std::invalid_argument(wrong_witness);
    }
    return {witnessed, mark};
  }

 private:
  const Condensed& matrix_;
  const typename Format::Witness* witness_;
  std::unordered_map<typename Format::Packed, std::uint32_t> index_;
};

// From what a scan found, in the order of the edges, to bars. Marks the edges that join two components in `witness`.
template <class Format, bool checked>
void reduce_found(const Condensed& matrix, typename Format::Witness* witness, const FoundLinks& found,
                  int threads, LinksResult& result, Control& control) {
  Forest forest(matrix.n);
  std::vector<Death> deaths;
  deaths.reserve(found.squares.size());
  const DenseGraph<Format, checked> order(matrix, witness, {});
  auto square = found.squares.begin();
  const auto take_squares = [&](const EdgeEnds* before) {
    for (; square != found.squares.end(); ++square) {
      if (before && order.key(before->i, before->j) < order.key(square->edge.i, square->edge.j)) return;
      deaths.push_back({square->edge, square->main, square->other, result.birth_edges.size()});
    }
  };
  for (const EdgeEnds& edge : found.empty) {
    take_squares(&edge);
    const bool merges = forest.join(edge.i, edge.j);
    (merges ? result.merge_edges : result.birth_edges).push_back(edge);
    if (merges) witness[matrix.row(edge.i) + edge.j] = merge_mark<Format>;
  }
  take_squares(nullptr);
  reduce(DenseGraph<Format, checked>(matrix, witness, result.birth_edges), deaths, threads, result, control);
  const auto lengths = [&](const std::vector<EdgeEnds>& edges, std::vector<float>& out) {
    for (const EdgeEnds& edge : edges) out.push_back(matrix(edge.i, edge.j));
  };
  lengths(result.merge_edges, result.merge_lengths);
  lengths(result.birth_edges, result.birth_lengths);
  lengths(result.death_edges, result.death_lengths);
}

}  // namespace topo_interp
