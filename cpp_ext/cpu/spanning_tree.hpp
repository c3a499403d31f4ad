// The minimum spanning tree of all points in O(n) memory: exact neighbour lists from one pass, then Boruvka rounds on them.
#pragma once
#include <cstdint>
#include <vector>

#include "cpu/distance_source.hpp"
#include "interrupt.hpp"

namespace topo_interp {

// Edges are ordered by (length, i, j), i < j: no two are equal, so that there is one minimum spanning tree.
template <class T>
struct Edge {
  T length;
  std::int32_t i, j;
  bool operator<(const Edge& other) const {
    if (length != other.length) return length < other.length;
    return i != other.i ? i < other.i : j < other.j;
  }
};

struct SpanningTreeOptions {
  std::int64_t neighbors = 16;   // length of the lists of the first pass
  std::int64_t table = 0;        // most components whose pairs are kept in a table; 0: as many as take O(n) memory
  double refresh_share = 0.25;   // of the rows: so many new lists are made before a table is
  int threads = 1;
};

// What it took.
struct SpanningTreeWork {
  std::int64_t rounds = 0;      // of Boruvka's algorithm on the lists
  std::int64_t refreshed = 0;   // lists that were made anew
  std::int64_t components = 0;  // joined by a table at the end
  std::int64_t tiles = 0;       // of pairs that were computed for it
};

template <class T>
struct SpanningTree {
  std::vector<Edge<T>> edges;  // in order
  SpanningTreeWork work;
};

template <class T>
SpanningTree<T> spanning_tree(const DistanceSource<T>& source, const SpanningTreeOptions& options, Control& control);

}  // namespace topo_interp
