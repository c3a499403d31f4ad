// The reduction for links that were scanned elsewhere: nothing of what comes in is believed.
#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "parallel.hpp"
#include "rips/dense_graph.hpp"

namespace topo_interp {

namespace {

template <class Format>
void check_found(const Condensed& matrix, const typename Format::Witness* witness, const FoundLinks& found, bool all, int threads,
                 Control& control) {
  parallel_for(threads, static_cast<std::int64_t>(matrix.n), control, [&](std::int64_t row, int) {
    const auto i = static_cast<Vertex>(row);
    for (Vertex j = i + 1; j < matrix.n; ++j) {
      const float length = matrix.lengths[matrix.row(i) + j];
      const auto mark = witness[matrix.row(i) + j];
      if (!(length <= found.cut) || mark == merge_mark<Format> || mark == birth_mark<Format>) continue;
      if (mark >= matrix.n || (all && !in_lune(matrix, i, j, mark))) throw std::invalid_argument(wrong_witness);
    }
  });
  const DenseGraph<Format> order(matrix, witness, {});
  const auto check_edges = [&](const auto& list, auto&& ends, bool strictly) {
    for (std::size_t k = 0; k < list.size(); ++k) {
      const EdgeEnds edge = ends(list[k]);
      bool right = edge.i < edge.j && edge.j < matrix.n && matrix(edge.i, edge.j) <= found.cut;
      if (right && k > 0) {
        const EdgeEnds before = ends(list[k - 1]);
        const auto a = order.key(before.i, before.j), b = order.key(edge.i, edge.j);
        right = strictly ? a < b : a <= b;
      }
      if (!right) throw std::invalid_argument("the edges that a scan found are not in order, or longer than its cut");
    }
  };
  check_edges(found.empty, [](const EdgeEnds& edge) { return edge; }, true);
  check_edges(found.squares, [](const FoundSquare& square) { return square.edge; }, false);
  for (const FoundSquare& square : found.squares) {
    if (!in_lune(matrix, square.edge.i, square.edge.j, square.main) || !in_lune(matrix, square.edge.i, square.edge.j, square.other)) {
      throw std::invalid_argument(wrong_witness);
    }
  }
}

template <class Format>
LinksResult reduce_scan(const Condensed& matrix, typename Format::Witness* witness, const FoundLinks& found, const LinksOptions& options,
                        bool keep, Control& control, std::unique_ptr<typename Format::Witness[]> LinksResult::*kept) {
  LinksResult result;
  result.n = matrix.n;
  result.field = options.field;
  result.cut = found.cut;
  result.complete = found.complete;
  result.edges = found.edges;
  result.witnesses = matrix.size();
  Field{options.field};
  if (matrix.n > Format::vertex_limit) throw std::invalid_argument("these witnesses have too few bits for so many points");
  control.phase = static_cast<int>(LinksPhase::reduce);
  const auto began = std::chrono::steady_clock::now();
  check_found<Format>(matrix, witness, found, keep, options.threads, control);
  if (control.stopped()) return result;
  reduce_found<Format, true>(matrix, witness, found, options.threads, result, control);
  if (keep) {
    result.*kept = std::make_unique_for_overwrite<typename Format::Witness[]>(matrix.size());
    std::copy_n(witness, matrix.size(), (result.*kept).get());
  }
  result.seconds[3] = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return result;
}

}  // namespace

LinksResult links_of_scan(const Condensed& matrix, std::uint16_t* witness, const FoundLinks& found, const LinksOptions& options,
                          bool keep, Control& control) {
  return reduce_scan<Narrow>(matrix, witness, found, options, keep, control, &LinksResult::narrow);
}

LinksResult links_of_scan(const Condensed& matrix, std::uint32_t* witness, const FoundLinks& found, const LinksOptions& options,
                          bool keep, Control& control) {
  return reduce_scan<Wide>(matrix, witness, found, options, keep, control, &LinksResult::wide);
}

}  // namespace topo_interp
