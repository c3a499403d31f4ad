// Bindings of exact persistence from edge links: check, release the GIL, call, wrap.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "at_most.hpp"
#include "bind_arrays.hpp"
#include "bind_names.hpp"
#include "rips/links.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace topo_interp;
using CondensedArray = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Read-only arrays that keep the result alive.
template <class T>
auto view(const LinksResult& self, const T* data, std::size_t count) {
  return nb::ndarray<nb::numpy, const T>(data, {count}, nb::find(self));
}
auto edge_view(const LinksResult& self, const std::vector<EdgeEnds>& edges) {
  const auto* data = reinterpret_cast<const std::uint32_t*>(edges.data());
  return nb::ndarray<nb::numpy, const std::uint32_t>(data, {edges.size(), 2}, nb::find(self));
}

// FNV-1a over the bits of all distances; 0 when asked to stop, which takes a while at 10^9 of them.
std::uint64_t fingerprint(const CondensedArray& condensed, const Control& control) {
  std::uint64_t hash = 14695981039346656037u;
  for (std::size_t k = 0; k < condensed.shape(0); ++k) {
    if (k % 1048576 == 0 && control.stopped()) return 0;
    hash = (hash ^ std::bit_cast<std::uint32_t>(condensed.data()[k])) * 1099511628211u;
  }
  return hash;
}

LinksResult links_rips(CondensedArray condensed, std::uint64_t n, double threshold, std::uint32_t field, int threads,
                       nb::object progress, int max_dim, bool keep_witnesses, const std::string& isa, bool wide,
                       std::uint64_t block) {
  require_aligned(condensed);
  if (n > 0 && (n > 4294967294u || condensed.shape(0) != n * (n - 1) / 2)) {
    throw nb::value_error("the condensed matrix of n points has n (n - 1) / 2 entries");
  }
  LinksOptions options;
  options.threshold = at_most<float>(threshold);
  options.field = field;
  options.threads = thread_count(threads);
  options.isa = isa_named(isa);
  options.wide = wide;
  if (block < 8 || block > 64 || (block & (block - 1)) != 0) throw nb::value_error("block is 8, 16, 32 or 64");
  options.block = block;
  options.max_dim = max_dim;
  LinksResult result;
  const Condensed matrix{condensed.data(), n};
  run_interruptible(progress, [&](Control& control) {
    result = links_of_matrix(matrix, options, control);
    if (keep_witnesses) result.fingerprint = fingerprint(condensed, control);
  });
  if (!keep_witnesses) {
    result.narrow.reset();
    result.wide.reset();
  }
  return result;
}

LinksResult links_graph(nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> start,
                        nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> neighbor,
                        CondensedArray length, double threshold, std::uint32_t field, int threads, nb::object progress,
                        int max_dim) {
  require_aligned(start, neighbor, length);
  if (start.shape(0) == 0) throw nb::value_error("start has one entry per row and one more");
  const std::uint64_t n = start.shape(0) - 1;
  if (neighbor.shape(0) != length.shape(0) || n > 4294967290u) throw nb::value_error("neighbor and length have one entry per edge");
  const SparseGraph graph{n, start.data(), neighbor.data(), length.data()};
  bool sound = graph.start[0] == 0 && static_cast<std::uint64_t>(graph.start[n]) == neighbor.shape(0);
  for (std::uint64_t i = 0; sound && i < n; ++i) {
    sound = graph.start[i] <= graph.start[i + 1] && graph.start[i + 1] <= graph.start[n];
    for (std::int64_t k = graph.start[i]; sound && k < graph.start[i + 1]; ++k) {
      const std::uint64_t before = k == graph.start[i] ? i : graph.neighbor[k - 1];
      sound = graph.neighbor[k] > before && graph.neighbor[k] < n && graph.length[k] >= 0;
    }
  }
  if (!sound) throw nb::value_error("the graph is no upper triangle in rows with increasing neighbors and lengths >= 0");
  LinksOptions options;
  options.threshold = at_most<float>(threshold);
  options.field = field;
  options.threads = thread_count(threads);
  options.max_dim = max_dim;
  LinksResult result;
  run_interruptible(progress, [&](Control& control) { result = links_of_graph(graph, options, control); });
  return result;
}

using EmptyArray = nb::ndarray<const std::uint32_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using SquareArray = nb::ndarray<const std::uint32_t, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;

// `witness` is written to: the edges that join two components are marked in it.
template <class Witness>
LinksResult links_reduce(CondensedArray condensed, std::uint64_t n, nb::ndarray<Witness, nb::ndim<1>, nb::c_contig, nb::device::cpu> witness,
                         EmptyArray empty, SquareArray squares, float cut, bool complete, std::uint64_t edges, std::uint32_t field,
                         int threads, nb::object progress, bool keep_witnesses) {
  require_aligned(condensed, witness, empty, squares);
  if (n < 2 || n > 4294967294u || condensed.shape(0) != n * (n - 1) / 2 || witness.shape(0) != condensed.shape(0)) {
    throw nb::value_error("the condensed matrix of n >= 2 points has n (n - 1) / 2 entries, and as many witnesses");
  }
  FoundLinks found;
  found.cut = cut;
  found.complete = complete;
  found.edges = edges;
  found.empty.resize(empty.shape(0));
  for (std::size_t k = 0; k < empty.shape(0); ++k) found.empty[k] = {empty(k, 0), empty(k, 1)};
  found.squares.resize(squares.shape(0));
  for (std::size_t k = 0; k < squares.shape(0); ++k) found.squares[k] = {{squares(k, 0), squares(k, 1)}, squares(k, 2), squares(k, 3)};
  LinksOptions options{};
  options.field = field;
  options.threads = thread_count(threads);
  LinksResult result;
  const Condensed matrix{condensed.data(), n};
  run_interruptible(progress, [&](Control& control) {
    result = links_of_scan(matrix, witness.data(), found, options, keep_witnesses, control);
    if (keep_witnesses) result.fingerprint = fingerprint(condensed, control);
  });
  return result;
}

using WordArray = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using PairArray = nb::ndarray<const std::uint32_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;

// Witnesses are read for the edges and in the order of the distances that they were found for: any other distances would lead
// to entries that were never written.
void check_source(const CondensedArray& condensed, const LinksResult& links, const Control& control) {
  const bool same = condensed.shape(0) == links.witnesses && (links.narrow || links.wide) &&
                    (fingerprint(condensed, control) == links.fingerprint || control.stopped());
  require(same, "these are not the distances of the links, or the links were computed without keep_witnesses");
}

nb::tuple links_cochain(const LinksResult& links, CondensedArray condensed, WordArray births, double at, int threads) {
  require_aligned(condensed, births);
  if (births.shape(0) != links.birth_edges.size()) throw nb::value_error("one value per birth edge is needed");
  for (std::size_t k = 0; k < births.shape(0); ++k) {
    if (births.data()[k] >= links.field) throw nb::value_error("values lie in 0 .. p - 1");
  }
  threads = thread_count(threads);
  Cochain out;
  const Condensed matrix{condensed.data(), links.n};
  run_interruptible(nb::none(), [&](Control& control) {
    check_source(condensed, links, control);
    out = extend_cochain(matrix, links, births.data(), at_most<float>(at), threads, control);
  });
  const std::size_t count = out.edges.size();
  return nb::make_tuple(to_numpy<EdgeEnds, std::uint32_t>(std::move(out.edges), {count, 2}), to_numpy(std::move(out.values)));
}

nb::tuple links_expand(const LinksResult& links, CondensedArray condensed, PairArray edges, WordArray values) {
  require_aligned(condensed, edges, values);
  if (edges.shape(0) != values.shape(0)) throw nb::value_error("one value per edge is needed");
  const Condensed matrix{condensed.data(), links.n};
  Chain out;
  run_interruptible(nb::none(), [&](Control& control) {
    check_source(condensed, links, control);
    for (std::size_t k = 0; k < edges.shape(0); ++k) {
      const std::uint32_t u = edges.data()[2 * k], v = edges.data()[2 * k + 1];
      require(u < links.n && v < links.n && u != v && values.data()[k] < links.field,
              "edges join two vertices below n, values lie in 0 .. p - 1");
      require(matrix(u, v) <= links.cut, "an edge is longer than the cut: it never entered");
    }
    if (!control.stopped()) out = expand_chain(matrix, links, edges.data(), values.data(), edges.shape(0));
  });
  return nb::make_tuple(to_numpy(std::move(out.rows)), to_numpy(std::move(out.values)));
}

}  // namespace

void bind_links(nb::module_& m) {
  nb::class_<LinksResult>(m, "LinksResult", "Bars of degree 0 and 1 with what their cycles and cocycles are read from.")
      .def_ro("n", &LinksResult::n)
      .def_ro("field", &LinksResult::field)
      .def_ro("cut", &LinksResult::cut)
      .def_ro("complete", &LinksResult::complete)
      .def_ro("edges", &LinksResult::edges)
      .def_prop_ro("merge_edges", [](const LinksResult& r) { return edge_view(r, r.merge_edges); })
      .def_prop_ro("merge_lengths", [](const LinksResult& r) { return view(r, r.merge_lengths.data(), r.merge_lengths.size()); })
      .def_prop_ro("birth_edges", [](const LinksResult& r) { return edge_view(r, r.birth_edges); })
      .def_prop_ro("birth_lengths", [](const LinksResult& r) { return view(r, r.birth_lengths.data(), r.birth_lengths.size()); })
      .def_prop_ro("death_edges", [](const LinksResult& r) { return edge_view(r, r.death_edges); })
      .def_prop_ro("death_lengths", [](const LinksResult& r) { return view(r, r.death_lengths.data(), r.death_lengths.size()); })
      .def_prop_ro("relation_pivots", [](const LinksResult& r) { return view(r, r.relation_pivots.data(), r.relation_pivots.size()); })
      .def_prop_ro("relation_start", [](const LinksResult& r) { return view(r, r.relations.start.data(), r.relations.start.size()); })
      .def_prop_ro("relation_rows", [](const LinksResult& r) { return view(r, r.relations.rows.data(), r.relations.rows.size()); })
      .def_prop_ro("relation_values", [](const LinksResult& r) { return view(r, r.relations.values.data(), r.relations.values.size()); })
      .def_prop_ro("counts", [](const LinksResult& r) {
        nb::dict out;
        out["edges"] = r.edges;
        out["cones"] = r.scan.cones;
        out["attached"] = r.scan.attached;
        out["exact"] = r.scan.exact;
        out["rows"] = r.scan.rows;
        out["columns"] = r.reduce.columns;
        out["zero_columns"] = r.reduce.zero;
        out["expanded"] = r.reduce.expanded;
        out["additions"] = r.reduce.additions;
        out["added"] = r.reduce.added;
        out["seconds"] = nb::make_tuple(r.seconds[0], r.seconds[1], r.seconds[2], r.seconds[3]);
        return out;
      });
  m.def("links_rips", &links_rips, "condensed"_a.noconvert(), "n"_a, "threshold"_a, "field"_a = 2, "threads"_a = 1,
        "progress"_a.none() = nb::none(), "max_dim"_a = 1, "keep_witnesses"_a = false, "isa"_a = "", "wide"_a = false, "block"_a = 8);
  m.def("links_graph", &links_graph, "start"_a.noconvert(), "neighbor"_a.noconvert(), "length"_a.noconvert(), "threshold"_a,
        "field"_a = 2, "threads"_a = 1, "progress"_a.none() = nb::none(), "max_dim"_a = 1);
  const auto def_reduce = [&m](auto* kernel) {
    m.def("links_reduce", kernel, "condensed"_a.noconvert(), "n"_a, "witness"_a.noconvert(), "empty"_a.noconvert(),
          "squares"_a.noconvert(), "cut"_a, "complete"_a, "edges"_a, "field"_a = 2, "threads"_a = 1, "progress"_a.none() = nb::none(),
          "keep_witnesses"_a = false);
  };
  def_reduce(&links_reduce<std::uint16_t>);
  def_reduce(&links_reduce<std::uint32_t>);
  m.def("links_cochain", &links_cochain, "links"_a, "condensed"_a.noconvert(), "births"_a.noconvert(), "at"_a,
        "threads"_a = 1);
  m.def("links_expand", &links_expand, "links"_a, "condensed"_a.noconvert(), "edges"_a.noconvert(),
        "values"_a.noconvert());
}
