// Cochains and chains of a finished result: carried from the birth edges to all edges, and back.
#include <algorithm>
#include <cstdint>

#include "rips/dense_graph.hpp"

namespace topo_interp {

namespace {

template <class Format>
Cochain extend(const Condensed& matrix, const LinksResult& links, const typename Format::Witness* witness,
               const std::uint32_t* births, float at, int threads, Control& control) {
  const Field field(links.field);
  const SortedEdges<Format> sorted = sort_edges<Format>(matrix, std::min(at, links.cut), threads, control);
  const auto eta = std::make_unique_for_overwrite<std::uint32_t[]>(matrix.size());
  const auto oriented = [&](Vertex u, Vertex v) {
    return u < v ? eta[matrix.row(u) + v] : field.negate(eta[matrix.row(v) + u]);
  };
  Cochain out;
  out.edges.reserve(sorted.count);
  out.values.reserve(sorted.count);
  std::size_t birth = 0;
  for (std::uint64_t position = 0; position < sorted.count; ++position) {
    if (position % 65536 == 0 && control.stopped()) break;
    const Vertex i = first_vertex<Format>(sorted.edges[position]), j = second_vertex<Format>(sorted.edges[position]);
    const auto mark = witness[matrix.row(i) + j];
    std::uint32_t value = 0;
    if (mark == birth_mark<Format>) {
      value = births[birth++];
    } else if (mark != merge_mark<Format>) {
      value = field.add(oriented(i, mark), oriented(mark, j));
    }
    eta[matrix.row(i) + j] = value;
    out.edges.push_back({i, j});
    out.values.push_back(value);
  }
  return out;
}

template <class Format>
Chain expand(const Condensed& matrix, const LinksResult& links, const typename Format::Witness* witness, const Vertex* ends,
             const std::uint32_t* values, std::uint64_t count) {
  const Field field(links.field);
  const DenseGraph<Format> graph(matrix, witness, links.birth_edges);
  Expander<DenseGraph<Format>> expander(graph, field);
  for (std::uint64_t k = 0; k < count; ++k) expander.push(ends[2 * k], ends[2 * k + 1], values[k]);
  Chain out;
  std::uint64_t steps = 0;
  expander.expand(
      [&](std::uint32_t row, std::uint32_t value) {
        out.rows.push_back(row);
        out.values.push_back(value);
      },
      steps);
  return out;
}

}  // namespace

Cochain extend_cochain(const Condensed& matrix, const LinksResult& links, const std::uint32_t* births, float at, int threads,
                       Control& control) {
  if (links.wide) return extend<Wide>(matrix, links, links.wide.get(), births, at, threads, control);
  return extend<Narrow>(matrix, links, links.narrow.get(), births, at, threads, control);
}

Chain expand_chain(const Condensed& matrix, const LinksResult& links, const Vertex* ends, const std::uint32_t* values,
                   std::uint64_t count) {
  if (links.wide) return expand<Wide>(matrix, links, links.wide.get(), ends, values, count);
  return expand<Narrow>(matrix, links, links.narrow.get(), ends, values, count);
}

}  // namespace topo_interp
