// Exact H0 and H1 of a graph with sorted neighbor lists: nothing of size n x n.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel.hpp"
#include "rips/relations.hpp"

namespace topo_interp {

std::uint64_t SparseGraph::index(Vertex i, Vertex j) const {
  const Vertex* const first = neighbor + start[i];
  const Vertex* const last = neighbor + start[i + 1];
  const Vertex* const found = std::lower_bound(first, last, j);
  return found == last || *found != j ? size() : static_cast<std::uint64_t>(found - neighbor);
}

namespace {

constexpr std::uint32_t merge_edge = 0xffffffffu, birth_edge = 0xfffffffeu;  // in the place of a witness

// The graph, as the reduction sees it. Keys order by length, then by the place of the edge: (i, j).
class ReducedGraph {
 public:
  using Key = std::uint64_t;
  enum Kind { merge, birth, witnessed };
  struct Class {
    Kind kind;
    std::uint32_t what;
  };

  ReducedGraph(const SparseGraph& graph, const std::vector<Vertex>& source, const std::uint32_t* witness,
               const std::vector<std::uint64_t>& births)
      : graph_(graph), source_(source), witness_(witness), births_(births) {}
  Key key(Vertex i, Vertex j) const { return key_at(graph_.index(i, j)); }
  Key key_at(std::uint64_t edge) const { return (Key{length_bits(graph_.length[edge])} << 32) | edge; }
  EdgeEnds ends(Key key) const {
    const std::uint64_t edge = key & 0xffffffffu;
    return {source_[edge], graph_.neighbor[edge]};
  }
  Class classify(Key key) const {
    const std::uint32_t mark = witness_[key & 0xffffffffu];
    if (mark == merge_edge) return {merge, 0};
    if (mark != birth_edge) return {witnessed, mark};
    return {birth, static_cast<std::uint32_t>(std::lower_bound(births_.begin(), births_.end(), key) - births_.begin())};
  }

 private:
  const SparseGraph& graph_;
  const std::vector<Vertex>& source_;
  const std::uint32_t* witness_;
  const std::vector<std::uint64_t>& births_;  // keys, in order
};

struct Neighbor {
  Vertex vertex;
  std::uint32_t rank;
};

// All neighbors of every vertex, sorted, with the ranks of the edges.
struct Adjacency {
  std::vector<std::uint64_t> start;
  std::vector<Neighbor> list;
};

Adjacency both_directions(const SparseGraph& graph, const std::vector<Vertex>& source, const std::vector<std::uint32_t>& rank) {
  Adjacency out;
  out.start.assign(graph.n + 1, 0);
  for (std::uint64_t e = 0; e < graph.size(); ++e) {
    ++out.start[source[e] + 1u];
    ++out.start[graph.neighbor[e] + std::uint64_t{1}];
  }
  std::partial_sum(out.start.begin(), out.start.end(), out.start.begin());
  out.list.resize(2 * graph.size());
  std::vector<std::uint64_t> at(out.start.begin(), out.start.end() - 1);
  // Smaller neighbors first, then the larger: each list comes out sorted, since edges stand in the order (i, j).
  for (std::uint64_t e = 0; e < graph.size(); ++e) out.list[at[graph.neighbor[e]]++] = {source[e], rank[e]};
  for (std::uint64_t e = 0; e < graph.size(); ++e) out.list[at[source[e]]++] = {graph.neighbor[e], rank[e]};
  return out;
}

// One thread's scratch for the links of edges.
class LinkOfEdge {
 public:
  LinkOfEdge(const Adjacency& adjacency, std::uint64_t n) : adjacency_(adjacency), place_(n, none) {}

  // The first vertex of each component of the link of the edge (i, j); the first of all has the shortest edges to the ends.
  const std::vector<Vertex>& components(Vertex i, Vertex j, std::uint32_t rank) {
    lune_.clear();
    heads_.clear();
    auto a = adjacency_.start[i], a_end = adjacency_.start[i + 1u];
    auto b = adjacency_.start[j], b_end = adjacency_.start[j + 1u];
    std::uint32_t best_rank = none;
    std::size_t best = 0;
    while (a != a_end && b != b_end) {
      const Neighbor x = adjacency_.list[a], y = adjacency_.list[b];
      if (x.vertex < y.vertex) {
        ++a;
      } else if (y.vertex < x.vertex) {
        ++b;
      } else {
        const std::uint32_t later = std::max(x.rank, y.rank);
        if (later < rank) {
          if (later < best_rank) {
            best_rank = later;
            best = lune_.size();
          }
          lune_.push_back(x.vertex);
        }
        ++a;
        ++b;
      }
    }
    if (lune_.empty()) return heads_;
    std::swap(lune_[0], lune_[best]);
    for (std::size_t k = 0; k < lune_.size(); ++k) place_[lune_[k]] = static_cast<std::uint32_t>(k);
    std::size_t left = lune_.size();
    for (std::size_t k = 0; left != 0; ++k) {
      if (place_[lune_[k]] == none) continue;
      heads_.push_back(lune_[k]);
      stack_.assign(1, lune_[k]);
      place_[lune_[k]] = none;
      --left;
      while (!stack_.empty() && left != 0) {
        const Vertex u = stack_.back();
        stack_.pop_back();
        for (auto at = adjacency_.start[u]; at != adjacency_.start[u + 1u] && left != 0; ++at) {
          const Neighbor next = adjacency_.list[at];
          if (next.rank < rank && place_[next.vertex] != none) {
            place_[next.vertex] = none;
            stack_.push_back(next.vertex);
            --left;
          }
        }
      }
    }
    return heads_;
  }

 private:
  const Adjacency& adjacency_;
  std::vector<std::uint32_t> place_;
  std::vector<Vertex> lune_, heads_, stack_;
};

}  // namespace

LinksResult links_of_graph(const SparseGraph& graph, const LinksOptions& options, Control& control) {
  LinksResult result;
  result.n = graph.n;
  result.field = options.field;
  Field{options.field};
  const std::uint64_t edges = graph.size();
  if (edges >= birth_edge) throw std::invalid_argument("a sparse graph has less than 2^32 - 2 edges");
  control.phase = static_cast<int>(LinksPhase::order);
  std::vector<Vertex> source(edges);
  for (std::uint64_t i = 0; i < graph.n; ++i) {
    std::fill(source.begin() + graph.start[i], source.begin() + graph.start[i + 1], static_cast<Vertex>(i));
  }
  std::vector<std::uint64_t> order;
  order.reserve(edges);
  for (std::uint64_t e = 0; e < edges; ++e) {
    if (graph.length[e] <= options.threshold) order.push_back((std::uint64_t{length_bits(graph.length[e])} << 32) | e);
  }
  std::sort(order.begin(), order.end(), [&](std::uint64_t a, std::uint64_t b) {
    if (control.stopped()) throw Interrupted();  // millions of edges take longer than anybody waits
    return a < b;
  });
  result.edges = order.size();
  if (!order.empty()) result.cut = graph.length[order.back() & 0xffffffffu];
  std::vector<std::uint32_t> rank(edges, none);
  std::vector<std::uint64_t> degree(graph.n, 0);
  for (std::uint64_t position = 0; position < order.size(); ++position) {
    const std::uint64_t e = order[position] & 0xffffffffu;
    rank[e] = static_cast<std::uint32_t>(position);
    ++degree[source[e]];
    ++degree[graph.neighbor[e]];
  }
  // A vertex next to all others is the tip of a cone, whatever the pairs that are not there.
  result.complete = std::any_of(degree.begin(), degree.end(), [&](std::uint64_t count) { return count + 1 == graph.n; });
  if (control.stopped()) return result;

  control.phase = static_cast<int>(LinksPhase::links);
  control.total = static_cast<std::int64_t>(order.size());
  const Adjacency adjacency = both_directions(graph, source, rank);
  result.wide = std::make_unique_for_overwrite<std::uint32_t[]>(edges);
  result.witnesses = edges;
  std::uint32_t* const witness = result.wide.get();
  struct Worker {
    LinkOfEdge link;
    std::vector<std::uint64_t> empty;
    std::vector<Square> squares;
  };
  constexpr std::uint64_t step = 256;
  Crew crew(order.size() < 32 * step ? 1 : options.threads);
  std::vector<Worker> workers;
  for (int k = 0; k < crew.threads(); ++k) workers.push_back({LinkOfEdge(adjacency, graph.n), {}, {}});
  parallel_for(crew, pieces_of(static_cast<std::int64_t>(order.size()), step), control, [&](std::int64_t piece, int thread) {
    Worker& mine = workers[static_cast<std::size_t>(thread)];
    const std::uint64_t first = step * static_cast<std::uint64_t>(piece), last = std::min<std::uint64_t>(first + step, order.size());
    for (std::uint64_t position = first; position < last; ++position) {
      const std::uint64_t e = order[position] & 0xffffffffu;
      const std::vector<Vertex>& heads = mine.link.components(source[e], graph.neighbor[e], static_cast<std::uint32_t>(position));
      witness[e] = heads.empty() ? birth_edge : heads[0];
      if (heads.empty()) mine.empty.push_back(position);
      for (std::size_t k = 1; k < heads.size(); ++k) mine.squares.push_back({position, heads[0], heads[k]});
    }
    control.done.fetch_add(static_cast<std::int64_t>(last - first));
  });
  if (control.stopped()) return result;
  std::vector<std::uint64_t> empty;
  std::vector<Square> squares;
  for (const Worker& worker : workers) {
    empty.insert(empty.end(), worker.empty.begin(), worker.empty.end());
    squares.insert(squares.end(), worker.squares.begin(), worker.squares.end());
  }
  std::sort(empty.begin(), empty.end());
  std::stable_sort(squares.begin(), squares.end(), [](const Square& x, const Square& y) { return x.position < y.position; });

  control.phase = static_cast<int>(LinksPhase::reduce);
  Forest forest(graph.n);
  std::vector<std::uint64_t> births;
  const auto ends = [&](std::uint64_t position) {
    const std::uint64_t e = order[position] & 0xffffffffu;
    return EdgeEnds{source[e], graph.neighbor[e]};
  };
  std::vector<Death> deaths;
  auto square = squares.begin();
  const auto take_squares = [&](std::uint64_t before) {
    for (; square != squares.end() && square->position < before; ++square) {
      deaths.push_back({ends(square->position), square->main, square->other, births.size()});
    }
  };
  for (const std::uint64_t position : empty) {
    take_squares(position);
    const EdgeEnds edge = ends(position);
    const std::uint64_t e = order[position] & 0xffffffffu;
    if (forest.join(edge.i, edge.j)) {
      witness[e] = merge_edge;
      result.merge_edges.push_back(edge);
      result.merge_lengths.push_back(graph.length[e]);
    } else {
      births.push_back(order[position]);
      result.birth_edges.push_back(edge);
      result.birth_lengths.push_back(graph.length[e]);
    }
  }
  if (options.max_dim == 0) return result;
  take_squares(order.size());
  reduce(ReducedGraph(graph, source, witness, births), deaths, options.threads, result, control);
  for (const EdgeEnds& edge : result.death_edges) result.death_lengths.push_back(graph.length[graph.index(edge.i, edge.j)]);
  return result;
}

}  // namespace topo_interp
