#include "rips/links.hpp"

#include <chrono>
#include <cmath>
#include <utility>

#include "rips/dense_graph.hpp"
#include "rips/dense_scan.hpp"

namespace topo_interp {

void ScanFound::add_square(std::uint64_t position, Vertex main, Vertex other) { squares.push_back({position, main, other}); }
void ScanFound::add_empty(std::uint64_t position) { empty.push_back(position); }

namespace {

template <class Format>
std::unique_ptr<typename Format::Witness[]> run(const Condensed& matrix, const LinksOptions& options, LinksResult& result,
                                               Control& control) {
  const auto now = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  double clock = now();
  const auto lap = [&](int phase) { result.seconds[phase] += now() - clock; clock = now(); };
  const std::uint64_t n = matrix.n;
  control.phase = static_cast<int>(LinksPhase::order);
  const RowSummary rows = summarize_rows(matrix, options.threads, control);
  result.complete = rows.radius <= options.threshold && std::isfinite(rows.radius);
  result.cut = result.complete ? rows.radius : options.threshold;
  const SortedEdges<Format> sorted = sort_edges<Format>(matrix, result.cut, options.threads, control);
  if (control.stopped()) return nullptr;
  result.edges = sorted.count;
  lap(0);

  const auto edge_at = [&](std::uint64_t position) {
    return EdgeEnds{first_vertex<Format>(sorted.edges[position]), second_vertex<Format>(sorted.edges[position])};
  };
  if (options.max_dim == 0) {
    Forest forest(n);
    for (std::uint64_t position = 0; position < sorted.count && result.merge_edges.size() + 1 < n; ++position) {
      if (position % 65536 == 0 && control.stopped()) return nullptr;
      const EdgeEnds edge = edge_at(position);
      if (!forest.join(edge.i, edge.j)) continue;
      result.merge_edges.push_back(edge);
      result.merge_lengths.push_back(matrix(edge.i, edge.j));
    }
    return nullptr;
  }

  control.phase = static_cast<int>(LinksPhase::links);
  control.total = static_cast<std::int64_t>(sorted.count);
  const Guides guides = make_guides(
      rows, [&](const std::vector<Vertex>& from) { return distances_from(matrix, from, options.threads); }, options.threads, control);
  lap(1);
  auto witness = std::make_unique_for_overwrite<typename Format::Witness[]>(matrix.size());
  ScanFound found = scan_all(matrix, sorted, guides, witness.get(), options, control);
  if (control.stopped()) return nullptr;
  result.scan = found.counts;
  lap(2);

  control.phase = static_cast<int>(LinksPhase::reduce);
  FoundLinks ends;
  ends.empty.reserve(found.empty.size());
  ends.squares.reserve(found.squares.size());
  for (const std::uint64_t position : found.empty) ends.empty.push_back(edge_at(position));
  for (const Square& square : found.squares) ends.squares.push_back({edge_at(square.position), square.main, square.other});
  reduce_found<Format, false>(matrix, witness.get(), ends, options.threads, result, control);
  lap(3);
  return witness;
}

}  // namespace

LinksResult links_of_matrix(const Condensed& matrix, const LinksOptions& options, Control& control) {
  LinksResult result;
  result.n = matrix.n;
  result.field = options.field;
  Field{options.field};
  result.witnesses = matrix.n < 2 ? 0 : matrix.size();
  if (matrix.n < 2) {
    result.complete = true;
    return result;
  }
  if (options.wide || matrix.n > Narrow::vertex_limit) {
    result.wide = run<Wide>(matrix, options, result, control);
  } else {
    result.narrow = run<Narrow>(matrix, options, result, control);
  }
  return result;
}

}  // namespace topo_interp
