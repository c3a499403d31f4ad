// Exact H0 and H1 of a Rips filtration from the links of its edges.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "interrupt.hpp"
#include "rips/edge_order.hpp"
#include "rips/link_scan.hpp"
#include "rips/reduce.hpp"

namespace topo_interp {

enum class LinksPhase { order = 0, links = 1, reduce = 2 };

// Everything the bars, their cycles and their cocycles are read from. Edges are pairs of vertices with i < j.
struct LinksResult {
  std::uint64_t n = 0;
  std::uint32_t field = 2;
  float cut = 0;         // edges up to this length entered
  bool complete = false; // past `cut` the complex is a cone: no bar of degree 1 is left open

  std::vector<EdgeEnds> merge_edges;  // a minimal spanning forest, in order
  std::vector<float> merge_lengths;
  std::vector<EdgeEnds> birth_edges;  // edges that opened a loop, in order
  std::vector<float> birth_lengths;

  // Relations among the births, in order of the edge that made them; the first row of each is its pivot, the birth that it ends.
  Columns relations;
  std::vector<std::uint32_t> relation_pivots;
  std::vector<EdgeEnds> death_edges;
  std::vector<float> death_lengths;

  // Witness per edge; by condensed index when `edges` is empty, else per edge of the sparse graph.
  std::unique_ptr<std::uint16_t[]> narrow;
  std::unique_ptr<std::uint32_t[]> wide;
  std::uint64_t witnesses = 0;
  std::uint64_t fingerprint = 0;  // of the distances, when the witnesses are kept: they mean nothing for others

  std::uint64_t edges = 0;
  ScanCounts scan;
  ReduceCounts reduce;
  double seconds[4] = {0, 0, 0, 0};
};

struct LinksOptions {
  float threshold;
  std::uint32_t field = 2;
  int threads = 1;
  int max_dim = 1;
  Isa isa = Isa::scalar;
  bool wide = false;        // wide formats although the vertices fit the narrow ones
  std::uint64_t block = 8;  // words in a block of the bit rows, at least; a power of two
};

LinksResult links_of_matrix(const Condensed& matrix, const LinksOptions& options, Control& control);

// An edge with a further component of its link: the cycle i - main - j - other.
struct FoundSquare {
  EdgeEnds edge;
  Vertex main, other;
};

// What a scan of all links leaves for the reduction, beside a witness per edge.
struct FoundLinks {
  float cut = 0;
  bool complete = false;
  std::uint64_t edges = 0;
  std::vector<EdgeEnds> empty;       // edges with an empty link, in order
  std::vector<FoundSquare> squares;  // in order
};

// The reduction alone, for links that were scanned elsewhere (on a device). The edges that join two components are marked in
// `witness`, by condensed index; `keep`: a copy of it stays with the result, and all of it is checked. Throws
// std::invalid_argument where what was found can not be of these distances.
LinksResult links_of_scan(const Condensed& matrix, std::uint16_t* witness, const FoundLinks& found, const LinksOptions& options,
                          bool keep, Control& control);
LinksResult links_of_scan(const Condensed& matrix, std::uint32_t* witness, const FoundLinks& found, const LinksOptions& options,
                          bool keep, Control& control);

// The upper triangle of a graph in rows: the neighbors j > i of i in increasing order, and the lengths of the edges.
struct SparseGraph {
  std::uint64_t n = 0;
  const std::int64_t* start;  // n + 1
  const Vertex* neighbor;
  const float* length;
  std::uint64_t size() const { return static_cast<std::uint64_t>(start[n]); }
  // Where the edge stands, or size() when it is not there.
  std::uint64_t index(Vertex i, Vertex j) const;
};
LinksResult links_of_graph(const SparseGraph& graph, const LinksOptions& options, Control& control);

// A cochain on the birth edges, extended to every edge of length <= `at` so that it vanishes on the boundary of the triangle
// of each edge and its witness, and on the merge edges. It is a cocycle when it vanishes on the relations made up to `at`.
struct Cochain {
  std::vector<EdgeEnds> edges;  // in order
  std::vector<std::uint32_t> values;
};
Cochain extend_cochain(const Condensed& matrix, const LinksResult& links, const std::uint32_t* births, float at, int threads,
                       Control& control);

// A chain of edges (u[k] to v[k], times value[k]) in the birth edges, up to homology: rows in decreasing order.
struct Chain {
  std::vector<std::uint32_t> rows, values;
};
Chain expand_chain(const Condensed& matrix, const LinksResult& links, const Vertex* ends, const std::uint32_t* values,
                   std::uint64_t count);

}  // namespace topo_interp
